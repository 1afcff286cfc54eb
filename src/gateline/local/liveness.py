"""Whether the service of this container answers: `python -m gateline.local.liveness`.

Run by the image's HEALTHCHECK every few seconds, so it imports next to nothing.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Final

from gateline.local.probes import status_of

_PATH: Final = "/livez"
_PORT: Final = "8000"
_SERVER_ERROR: Final = 500
# An address to listen on that is none to connect to, and the one that reaches it.
_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


async def is_alive(environment: Mapping[str, str]) -> bool:
    """Tell whether what listens at FLASK_HOST and FLASK_PORT answers `/livez`.

    Over http, else https: an edge with certificates speaks nothing else. An app of the gateway
    file may know no such path; that it says so is life enough.
    """
    host = environment.get("FLASK_HOST", "")
    host, port = _WILDCARDS.get(host, host), int(environment.get("FLASK_PORT") or _PORT)
    status = await status_of(host, port, _PATH)
    if status is None:
        status = await status_of(host, port, _PATH, tls=True)
    return status is not None and status < _SERVER_ERROR


def main() -> None:
    """Exit with 0 when it lives, else with 1, as Docker wants it."""
    sys.exit(0 if asyncio.run(is_alive(os.environ)) else 1)


if __name__ == "__main__":
    main()
