"""A server with replaceable workers: `python rolling_app.py PORT WORKERS MOVE [CERT KEY]`.

MOVE is how many seconds clients have to leave an old worker. Each answer is the number of the
worker's process. While the file BROKEN is in the working folder
no worker comes up.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from gateline.edge.draining import saying_goodbye
from gateline.local import rolling
from gateline.local.rolling import DRAIN_SIGNAL
from gateline.local.services import ServiceProgram
from gateline.local.serving import Listen, serve
from gateline.shared.gateway import EdgeTls

BROKEN = "BROKEN"


async def answer(scope: Any, _receive: Any, send: Any) -> None:
    """Say which process this is."""
    del scope
    body = b"%d" % os.getpid()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class Application:
    """Says goodbye as the edge does."""

    def __init__(self) -> None:
        self.handle: Any = answer
        signal.signal(DRAIN_SIGNAL, self.drain)

    def drain(self, *_: object) -> None:
        """Answer for the last time on each connection."""
        self.handle = saying_goodbye(answer)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or live."""
        if scope["type"] == "http":
            await self.handle(scope, receive, send)
            return
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})


def create_app() -> Application:
    """Return the application of one worker."""
    if Path(BROKEN).exists():
        sys.exit(3)
    return Application()


def main(port: str, workers: str, move: str, *files: str) -> None:
    """Serve."""
    rolling._MOVE_SECONDS = float(move)  # type: ignore[misc] # final but for tests
    tls = EdgeTls(Path(files[0]), Path(files[1])) if files else None
    program = ServiceProgram("small", "rolling_app:create_app", "asgi")
    serve(program, Listen("127.0.0.1", int(port), workers=int(workers), drain_seconds=5, tls=tls))


if __name__ == "__main__":
    main(*sys.argv[1:])
