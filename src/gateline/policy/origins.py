"""May a request that a browser sent on its own come from where it came from.

The rule is that of Go's `net/http.CrossOriginProtection`: trust `Sec-Fetch-Site` (W3C Fetch
Metadata), fall back to comparing `Origin` (RFC 6454) with `Host`, and let pass what no browser
sent.
"""

from collections.abc import Collection
from typing import Final

from gateline.policy.retries import SAFE_METHODS

_OWN: Final = frozenset({"same-origin", "none"})


def is_cross_site(
    method: str,
    *,
    sec_fetch_site: str | None,
    origin: str | None,
    host: str,
    scheme: str,
    trusted: Collection[str] = (),
) -> bool:
    """Tell whether this is an unsafe request that another site made a browser send.

    `origin` is the Origin header, `host` the Host header (with its port), `scheme` that of the
    request as the client sees it, `trusted` a collection of whole origins (`https://app.example`).
    """
    if method in SAFE_METHODS:
        return False
    if origin is not None and origin in trusted:
        return False
    if sec_fetch_site:
        return sec_fetch_site not in _OWN
    if origin is None:
        return False
    return origin.lower() != f"{scheme}://{host}".lower()
