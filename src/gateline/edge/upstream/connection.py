"""One connection to an upstream: one exchange at a time, and what became of it."""

import asyncio
from math import inf
from typing import TYPE_CHECKING, cast

from gateline.edge.upstream.errors import (
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    Phase,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.edge.upstream.parsing import ResponseParser
from gateline.edge.upstream.request import BodyStream
from gateline.edge.upstream.response import BodyReader, Response
from gateline.edge.upstream.timer import GRAIN, LazyTimer
from gateline.edge.upstream.upload import upload

if TYPE_CHECKING:
    from gateline.edge.upstream.http1_pool import Http1Pool

# Beyond this size several writes are cheaper than one copy.
_COPY_LIMIT = 16 * 1024
# Close a little before the upstream does: a request on its way would be lost (RFC 9112, 9.5).
_IDLE_MARGIN = 1.0


class Connection(asyncio.Protocol):
    """Sends a request and hands over the answer; never repeats anything.

    It belongs to its pool when idle, otherwise to the one who took it. A finished exchange gives
    it back by itself; anything that is not a clean end closes it. `address` is the numeric one it
    leads to; one that is `leaving` ends with its exchange.
    """

    __slots__ = (
        "_deadline",
        "_drained",
        "_failure",
        "_handed",
        "_loop",
        "_parser",
        "_pool",
        "_read_timeout",
        "_reader",
        "_timer",
        "_transport",
        "_unsent",
        "_upload",
        "_uses",
        "_waiter",
        "_write_paused",
        "address",
        "busy",
        "closed",
        "leaving",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: "Http1Pool") -> None:
        limits = pool.limits
        self._loop = loop
        self._pool = pool
        self._parser = ResponseParser(
            max_head_bytes=limits.max_head_bytes, max_headers=limits.max_headers
        )
        self._timer = LazyTimer(loop, self._on_time)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._reader: BodyReader | None = None
        self._upload: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._failure: UpstreamError | None = None
        self._write_paused = False
        self._handed = self._uses = self._unsent = 0
        self._deadline = self._read_timeout = inf
        self.address = ""
        self.busy = self.closed = self.leaving = False

    @property
    def connected(self) -> bool:
        """Tell whether the socket has been connected (it may be closed again)."""
        return self._transport is not None

    # What the client calls

    def start(
        self,
        head: bytes,
        body: bytes | BodyStream | None,
        *,
        head_only: bool,
        now: float,
        deadline: float,
        read_timeout: float,
    ) -> asyncio.Future[Response]:
        """Send a request and return what will be its response; `abandon` it when giving up."""
        transport = self._transport
        if self.closed or transport is None:
            raise self._failure or ConnectFailed("closed as soon as it was opened")
        self.busy = True
        self._uses += 1
        self._deadline = deadline
        self._read_timeout = read_timeout
        self._parser.expect(head_only=head_only)
        waiter = self._waiter = self._loop.create_future()
        self._handed = len(head)
        if not body:
            transport.write(head)
        elif isinstance(body, bytes):
            self._handed = _write(transport, (head, body))
            self._unsent = transport.get_write_buffer_size()
        else:
            self._start_upload(transport, head, body)
            return waiter
        self._timer.set(min(deadline, now + read_timeout))
        return waiter

    def abandon(self, waiter: asyncio.Future[Response]) -> None:
        """Close the exchange whose response is awaited by nobody any more."""
        if self._waiter is waiter:
            self._waiter = None
            self.abort()
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().close()

    def abort(self) -> None:
        """Close the socket at once, whatever is in flight."""
        if self.closed:
            return
        self.closed = True
        self._timer.stop()
        if self._upload is not None:
            self._upload.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._pool.retire(self)

    def pause_reading(self) -> None:
        """Stop taking bytes; the upstream is not to blame for silence meanwhile."""
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()
            self._timer.set(inf)

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()
            self._await_more()

    def allow_silence(self, seconds: float) -> None:
        """Take this for the read time-out of what is under way."""
        self._read_timeout = seconds
        if self._transport is not None and self._transport.is_reading():
            self._await_more()

    # What an upload calls

    def write(self, *parts: bytes) -> None:
        """Send a piece of the request body."""
        if self._transport is None or self.closed:
            return
        self._handed += _write(self._transport, parts)

    async def drained(self) -> None:
        """Wait until the socket has room; the upstream must make some within the read time-out."""
        if not self._write_paused or self.closed or self._transport is None:
            return
        self._unsent = self._transport.get_write_buffer_size()
        self._drained = self._loop.create_future()
        self._timer.set(min(self._deadline, self._loop.time() + self._read_timeout))
        try:
            await self._drained
        finally:
            self._drained = None
            if not self.closed:
                self._timer.set(self._deadline)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, or close it when its taker has given up meanwhile."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the parser and the parser's findings on."""
        if not self.busy or self.closed:
            self._failure = InvalidResponse(f"bytes that nobody asked for: {data[:40]!r}")
            self.abort()
            return
        parser = self._parser
        try:
            parser.feed(data)
        except InvalidResponse as error:
            self._fail(self._told(error))
            return
        if parser.complete:
            self._complete()
        elif parser.head_complete:
            self._advance()

    def eof_received(self) -> None:
        """Take the end of the stream: the end of some bodies, too early for everything else."""
        if self.closed:
            return
        if not self.busy:
            self.abort()
        elif self._parser.finish():
            self._complete()
        else:
            self._fail(self._lost("the upstream closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what is open and leave the pool."""
        if self.busy:
            self._fail(
                self._lost("closed by us" if self.closed else f"the connection broke: {exc}")
            )
        else:
            self.abort()
        self.resume_writing()
        self._parser.release()
        self._pool.forget(self)

    def pause_writing(self) -> None:
        """Note that the socket is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Note that the socket has room; from now on the upstream owes an answer."""
        self._write_paused = False
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
        elif self.busy and self._upload is None and not self.closed:
            self._await_more()

    # Sending

    def _start_upload(self, transport: asyncio.Transport, head: bytes, body: BodyStream) -> None:
        transport.write(head)
        self._timer.set(self._deadline)
        self._upload = self._loop.create_task(upload(self, body))
        self._upload.add_done_callback(self._uploaded)

    def _uploaded(self, task: asyncio.Task[None]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._upload = None
        if self.closed or not self.busy:
            return
        if error is not None:
            self._fail(error)
        else:
            self._await_more()

    # Receiving

    def _complete(self) -> None:
        parser = self._parser
        waiter, self._waiter = self._waiter, None
        reader, self._reader = self._reader, None
        self.busy = False
        wanted = True
        if reader is not None:
            if parser.chunks:
                reader.feed(parser.chunks)
            reader.end()
        elif waiter is None or waiter.done():
            wanted = False
        else:
            waiter.set_result(Response(parser.status, parser.headers, _joined(parser.chunks)))
        unfit = self._upload is not None or self._write_paused or self.leaving
        if wanted and parser.keep_alive and not parser.extra and not unfit:
            seconds = self._pool.limits.idle_seconds
            offered = parser.idle_seconds
            if offered is not None:
                seconds = min(seconds, offered - min(_IDLE_MARGIN, offered / 2))
            self._timer.set(self._loop.time() + seconds)
            self._pool.release(self)
        else:
            self.abort()

    def _advance(self) -> None:
        """Hand over a head whose body is still coming, or the next bytes of that body."""
        parser = self._parser
        if self._reader is None:
            length = parser.content_length()
            if length is None or length > self._pool.limits.hold_bytes or self._upload is not None:
                self._deliver()
        self._await_more()
        if self._reader is not None and parser.chunks:
            self._reader.feed(parser.chunks)

    def _deliver(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            self.abort()
            return
        # From here on the answer is under way: only silence ends it.
        self._deadline = inf
        parser = self._parser
        reader = self._reader = BodyReader(self._loop, self, self._pool.limits.high_water)
        waiter.set_result(Response(parser.status, parser.headers, None, reader))

    def _await_more(self) -> None:
        """Allow the upstream another read time-out, unless it is us who owe it bytes."""
        if self.closed:
            return
        if self._upload is not None:
            self._timer.set(self._deadline)
        else:
            self._timer.set(min(self._deadline, self._loop.time() + self._read_timeout))

    # Failing

    def _on_time(self) -> None:
        if not self.busy:
            self.abort()
            return
        if self._write_paused and self._is_sending():
            self._timer.set(min(self._deadline, self._loop.time() + self._read_timeout))
            return
        phase: Phase = "response"
        if self._parser.head_complete:
            phase = "body"
        elif self._upload is not None or self._write_paused:
            phase = "send"
        self._fail(self._told(UpstreamTimeout(phase)))

    def _is_sending(self) -> bool:
        """Tell whether the upstream has taken bytes since this was last asked, in time."""
        if self._transport is None or self._loop.time() + GRAIN >= self._deadline:
            return False
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        return self._unsent < before

    def _lost(self, cause: str) -> UpstreamError:
        if self._parser.head_complete:
            return self._told(BodyTruncated(f"{cause} within the body"))
        if self._uses > 1 and not self._parser.started:
            return self._told(StaleConnection(f"{cause} before it answered"))
        return self._told(ConnectionLost(f"{cause} before the head was whole"))

    def _told(self, error: UpstreamError) -> UpstreamError:
        """Complete an error with what is known about the request."""
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        error.bytes_written = max(0, self._handed - unsent)
        error.reused = self._uses > 1
        return error

    def _fail(self, error: BaseException) -> None:
        waiter, self._waiter = self._waiter, None
        reader, self._reader = self._reader, None
        self.abort()
        if reader is not None:
            reader.feed(self._parser.chunks)
            reader.fail(error)
        elif waiter is not None and not waiter.done():
            waiter.set_exception(error)


def _write(transport: asyncio.Transport, parts: tuple[bytes, ...]) -> int:
    """Write all parts and return how many bytes they are."""
    size = sum(map(len, parts))
    if size <= _COPY_LIMIT:
        transport.write(b"".join(parts))
    else:
        # Not writelines: asyncio's has no back-pressure in Python 3.12.
        for part in parts:
            transport.write(part)
    return size


def _joined(chunks: list[bytes]) -> bytes:
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    chunks.clear()
    return body
