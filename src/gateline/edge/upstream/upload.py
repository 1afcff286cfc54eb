"""Sending a request body as it comes, no faster than the upstream takes it."""

from typing import Protocol

from gateline.edge.upstream.request import BodyStream


class Sink(Protocol):
    """Where the bytes go: a connection."""

    def write(self, *parts: bytes) -> None:
        """Send bytes."""

    async def drained(self) -> None:
        """Wait for room."""


async def upload(sink: Sink, body: BodyStream, *, framed: bool = False) -> None:
    """Send all of `body`; raise ValueError when its length is not the one it announced.

    Without a length it goes out chunked, unless the sink frames what it sends itself.
    """
    if body.length is not None:
        await _send_measured(sink, body, body.length)
    elif framed:
        await _send_plain(sink, body)
    else:
        await _send_chunked(sink, body)


async def _send_plain(sink: Sink, body: BodyStream) -> None:
    async for chunk in body.chunks:
        if chunk:
            sink.write(chunk)
            await sink.drained()


async def _send_chunked(sink: Sink, body: BodyStream) -> None:
    async for chunk in body.chunks:
        if chunk:
            sink.write(b"%x\r\n" % len(chunk), chunk, b"\r\n")
            await sink.drained()
    sink.write(b"0\r\n\r\n")


async def _send_measured(sink: Sink, body: BodyStream, length: int) -> None:
    missing = length
    async for chunk in body.chunks:
        missing -= len(chunk)
        if missing < 0:
            raise ValueError(f"the request body is longer than the announced {length} bytes")
        if chunk:
            sink.write(chunk)
            await sink.drained()
    if missing:
        raise ValueError(f"the request body ended {missing} bytes before its announced length")
