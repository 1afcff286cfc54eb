"""One HTTP/2 connection to an upstream, and the streams on it."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from gateline.edge.upstream.errors import ConnectFailed, InvalidResponse
from gateline.edge.upstream.http2.frames import (
    GOAWAY,
    RST_STREAM,
    Frame,
    FrameSplitter,
    read_goaway,
)
from gateline.edge.upstream.http2.stream import CANCEL, Stream
from gateline.edge.upstream.request import BodyStream
from gateline.edge.upstream.timer import LazyTimer

if TYPE_CHECKING:
    from gateline.edge.upstream.http2.pool import Http2Pool

_LAST_STREAM: Final = 2**30
_DEFAULT_WINDOW: Final = 65535
_MOST_WINDOW: Final = 2**31 - 1


class Http2Connection(asyncio.Protocol):
    """Carries up to `capacity` exchanges at once.

    `ready` is done once the upstream has said that it speaks HTTP/2: only then is a request sent.
    One that is `leaving` takes no new exchange and closes after its last. `promised` counts
    exchanges that callers were allowed and have not begun. `address` is the numeric one it leads
    to.
    """

    __slots__ = (
        "_engine",
        "_heard",
        "_pool",
        "_splitter",
        "_streams",
        "_timer",
        "_touched",
        "_transport",
        "address",
        "capacity",
        "closed",
        "leaving",
        "limits",
        "loop",
        "promised",
        "ready",
        "uses",
        "write_paused",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: "Http2Pool") -> None:
        self.loop = loop
        self.limits = pool.limits
        self._pool = pool
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._touched: dict[int, Stream] = {}
        self._timer = LazyTimer(loop, self._retire)
        self._heard = 0.0
        self._engine = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                # Both are done by `fields`, before anything is compressed.
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.ready: asyncio.Future[None] = loop.create_future()
        self.address = ""
        self.capacity = self.promised = self.uses = 0
        self.closed = self.leaving = self.write_paused = False

    @property
    def active(self) -> int:
        """Count the exchanges that are open."""
        return len(self._streams)

    @property
    def free(self) -> int:
        """Count the exchanges that may still be begun."""
        if self.closed or self.leaving:
            return 0
        return self.capacity - len(self._streams) - self.promised

    # What the pool calls

    def start(
        self,
        fields: list[tuple[bytes, bytes]],
        body: bytes | BodyStream | None,
        *,
        deadline: float,
        read_timeout: float,
    ) -> Stream:
        """Send a request; its stream's `waiter` will have the response."""
        stream_id = self._engine.get_next_available_stream_id()
        stream = Stream(
            self, stream_id, deadline=deadline, read_timeout=read_timeout, reused=self.uses > 0
        )
        self.uses += 1
        try:
            self._engine.send_headers(stream_id, fields, end_stream=not body)
        except h2.exceptions.ProtocolError as error:
            self.leave()
            raise ConnectFailed(f"no stream could be opened: {error}") from error
        self._streams[stream_id] = stream
        if stream_id > _LAST_STREAM:
            self.leaving = True
        stream.handed = 1
        stream.begin(body)
        self.flush()
        return stream

    def leave(self) -> None:
        """Take no new exchange; close after the last one."""
        self.leaving = True
        self._close_when_unused()

    def abort(self) -> None:
        """Close the socket at once, whatever is in flight."""
        self._end("closed by us")

    # What streams call

    def send_pieces(self, stream: Stream, outgoing: deque[memoryview]) -> bool:
        """Send as much of `outgoing` as there is room for; tell whether anything went out."""
        engine, sent = self._engine, False
        while outgoing:
            window = engine.local_flow_control_window(stream.stream_id)
            room = min(window, engine.max_outbound_frame_size)
            if room <= 0:
                return sent
            piece = outgoing.popleft()
            if len(piece) > room:
                outgoing.appendleft(piece[room:])
                piece = piece[:room]
            stream.sent_whole = stream.last_piece and not outgoing
            engine.send_data(stream.stream_id, bytes(piece), end_stream=stream.sent_whole)
            stream.handed += len(piece)
            sent = True
        if stream.last_piece and not stream.sent_whole:
            stream.sent_whole = True
            engine.end_stream(stream.stream_id)
        return sent

    def acknowledge(self, stream: Stream, size: int) -> None:
        """Give the upstream back its room for so many bytes."""
        if not self.closed:
            self._engine.acknowledge_received_data(size, stream.stream_id)

    def release(self, stream: Stream) -> None:
        """Let go of a stream; one that is not at its end on both sides is reset."""
        self._streams.pop(stream.stream_id, None)
        if self.closed:
            return
        if not stream.was_reset and not (stream.ended and stream.sent_whole):
            self._engine.reset_stream(stream.stream_id, CANCEL)
            self.flush()
        self._close_when_unused()
        self._pool.serve()

    def suspect(self, stream: Stream) -> None:
        """Take no new exchange after a time-out in which nothing at all came from the upstream."""
        if self._heard < self.loop.time() - stream.read_timeout:
            self.leaving = True

    def flush(self) -> None:
        """Hand the engine's bytes to the socket."""
        if self._transport is not None and not self.closed:
            data = self._engine.data_to_send()
            if data:
                self._transport.write(data)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket and say what we take: nothing pushed, and windows that are bounded."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:
            self._transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._end("the upstream did not agree to HTTP/2 (ALPN)")
            return
        codes = h2.settings.SettingCodes
        self._engine.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                codes.ENABLE_PUSH: 0,
                codes.INITIAL_WINDOW_SIZE: self.limits.high_water,
                codes.MAX_HEADER_LIST_SIZE: self.limits.max_head_bytes,
            },
        )
        self._engine.decoder.max_header_list_size = self.limits.max_head_bytes
        self._engine.initiate_connection()
        # Room for all streams together: one that is read slowly must not stop the others.
        window = min(self.limits.high_water * self.limits.max_streams, _MOST_WINDOW)
        if window > _DEFAULT_WINDOW:
            self._engine.increment_flow_control_window(window - _DEFAULT_WINDOW)
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Work through the frames that are whole."""
        if self.closed:
            return
        self._heard = self.loop.time()
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except (InvalidResponse, h2.exceptions.H2Error) as error:
            self.flush()
            self._settle()
            self._end(f"the upstream spoke no acceptable HTTP/2: {error}", invalid=True)
            return
        self._settle()
        self.flush()

    def eof_received(self) -> None:
        """Let the transport close: nothing can be half open here."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what is open and leave the pool."""
        self._end(f"the connection broke: {exc}" if exc else "the upstream closed the connection")
        self._pool.forget(self)

    def pause_writing(self) -> None:
        """Note that the socket is full."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self.write_paused = False
        self._pump()

    # Receiving

    def _take(self, frame: Frame) -> None:
        """Take one frame; those that the engine would misread are read here.

        It closes itself at a GOAWAY although streams up to the named one go on (RFC 9113, 6.8),
        and takes a reset that crosses the end of its stream for an offence.
        """
        if frame.kind == GOAWAY:
            self._go_away(*read_goaway(frame))
        elif frame.kind != RST_STREAM or frame.stream_id in self._streams:
            for event in self._engine.receive_data(frame.raw):
                self._note(event)

    def _note(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived():
                self._take_data(event)
            case h2.events.ResponseReceived(stream_id=stream_id, headers=fields):
                if stream := self._touch(stream_id):
                    stream.take_head([(bytes(name), bytes(value)) for name, value in fields or ()])
            case h2.events.StreamEnded(stream_id=stream_id):
                if stream := self._touch(stream_id):
                    stream.ended = True
            case h2.events.StreamReset(stream_id=stream_id, error_code=code):
                if stream := self._touch(stream_id):
                    stream.reset(int(code or 0))
            case h2.events.RemoteSettingsChanged():
                self._agree()
            case h2.events.WindowUpdated():
                self._pump()

    def _take_data(self, event: h2.events.DataReceived) -> None:
        size = event.flow_controlled_length or 0
        if stream := self._touch(event.stream_id):
            stream.take_data(event.data or b"", size)
        else:
            self._engine.acknowledge_received_data(size, event.stream_id or 0)

    def _touch(self, stream_id: int | None) -> Stream | None:
        stream = self._streams.get(stream_id or 0)
        if stream is not None:
            self._touched[stream.stream_id] = stream
        return stream

    def _settle(self) -> None:
        while self._touched:
            _, stream = self._touched.popitem()
            stream.settle()

    def _agree(self) -> None:
        """Take the upstream's settings; the first ones show that it speaks HTTP/2."""
        allowed = self._engine.remote_settings.max_concurrent_streams
        self.capacity = min(self.limits.max_streams, allowed)
        if not self.ready.done():
            self.ready.set_result(None)
            self._close_when_unused()
        else:
            self._pump()
            self._pool.serve()

    def _go_away(self, last_stream_id: int, code: int) -> None:
        """Finish what the upstream still works on; the rest it has not touched."""
        self.leaving = True
        for stream in list(self._streams.values()):
            if stream.stream_id > last_stream_id:
                cause = f"the upstream is going away (code {code})"
                stream.connection_lost(cause, unprocessed=True)
        self._close_when_unused()

    def _pump(self) -> None:
        for stream in list(self._streams.values()):
            stream.pump()
        self.flush()

    # Ending

    def _close_when_unused(self) -> None:
        if self._streams or self.closed:
            return
        if self.leaving and not self.promised:
            self._retire()
        else:
            self._timer.set(self.loop.time() + self.limits.idle_seconds)

    def _retire(self) -> None:
        """Close politely when nothing is in flight."""
        if self._streams or self.promised or self.closed:
            return
        if self._transport is None or not self.ready.done():
            return
        self._engine.close_connection()
        self.flush()
        self.closed = True
        self._timer.stop()
        if self.write_paused:
            self._transport.abort()
        else:
            self._transport.close()

    def _end(self, cause: str, *, invalid: bool = False) -> None:
        if self.closed:
            return
        self.closed = True
        self._timer.stop()
        if not self.ready.done():
            self.ready.set_exception(ConnectFailed(cause))
            self.ready.exception()  # whoever waited may have gone
        for stream in list(self._streams.values()):
            stream.connection_lost(cause, invalid=invalid)
        if self._transport is not None:
            self._transport.abort()
