"""Sending bodies as they come."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateline.edge.upstream import BodyStream
from gateline.edge.upstream.upload import upload


class Wire:
    """A sink that keeps what it is given, and counts how often it was waited for."""

    def __init__(self) -> None:
        self.sent = b""
        self.waits = 0

    def write(self, *parts: bytes) -> None:
        """Keep it."""
        self.sent += b"".join(parts)

    async def drained(self) -> None:
        """Count it."""
        self.waits += 1


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    """Yield chunks."""
    for chunk in chunks:
        yield chunk


def test_chunked() -> None:
    """Without a length each piece becomes a chunk; an empty piece does not end the body."""
    wire = Wire()
    asyncio.run(upload(wire, BodyStream(pieces(b"abc", b"", b"x" * 17))))
    assert wire.sent == b"3\r\nabc\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n"
    assert wire.waits == 2


def test_measured() -> None:
    """With a length the pieces go out as they are."""
    wire = Wire()
    asyncio.run(upload(wire, BodyStream(pieces(b"abc", b"", b"de"), 5)))
    assert wire.sent == b"abcde"


@pytest.mark.parametrize("length", [0, 4, 6])
def test_a_wrong_length_is_refused(length: int) -> None:
    """Nothing beyond the announced length is sent, and less than it raises as well."""
    wire = Wire()
    with pytest.raises(ValueError, match="announced"):
        asyncio.run(upload(wire, BodyStream(pieces(b"abc", b"de"), length)))
    assert len(wire.sent) <= max(length, 3)
