"""Header fields as HTTP/2 writes them (RFC 9113, section 8.2)."""

import re
from collections.abc import Iterable
from typing import Final

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from gateline.edge.upstream.errors import InvalidResponse
from gateline.edge.upstream.request import Headers

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BREAKS: Final = b"\r\n\0"
_SECRET: Final = frozenset({b"authorization", b"cookie"})
_REFUSED: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
_KNOWN_LIMIT: Final = 4096


class FieldWriter:
    """Writes the fields of requests, refusing what must not be sent.

    It must refuse before anything is compressed: half a head would put the two sides' compression
    out of step. Names that have passed once are remembered; the memory is bounded.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def write(
        self,
        method: bytes,
        path: bytes,
        headers: Headers,
        *,
        scheme: bytes,
        authority: bytes,
        length: int | None,
    ) -> list[tuple[bytes, bytes]]:
        """Return a request's fields, `path` byte for byte; a `Host` becomes the authority.

        Raise ValueError on CR, LF, NUL anywhere, on white space in the path, on names that are no
        tokens, and on fields that frame a body or belong to one connection.
        """
        if _METHOD.fullmatch(method) is None:
            raise ValueError(f"not a method: {method!r}")
        if path.split() != [path] or path.translate(None, _BREAKS) != path:
            raise ValueError(f"white space, NUL or nothing in the request target: {path!r}")
        fields: list[tuple[bytes, bytes]] = []
        for name, value in headers:
            lowered = self._known.get(name) or self._check(name)
            if value.translate(None, _BREAKS) != value:
                raise ValueError(f"the value of {name!r} holds CR, LF or NUL")
            if lowered == b"host":
                authority = value
            elif lowered in _SECRET:
                fields.append(NeverIndexedHeaderTuple(lowered, value.strip()))
            else:
                fields.append(HeaderTuple(lowered, value.strip()))
        if length is not None:
            fields.append((b"content-length", b"%d" % length))
        return [
            (b":method", method),
            (b":scheme", scheme),
            (b":authority", authority),
            (b":path", path),
            *fields,
        ]

    def _check(self, name: bytes) -> bytes:
        lowered = name.lower()
        if _TOKEN.fullmatch(lowered) is None:
            raise ValueError(f"not a header name: {name!r}")
        if lowered in _REFUSED:
            raise ValueError(f"not a header that the client may be given: {name!r}")
        if len(self._known) < _KNOWN_LIMIT:
            self._known[name] = lowered
        return lowered


def read_head(
    fields: Iterable[tuple[bytes, bytes]], *, most: int
) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Return status and headers of a response; raise InvalidResponse for what cannot be one."""
    status, headers = 0, []
    for name, value in fields:
        if name == b":status":
            status = int(value) if value.isdigit() else 0
        elif not name.startswith(b":"):
            headers.append((name, value))
    if not 200 <= status <= 599:
        raise InvalidResponse(f"status {status} is outside of 200 to 599")
    if len(headers) > most:
        raise InvalidResponse(f"more than {most} response headers")
    return status, headers
