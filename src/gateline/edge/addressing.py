"""How a request is addressed to one service: the target, and what only that service is told."""

from typing import Final

from gateline.edge.exchange import Exchange
from gateline.policy.headers import Headers
from gateline.policy.paths import prefix_before
from gateline.policy.services import Service

FOR_ONE_SERVICE: Final = frozenset({b"host", b"x-forwarded-prefix"})
"""The names of what is said to one service of how it is asked, and not to another."""


def target_of(exchange: Exchange, path: str) -> bytes:
    """Return the request target for a path of the service: with the client's query."""
    target = path.encode("ascii")
    return target + b"?" + exchange.query if exchange.query else target


def prefix_of(exchange: Exchange, path: str) -> str:
    """Return what the client's path has before the one that the service is asked for."""
    return "" if path is exchange.path else prefix_before(exchange.path, path)


def address_headers(exchange: Exchange, service: Service, path: str) -> Headers:
    """Return what a service that is asked for `path` is told of the client's path and host."""
    headers: Headers = []
    if prefix := prefix_of(exchange, path):
        headers.append((b"x-forwarded-prefix", prefix.encode("ascii")))
    if service.preserve_host:
        headers.append((b"host", exchange.fields[b"host"]))
    return headers
