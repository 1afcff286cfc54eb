"""The bytes of a request: its head, and bodies that are sent as they come."""

import re
from collections.abc import AsyncIterable, Iterator, Sequence
from typing import TypeAlias

Headers: TypeAlias = "Sequence[tuple[bytes, bytes]] | PreparedHeaders"

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}
_ANNOUNCES_BODY = frozenset({b"POST", b"PUT", b"PATCH"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_BREAKS = b"\r\n\0"
_KNOWN_LIMIT = 4096
_pair = b": ".join


class BodyStream:
    """A request body that is sent as it comes, with its `length` when that is known.

    Without a length it goes out chunked. It is iterated once.
    """

    __slots__ = ("chunks", "length")

    def __init__(self, chunks: AsyncIterable[bytes], length: int | None = None) -> None:
        self.chunks = chunks
        self.length = length


class PreparedHeaders:
    """Headers that are checked and written ahead, for many requests, and a few lines for this one.

    Raise ValueError as `HeadEncoder.encode` does. Iterating gives all of them as pairs.
    """

    __slots__ = ("_pairs", "block", "count", "host", "lines")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        hosts = [value for name, value in headers if name.lower() == b"host"]
        for name, value in headers:
            _check_name(name)
            if value.translate(None, _BREAKS) != value:
                raise ValueError(f"the value of {name!r} holds CR, LF or NUL")
        self._pairs = headers
        self.host = hosts[0] if hosts else None
        lines = [b"%b: %b\r\n" % pair for pair in headers if pair[0].lower() != b"host"]
        self.block = b"".join((*lines, b"\r\n"))
        self.lines = b""
        self.count = 0

    def with_lines(self, lines: bytes, count: int) -> "PreparedHeaders":
        """Return the same with these lines, so many, each with a break at its end.

        Their names are not checked again: they must be tokens, and none that frames.
        """
        made: PreparedHeaders = PreparedHeaders.__new__(PreparedHeaders)
        made._pairs, made.block, made.host = self._pairs, self.block, self.host
        made.lines, made.count = lines, count
        return made

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self._pairs
        for line in self.lines.split(b"\r\n")[:-1]:
            name, _, value = line.partition(b": ")
            yield name, value

    def write(self, method: bytes, path: bytes, framing: bytes, authority: bytes) -> bytes:
        """Return the head as `HeadEncoder.encode` does."""
        first = method + b" " + path + b" HTTP/1.1\r\nhost: " + (self.host or authority) + b"\r\n"
        lines = 2 + self.count
        if framing:
            lines += 1
            first += framing
        first += self.lines
        _check_head(first, lines, path, self)
        return first + self.block


class HeadEncoder:
    """Write request heads, refusing whatever could end a line or change the framing.

    Header names that have passed once are remembered, so that a usual head costs one set
    comparison; the memory is bounded.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def encode(
        self, method: bytes, path: bytes, headers: Headers, framing: bytes, authority: bytes
    ) -> bytes:
        """Return the head, `path` byte for byte; `framing` is b"" or one whole header line.

        `Host` is added when the caller gave none. Raise ValueError on CR, LF, NUL anywhere, on
        white space in the path, on names that are no tokens, and on framing headers.
        """
        if method not in _METHODS and _TOKEN.fullmatch(method) is None:
            raise ValueError(f"not a method: {method!r}")
        if isinstance(headers, PreparedHeaders):
            return headers.write(method, path, framing, authority)
        names = [name for name, _ in headers]
        if not self._known.issuperset(names):
            self._check_names(names)
        lines = len(names) + 1
        if framing:
            lines += 1
        if b"host" not in names and b"Host" not in names:
            framing = b"host: " + authority + b"\r\n" + framing
            lines += 1
        fields = b"\r\n".join(map(_pair, headers)) + b"\r\n" if names else b""
        head = b"".join((method, b" ", path, b" HTTP/1.1\r\n", framing, fields))
        _check_head(head, lines, path, headers)
        return head + b"\r\n"

    def _check_names(self, names: list[bytes]) -> None:
        for name in names:
            _check_name(name)
            if len(self._known) < _KNOWN_LIMIT:
                self._known.add(name)


def _check_name(name: bytes) -> None:
    lowered = name.lower()
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"not a header name: {name!r}")
    if lowered in _FRAMING:
        raise ValueError(f"the client frames the body itself: {name!r}")
    if lowered == b"host" and name not in (b"host", b"Host"):
        raise ValueError(f"write it host or Host: {name!r}")


def length_of(method: bytes, body: bytes | BodyStream | None) -> int | None:
    """Return the length to announce: None where there is no body, or one of unknown length."""
    if not body:
        return 0 if method in _ANNOUNCES_BODY else None
    return len(body) if isinstance(body, bytes) else body.length


def framing_of(method: bytes, body: bytes | BodyStream | None) -> bytes:
    """Return the header line that tells the upstream where the body ends."""
    if not body:
        return b"content-length: 0\r\n" if method in _ANNOUNCES_BODY else b""
    length = length_of(method, body)
    if length is None:
        return b"transfer-encoding: chunked\r\n"
    return b"content-length: %d\r\n" % length


def _check_head(head: bytes, lines: int, path: bytes, headers: Headers) -> None:
    """Raise ValueError for a head with breaks that are not ours: two bytes for each line."""
    if len(head) - len(head.translate(None, _BREAKS)) == 2 * lines and path.split() == [path]:
        return
    if path.translate(None, _BREAKS) == path and path.split() == [path]:
        for name, value in headers:
            if value.translate(None, _BREAKS) != value:
                raise ValueError(f"the value of {name!r} holds CR, LF or NUL")
        raise ValueError(f"not so many lines: {head!r}")
    raise ValueError(f"white space, NUL or nothing in the request target: {path!r}")
