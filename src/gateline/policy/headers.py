"""Which headers survive the way through the gateway, in both directions.

Removed are what belongs to one connection (RFC 9110, section 7.6.1, and what the Connection header
names) and what only the gateway may say: identity, forwarding, its own marks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

SPOOFABLE: Final = frozenset(
    {
        b"forwarded",
        b"x-consumer",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-gateline-deadline",
        b"x-gateline-mirror",
        b"x-real-ip",
        b"x-request-id",
        b"x-user-email",
        b"x-user-id",
        b"x-user-issuer",
        b"x-user-type",
    }
)
"""What the gateway itself says to upstreams; a client's own is dropped in every spelling."""

_CLAIMS: Final = frozenset({b"front-end-https", b"x-original-host", b"x-url-scheme"})
_CLAIMING: Final = (b"x-forwarded", b"x-gateline-", b"x-user-")
"""How names begin that services believe a gateway to say, whether ours does or not."""

OWN_MARKS: Final = frozenset({b"x-gateline-error", b"x-request-id"})
"""What the gateway itself says to clients; an upstream's own is dropped."""


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """What a route does to headers, names in lower case: remove, then set, then add.

    `set` replaces what is there, `add` leaves it and adds one more.
    """

    set: tuple[tuple[bytes, bytes], ...] = ()
    add: tuple[tuple[bytes, bytes], ...] = ()
    remove: frozenset[bytes] = frozenset()


def change(headers: Headers, changes: HeaderChanges) -> Headers:
    """Return the headers (names in lower case) with a route's changes made to them."""
    gone = changes.remove | {name for name, _ in changes.set}
    kept = [pair for pair in headers if pair[0] not in gone] if gone else list(headers)
    return [*kept, *changes.set, *changes.add]


_FROM_REQUEST: Final = HOP_BY_HOP | SPOOFABLE | {b"expect", b"content-length", b"host"}
FROM_RESPONSE: Final = HOP_BY_HOP | OWN_MARKS | {b"content-length"}
"""What is left out of every answer."""

_HARMLESS_OPTIONS: Final = frozenset({b"", b"close", b"keep-alive"})


def connection_options(value: bytes | None) -> frozenset[bytes]:
    """Return the lower-case header names that a Connection header lists."""
    if value is None:
        return frozenset()
    lowered = value.strip().lower()
    if lowered in _HARMLESS_OPTIONS:
        return frozenset()
    return frozenset(option.strip() for option in lowered.split(b",")) - _HARMLESS_OPTIONS


def forward_request_headers(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    connection: bytes | None = None,
    drop: frozenset[bytes] = frozenset(),
) -> Headers:
    """Return a client's headers (names in lower case) as they may go upstream.

    Host, Content-Length and Expect are left out too: whoever forwards knows the true ones.
    `connection` is the value of the Connection header, `drop` names more to leave out. What the
    gateway adds is appended by the caller afterwards, so no Connection header can take it away.
    """
    unwanted = _FROM_REQUEST
    if connection is not None:
        unwanted |= connection_options(connection)
    if drop:
        unwanted |= drop
    return [pair for pair in headers if pair[0] not in unwanted and not _claims(pair[0])]


def _claims(name: bytes) -> bool:
    """Tell whether only a gateway may say this; behind WSGI an underscore reads as a hyphen."""
    if b"_" in name:
        name = name.replace(b"_", b"-")
        return name in SPOOFABLE or name in _CLAIMS or name.startswith(_CLAIMING)
    return name in _CLAIMS or name.startswith(_CLAIMING)


def forward_response_headers(
    headers: Iterable[tuple[bytes, bytes]], unwanted: frozenset[bytes] = FROM_RESPONSE
) -> Headers:
    """Return an upstream's headers as they may go to the client, in order, names in lower case.

    Content-Length is left out: whoever answers knows the length of what it sends. `unwanted` are
    the names that are left out, at least those of `FROM_RESPONSE`.
    """
    kept: Headers = []
    options: frozenset[bytes] = frozenset()
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"connection":
            options |= connection_options(value)
        elif lowered not in unwanted:
            kept.append((lowered, value))
    return [pair for pair in kept if pair[0] not in options] if options else kept
