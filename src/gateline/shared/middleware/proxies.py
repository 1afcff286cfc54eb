"""Who really asked: X-Forwarded-* headers, believed only from listed proxies."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateline.shared.config.checks import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_FORWARDED: Final = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
)


class TrustedProxies:
    """WSGI middleware: rewrites address, scheme and host when the peer is a trusted proxy.

    The client is the last address in X-Forwarded-For that is no trusted proxy itself: what a
    client writes there comes before what the first proxy appends. From anybody else the headers
    are dropped, so that nothing further in believes them.
    """

    def __init__(self, app: "WSGIApplication", networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse", /) -> Iterable[bytes]:
        """Serve one request."""
        if self._trusts(environ.get("REMOTE_ADDR", "")):
            self._rewrite(environ)
        else:
            for name in _FORWARDED:
                environ.pop(name, None)
        return self._app(environ, start)

    def _rewrite(self, environ: dict[str, Any]) -> None:
        hops = _parts(environ.get("HTTP_X_FORWARDED_FOR", ""))
        client = next((hop for hop in reversed(hops) if not self._trusts(hop)), None)
        client = client or (hops[0] if hops else None)
        if client is not None and _address(client) is not None:
            environ["REMOTE_ADDR"] = str(_address(client))
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in {"http", "https"}:
            environ["wsgi.url_scheme"] = scheme
        if host := _last(environ.get("HTTP_X_FORWARDED_HOST", "")):
            environ["HTTP_HOST"] = host

    def _trusts(self, text: str) -> bool:
        # A peer without address speaks through a Unix socket: it is on this machine.
        address = _address(text or "127.0.0.1")
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _parts(header: str) -> list[str]:
    return [part.strip() for part in header.split(",") if part.strip()]


def _last(header: str) -> str:
    return (_parts(header) or [""])[-1]
