"""One exchange on a connection that others share."""

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from gateline.edge.upstream.errors import (
    BodyTruncated,
    ConnectionLost,
    InvalidResponse,
    Phase,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.edge.upstream.http2.fields import read_head
from gateline.edge.upstream.request import BodyStream
from gateline.edge.upstream.response import BodyReader, Response
from gateline.edge.upstream.timer import LazyTimer
from gateline.edge.upstream.upload import upload

if TYPE_CHECKING:
    from gateline.edge.upstream.http2.connection import Http2Connection

REFUSED_STREAM: Final = 7
CANCEL: Final = 8


class Stream:
    """Sends one request and collects its response.

    `sent_whole` tells that the request is out to its last byte, `ended` the same of the response.
    `handed` counts its bytes so far, 0 when it is known that the upstream did nothing for them.
    """

    __slots__ = (
        "_connection",
        "_content_length",
        "_deadline",
        "_drained",
        "_error",
        "_headers",
        "_outgoing",
        "_paused",
        "_reader",
        "_reused",
        "_status",
        "_timer",
        "_unacknowledged",
        "_upload",
        "chunks",
        "closed",
        "ended",
        "handed",
        "last_piece",
        "read_timeout",
        "sent_whole",
        "stream_id",
        "waiter",
        "was_reset",
    )

    def __init__(
        self,
        connection: "Http2Connection",
        stream_id: int,
        *,
        deadline: float,
        read_timeout: float,
        reused: bool,
    ) -> None:
        self._connection = connection
        self.stream_id = stream_id
        self._deadline = deadline
        self.read_timeout = read_timeout
        self._reused = reused
        self._timer = LazyTimer(connection.loop, self._on_time)
        self.waiter: asyncio.Future[Response] = connection.loop.create_future()
        self._reader: BodyReader | None = None
        self._upload: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._outgoing: deque[memoryview] = deque()
        self._error: UpstreamError | None = None
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._content_length: int | None = None
        self._unacknowledged = self.handed = 0
        self._paused = False
        self.chunks: list[bytes] = []
        self.closed = self.ended = self.last_piece = self.sent_whole = self.was_reset = False

    # Sending

    def begin(self, body: bytes | BodyStream | None) -> None:
        """Send the body after the head; what does not fit goes out as the upstream takes it."""
        if isinstance(body, BodyStream):
            self._timer.set(self._deadline)
            self._upload = self._connection.loop.create_task(upload(self, body, framed=True))
            self._upload.add_done_callback(self._uploaded)
            return
        self.last_piece = True
        if body:
            self._outgoing.append(memoryview(body))
            self.pump()
        else:
            self.sent_whole = True
        self._await_more()

    def write(self, *parts: bytes) -> None:
        """Send a piece of the request body."""
        if not self.closed:
            self._outgoing.extend(map(memoryview, parts))
            self.pump()
            self._connection.flush()

    async def drained(self) -> None:
        """Wait until all that was written is out; the upstream must take some in time."""
        while not self.closed and (self._outgoing or self._connection.write_paused):
            self._drained = self._connection.loop.create_future()
            self._await_room()
            try:
                await self._drained
            finally:
                self._drained = None
        if not self.closed:
            self._timer.set(self._deadline)

    def pump(self) -> None:
        """Send as much as connection and stream have room for (RFC 9113, section 5.2)."""
        if self.sent_whole or self._connection.write_paused:
            return
        progress = self._connection.send_pieces(self, self._outgoing)
        if progress and self._upload is None:
            self._await_more()
        if self._drained is not None and not self._drained.done():
            if not self._outgoing:
                self._drained.set_result(None)
            elif progress:
                self._await_room()

    def _uploaded(self, task: "asyncio.Task[None]") -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._upload = None
        if self.closed:
            return
        if error is not None:
            self._fail(error)
            return
        self.last_piece = True
        self.pump()
        self._connection.flush()
        self._await_more()

    # What the connection tells

    def take_head(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Take the head of the response."""
        try:
            most = self._connection.limits.max_headers
            self._status, self._headers = read_head(fields, most=most)
        except InvalidResponse as error:
            self._error = error
            return
        for name, value in self._headers:
            if name == b"content-length" and value.isdigit():
                self._content_length = int(value)

    def take_data(self, data: bytes, size: int) -> None:
        """Take bytes of the body that used up `size` of the flow-control window."""
        self._unacknowledged += size
        if data:
            self.chunks.append(data)

    def settle(self) -> None:
        """Pass on what has come; called once for several frames that came together."""
        if self.closed:
            return
        if self._error is not None:
            self._fail(self._error)
        elif self.ended:
            self._complete()
        elif self._status:
            self._advance()

    def reset(self, code: int) -> None:
        """Take the upstream's word that it stops working on this exchange.

        After a whole answer it only means that the rest of the request is not wanted (8.1).
        """
        self.was_reset = True
        if code == REFUSED_STREAM:
            self.handed = 0
        if not self.ended:
            self._error = self._lost(f"the upstream reset the stream (code {code})")

    def connection_lost(
        self, cause: str, *, unprocessed: bool = False, invalid: bool = False
    ) -> None:
        """Fail; `unprocessed` when the upstream has said that it did nothing for this request."""
        if unprocessed:
            self.handed = 0
        self._fail(InvalidResponse(cause) if invalid else self._lost(cause))

    # What the reader of the body calls

    def pause_reading(self) -> None:
        """Give the upstream no more room to send; it is not to blame for silence meanwhile."""
        self._paused = True
        self._timer.set(inf)

    def allow_silence(self, seconds: float) -> None:
        """Take this for the read time-out from now on."""
        self.read_timeout = seconds
        if not self.closed:
            self._await_more()

    def resume_reading(self) -> None:
        """Give room again."""
        self._paused = False
        self._acknowledge()
        self._connection.flush()
        if not self.closed:
            self._await_more()

    def abort(self) -> None:
        """Tell the upstream that nobody wants the rest."""
        self._leave()

    def abandon(self) -> None:
        """End the exchange whose response is awaited by nobody any more."""
        waiter = self.waiter
        if not self.closed and self._reader is None:
            self._leave()
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().close()

    # Receiving

    def _advance(self) -> None:
        if self._reader is None:
            length = self._content_length
            most = self._connection.limits.hold_bytes
            if length is None or length > most or self._upload is not None:
                self._deliver()
        if self.closed:
            return
        self._await_more()
        if self._reader is not None and self.chunks:
            self._reader.feed(self.chunks)
        if not self._paused:
            self._acknowledge()

    def _deliver(self) -> None:
        if self.waiter.done():
            self._leave()
            return
        # From here on the answer is under way: only silence ends it.
        self._deadline = inf
        reader = BodyReader(self._connection.loop, self, self._connection.limits.high_water)
        self._reader = reader
        self.waiter.set_result(Response(self._status, self._headers, None, reader))

    def _complete(self) -> None:
        self._leave()
        if self._reader is not None:
            self._reader.feed(self.chunks)
            self._reader.end()
        elif not self.waiter.done():
            body = b"".join(self.chunks)
            self.waiter.set_result(Response(self._status, self._headers, body))

    def _leave(self) -> None:
        """End our part: the connection lives on."""
        if self.closed:
            return
        self.closed = True
        self._timer.stop()
        if self._upload is not None:
            self._upload.cancel()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._outgoing.clear()
        self._acknowledge()
        self._connection.release(self)

    def _acknowledge(self) -> None:
        size, self._unacknowledged = self._unacknowledged, 0
        if size:
            self._connection.acknowledge(self, size)

    def _await_more(self) -> None:
        if self._paused:
            return
        if self._upload is not None:
            self._timer.set(self._deadline)
        else:
            self._await_room()

    def _await_room(self) -> None:
        now = self._connection.loop.time()
        self._timer.set(min(self._deadline, now + self.read_timeout))

    # Failing

    def _on_time(self) -> None:
        phase: Phase = "response"
        if self._status:
            phase = "body"
        elif not self.sent_whole:
            phase = "send"
        self._connection.suspect(self)
        self._fail(self._told(UpstreamTimeout(phase)))

    def _lost(self, cause: str) -> UpstreamError:
        if self._status:
            return self._told(BodyTruncated(f"{cause} within the body"))
        if self._reused and self.handed:
            return self._told(StaleConnection(f"{cause} before it answered"))
        return self._told(ConnectionLost(f"{cause} before the head was whole"))

    def _told(self, error: UpstreamError) -> UpstreamError:
        error.bytes_written = self.handed
        error.reused = self._reused
        return error

    def _fail(self, error: BaseException) -> None:
        if self.closed:
            return
        if isinstance(error, InvalidResponse):
            self._told(error)
        self._leave()
        if self._reader is not None:
            self._reader.feed(self.chunks)
            self._reader.fail(error)
        elif not self.waiter.done():
            self.waiter.set_exception(error)
