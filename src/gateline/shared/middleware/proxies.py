"""Who really asked: X-Forwarded-* headers or Forwarded, believed only from listed proxies."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateline.policy.clients import Network, client_behind, is_trusted

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
        client = client_behind(
            self._networks,
            forwarded_for=environ.get("HTTP_X_FORWARDED_FOR", ""),
            forwarded_proto=environ.get("HTTP_X_FORWARDED_PROTO", ""),
            forwarded_host=environ.get("HTTP_X_FORWARDED_HOST", ""),
            forwarded=environ.get("HTTP_FORWARDED", ""),
        )
        if client.address is not None:
            environ["REMOTE_ADDR"] = client.address
        if client.scheme is not None:
            environ["wsgi.url_scheme"] = client.scheme
        if client.host is not None:
            environ["HTTP_HOST"] = client.host

    def _trusts(self, text: str) -> bool:
        # A peer without address speaks through a Unix socket: it is on this machine.
        return is_trusted(text or "127.0.0.1", self._networks)
