"""Whole frames out of the bytes of a connection (RFC 9113, section 4.1)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateline.edge.upstream.errors import InvalidResponse

RST_STREAM: Final = 3
GOAWAY: Final = 7

_HEAD_BYTES: Final = 9
# What everybody may send until told otherwise, and we tell nobody (section 4.2).
_MOST_BYTES: Final = 16384


class Frame(NamedTuple):
    """A frame: its type, its stream (0 for the connection) and all its bytes."""

    kind: int
    stream_id: int
    raw: bytes

    @property
    def payload(self) -> bytes:
        """What follows the frame's head."""
        return self.raw[_HEAD_BYTES:]


class FrameSplitter:
    """Cuts bytes as they come into frames; keeps what is not whole yet."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now; raise InvalidResponse at one that is too long."""
        data = self._buffer + data if self._buffer else data
        start, end = 0, len(data)
        while end - start >= _HEAD_BYTES:
            length = int.from_bytes(data[start : start + 3], "big")
            if length > _MOST_BYTES:
                raise InvalidResponse(f"no HTTP/2: {data[start : start + 40]!r}")
            after = start + _HEAD_BYTES + length
            if after > end:
                break
            stream_id = int.from_bytes(data[start + 5 : start + _HEAD_BYTES], "big") & 0x7FFFFFFF
            yield Frame(data[start + 3], stream_id, data[start:after])
            start = after
        self._buffer = data[start:]


def read_goaway(frame: Frame) -> tuple[int, int]:
    """Return the last stream that the peer may have worked on, and its error code (6.8)."""
    if len(frame.payload) < 8:
        raise InvalidResponse("GOAWAY that is too short")
    last = int.from_bytes(frame.payload[:4], "big") & 0x7FFFFFFF
    return last, int.from_bytes(frame.payload[4:8], "big")
