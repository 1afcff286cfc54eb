"""The service's end of a proxied WebSocket: its opening handshake, messages, pings and close.

The frames are read and written by `websockets` without its connection class, so that a socket
that is idle costs no task and no timer, and the handshake goes out byte for byte.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import CLOSED, OPEN
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from gateline.edge.upstream import (
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    UpstreamError,
)
from gateline.policy.headers import Headers

Said = str | bytes
"""A whole message: text or binary."""

_NOWHERE: Final = WebSocketURI(False, "", 80, "/", "")
_HIGH_WATER: Final = 256 * 1024
_WRITE_BUFFER: Final = 64 * 1024
_CLOSE_SECONDS: Final = 5.0
_DATA: Final = (Opcode.TEXT, Opcode.BINARY)
_log = logging.getLogger("gateline.edge.sockets.frames")


class UpstreamSocket(asyncio.Protocol):
    """One WebSocket to a service, as its client.

    `most_bytes` bounds one message of the service. `heard` is when bytes last came, `pinged` when
    a ping went out that nothing has followed yet (times of the event loop's clock).
    """

    __slots__ = (
        "_drained",
        "_framing",
        "_loop",
        "_lost",
        "_messages",
        "_notify",
        "_opening",
        "_parts",
        "_paused",
        "_text",
        "_transport",
        "_waiting_bytes",
        "_write_paused",
        "ended",
        "heard",
        "pinged",
    )

    def __init__(self, subprotocols: Sequence[str], most_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        offered = cast("Sequence[Subprotocol]", subprotocols) or None
        self._framing = ClientProtocol(
            _NOWHERE, subprotocols=offered, max_size=most_bytes, logger=_log
        )
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Future[Response] = self._loop.create_future()
        self._drained: asyncio.Future[None] | None = None
        self._messages: deque[Said] = deque()
        self._parts: list[bytes] = []
        self._text = False
        self._waiting_bytes = 0
        self._paused = self._write_paused = self._lost = False
        self._notify: Callable[[], None] = _nobody
        self.ended = False
        self.heard = self._loop.time()
        self.pinged: float | None = None

    # The opening handshake

    def fields(self) -> Headers:
        """Return the headers that ask for this socket (RFC 6455, section 4.1)."""
        asked: Headers = [
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-key", self._framing.key.encode("ascii")),
            (b"sec-websocket-version", b"13"),
        ]
        if self._framing.available_subprotocols:
            offered = ", ".join(self._framing.available_subprotocols)
            asked.append((b"sec-websocket-protocol", offered.encode("ascii")))
        return asked

    async def open(self, head: bytes) -> Response:
        """Send the request's head and return the service's answer, whatever its status.

        Raise UpstreamError when there is none, or one that is no valid answer to a handshake.
        """
        if self._transport is None or self._lost:
            raise ConnectFailed("closed as soon as it was opened")
        self._transport.write(head)
        return await self._opening

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the service chose, one of those that the client offered."""
        return self._framing.subprotocol

    # What the proxy calls

    def tell(self, notify: Callable[[], None]) -> None:
        """Call this when messages wait or the socket has ended; now, if that is so already."""
        self._notify = notify
        if self._messages or self.ended:
            notify()

    def take(self) -> Said | None:
        """Return the next message, None when none waits."""
        if not self._messages:
            return None
        said = self._messages.popleft()
        self._waiting_bytes -= len(said)
        if self._paused and self._waiting_bytes < _HIGH_WATER // 2 and self._transport is not None:
            self._paused = False
            if not self._lost:
                self._transport.resume_reading()
        return said

    def send(self, said: Said) -> None:
        """Send a message; nothing when the socket has ended."""
        if self._framing.state is not OPEN:
            return
        if isinstance(said, str):
            self._framing.send_text(said.encode())
        else:
            self._framing.send_binary(said)
        self._flush()

    @property
    def paused(self) -> bool:
        """Tell whether nothing is read, because what came waits for the client."""
        return self._paused

    @property
    def full(self) -> bool:
        """Tell whether the service has yet to take what was sent."""
        return self._write_paused

    async def drained(self) -> None:
        """Wait until the service takes more, or is gone."""
        if self._write_paused and not self._lost:
            self._drained = self._loop.create_future()
            await self._drained

    def ping(self) -> None:
        """Ask the service for a sign of life."""
        if self._framing.state is OPEN:
            self.pinged = self._loop.time()
            self._framing.send_ping(b"gateline")
            self._flush()

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Say goodbye (None: without a code) and give the service a moment to say it too."""
        if self._framing.state is OPEN:
            self._framing.send_close(code, reason)
            self._flush()
            self._loop.call_later(_CLOSE_SECONDS, self.abort)
            self._resume()
        elif self._framing.state is not CLOSED:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def last_word(self) -> tuple[int, str]:
        """The code and reason with which the service ended; 1014 when it broke off or broke rules.

        1005 stands for a close frame without a code (RFC 6455, section 7.1.5).
        """
        received = self._framing.close_rcvd
        if received is not None:
            return received.code, received.reason
        if isinstance(self._framing.parser_exc, PayloadTooBig):
            return CloseCode.MESSAGE_TOO_BIG, "payload_too_large"
        return CloseCode.BAD_GATEWAY, "upstream_broken"

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)

    def data_received(self, data: bytes) -> None:
        """Read frames, answer pings, keep whole messages."""
        if self._lost or self.ended:
            return
        self.heard = self._loop.time()
        self.pinged = None
        framing = self._framing
        framing.receive_data(data)
        for event in framing.events_received():
            if isinstance(event, Frame):
                self._take_frame(event)
            elif not self._opening.done():
                self._answered(cast("Response", event))
        self._flush()
        if framing.handshake_exc is not None and not self._opening.done():
            self._opening.set_exception(InvalidResponse(str(framing.handshake_exc)))
        if framing.close_rcvd is not None or framing.parser_exc is not None:
            self._end()
        elif self._waiting_bytes > _HIGH_WATER and not self._paused:
            self._paused = True
            cast("asyncio.Transport", self._transport).pause_reading()
        if self._messages:
            self._notify()

    def eof_received(self) -> None:
        """Take the end of the stream for the end of everything."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what is open."""
        self._lost = True
        if not self._opening.done():
            self._opening.set_exception(ConnectionLost(f"no answer to the handshake: {exc}"))
        self.resume_writing()
        self._framing.receive_eof()
        if not self.ended:
            self.ended = True
            self._notify()

    def pause_writing(self) -> None:
        """Note that the connection is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Note that the connection has room."""
        self._write_paused = False
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    # The details

    def _answered(self, response: Response) -> None:
        failure = self._framing.handshake_exc
        if failure is None or isinstance(failure, InvalidStatus):
            self._opening.set_result(response)
        else:
            self._opening.set_exception(InvalidResponse(str(failure)))

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode in _DATA:
            self._text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        if not frame.fin:
            self._parts.append(bytes(frame.data))
            return
        data = bytes(frame.data)
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
        try:
            said: Said = data.decode() if self._text else data
        except UnicodeDecodeError as error:
            self._framing.fail(CloseCode.INVALID_DATA, "not UTF-8")
            self._framing.parser_exc = error
            return
        self._messages.append(said)
        self._waiting_bytes += len(said)

    def _flush(self) -> None:
        writes = self._framing.data_to_send()
        transport = self._transport
        if transport is None or self._lost or transport.is_closing():
            return
        for data in writes:
            if data:
                transport.write(data)

    def _end(self) -> None:
        """Both have said goodbye, or nothing sensible can follow: close behind what is written."""
        self.ended = True
        if self._transport is not None:
            self._transport.close()
        self._notify()

    def _resume(self) -> None:
        """Read on to the close frame: nobody takes the messages before it any more."""
        self._messages.clear()
        self._waiting_bytes = 0
        if self._paused and not self._lost and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()


def _nobody() -> None:
    """Tell nobody."""


__all__ = ["Said", "UpstreamError", "UpstreamSocket"]
