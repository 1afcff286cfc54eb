"""One WebSocket of the server: the traps of its ASGI interface are dealt with here.

The server loses messages when a `receive()` is cancelled, so one task receives for the whole life
of the socket; closing hangs while a `receive()` is pending, so that task ends first; and a client
that takes nothing blocks `send()`, so every send has a deadline.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gateline.edge.exchange import Message, Receive, Send

_MOST_BYTES: Final = 64 * 1024
_MOST_WAITING: Final = 32
_SEND_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 1.0

NORMAL: Final = 1000
TOO_BIG: Final = 1009
RESTART: Final = 1012


class ChannelClosed(Exception):
    """The client has left or takes nothing, or the socket was closed here."""


class Channel:
    """A WebSocket whose `websocket.connect` was received; `start` before anything else.

    Neither `receive` nor `send` may be called by others afterwards. `left_with` is the code with
    which the client left, `closed_with` that with which it was closed here.
    """

    __slots__ = (
        "_closing",
        "_gone",
        "_inbox",
        "_most_bytes",
        "_pump",
        "_receive",
        "_send",
        "_sink",
        "closed_with",
        "heard",
        "left_with",
    )

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(_MOST_WAITING)
        self._sink: Callable[[Message], Awaitable[None]] = self._inbox.put
        self._most_bytes = _MOST_BYTES
        self.left_with: int | None = None
        self.closed_with: int | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self.heard = 0.0

    def start(self) -> None:
        """Receive from now on."""
        self.heard = asyncio.get_running_loop().time()
        self._pump = asyncio.create_task(self._receive_all())

    def pass_to(self, sink: Callable[[Message], Awaitable[None]], most_bytes: int) -> None:
        """Give each message to `sink` instead of keeping it for `next`; while it waits, we do.

        To be called before the socket is accepted. `most_bytes` bounds one message.
        """
        self._sink = sink
        self._most_bytes = most_bytes

    async def until_gone(self) -> None:
        """Wait until the client leaves or the socket is closed."""
        await self._gone.wait()

    async def next(self) -> Message:
        """Return the next message, `websocket.receive` or at last `websocket.disconnect`."""
        if self._gone.is_set() and self._inbox.empty():
            return {"type": "websocket.disconnect", "code": NORMAL}
        getting = asyncio.ensure_future(self._inbox.get())
        leaving = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({getting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
            leaving.cancel()
        return {"type": "websocket.disconnect", "code": NORMAL}

    async def send(self, message: Message) -> None:
        """Pass an ASGI message on; raise ChannelClosed when nobody takes it."""
        if self._closing is not None:
            raise ChannelClosed
        if message["type"] == "websocket.close":
            await self.close(message.get("code") or NORMAL, message.get("reason") or "")
            return
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            self._gone.set()
            raise ChannelClosed from None

    async def close(self, code: int, reason: str = "") -> None:
        """Close with this code, once; waits a second at most for a client that takes nothing."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code, reason))
        await asyncio.shield(self._closing)

    async def abandon(self) -> None:
        """Stop receiving from a socket that the server tears down next, if it is not closed."""
        if self._closing is not None:
            await asyncio.shield(self._closing)
        self._gone.set()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _close(self, code: int, reason: str) -> None:
        left = self._gone.is_set()
        self.closed_with = code
        self._gone.set()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        if left:
            return
        message: dict[str, Any] = {"type": "websocket.close", "code": code, "reason": reason[:120]}
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._send(message)

    async def _receive_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                self.left_with = message.get("code")
                self._gone.set()
                return
            self.heard = loop.time()
            if len(message.get("text") or message.get("bytes") or "") > self._most_bytes:
                # Closing cancels this very task: another one has to do it.
                self._closing = self._closing or asyncio.create_task(
                    self._close(TOO_BIG, "payload_too_large")
                )
                return
            await self._sink(message)
