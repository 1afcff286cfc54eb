"""An upstream's answer, whole or still coming."""

import asyncio
from typing import Protocol

from gateline.edge.upstream.errors import BodyTruncated


class Source(Protocol):
    """Where the bytes of a streamed body come from: a connection."""

    def pause_reading(self) -> None:
        """Stop taking bytes from the socket."""

    def resume_reading(self) -> None:
        """Take bytes from the socket again."""

    def abort(self) -> None:
        """Close the socket at once."""

    def allow_silence(self, seconds: float) -> None:
        """Wait this long for more bytes from now on."""


class BodyReader:
    """Bytes of a body between the socket that delivers and the task that reads.

    Above `high_water` buffered bytes the socket is paused; reading resumes it.
    """

    __slots__ = (
        "_chunks",
        "_error",
        "_high_water",
        "_loop",
        "_paused",
        "_size",
        "_source",
        "_waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source, high_water: int) -> None:
        self._loop = loop
        self._source: Source | None = source
        self._high_water = high_water
        self._chunks: list[bytes] = []
        self._size = 0
        self._paused = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, chunks: list[bytes]) -> None:
        """Take over the bytes in `chunks` and empty it."""
        self._chunks += chunks
        self._size += sum(map(len, chunks))
        chunks.clear()
        self._wake()
        if self._size > self._high_water and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause_reading()

    def end(self) -> None:
        """Mark the body as whole; the connection is no longer ours, so it must not stay paused."""
        if self._paused and self._source is not None:
            self._source.resume_reading()
        self._source = None
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Mark the body as broken; what is buffered is still read first."""
        self._source = None
        self._error = error
        self._wake()

    async def read(self) -> bytes:
        """Return all bytes that are there, waiting for some; b"" after the whole body."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._source is None:
                return b""
            await self._wait()
        return self._take()

    def allow_silence(self, seconds: float) -> None:
        """Let the source say nothing for this long."""
        if self._source is not None:
            self._source.allow_silence(seconds)

    def close(self) -> None:
        """Drop the rest of the body, and with it the connection if it is still needed."""
        self._chunks.clear()
        self._size = 0
        source = self._source
        if source is not None:
            self.fail(BodyTruncated("the body was closed by its reader"))
            source.abort()

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            if self._source is not None:
                self._source.resume_reading()
        return data

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("two tasks read one response body")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Response:
    """Status, headers and body as the upstream sent them.

    `headers` keep order, duplicates and bytes. `body` holds a body that is already whole: nothing
    is left to wait for. Where it is None, `read_chunk` gives the body until b"", and `close` must
    be called when it is not read to the end.
    """

    __slots__ = ("_reader", "_unread", "body", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None,
        reader: BodyReader | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._unread = body
        self._reader = reader

    @property
    def is_endless(self) -> bool:
        """Tell whether the head does not say how much is to come, as in a stream of events."""
        return all(name.lower() != b"content-length" for name, _ in self.headers)

    def allow_silence(self, seconds: float) -> None:
        """Let the rest of the body be silent for this long, in place of the read time-out."""
        if self._reader is not None:
            self._reader.allow_silence(seconds)

    async def read_chunk(self) -> bytes:
        """Return the next bytes of the body as they come, b"" at its end.

        Raise BodyTruncated, UpstreamTimeout or InvalidResponse when the body breaks off: the bytes
        that were read until then must not pass for the whole.
        """
        if self._reader is not None:
            return await self._reader.read()
        chunk, self._unread = self._unread, None
        return chunk or b""

    async def read(self) -> bytes:
        """Return the rest of the body in one piece."""
        chunks = []
        while chunk := await self.read_chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """Drop what is unread; closes the connection if the body is still coming."""
        if self._reader is not None:
            self._reader.close()
