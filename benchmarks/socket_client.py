"""A WebSocket client that is small enough to have thousands of, and can vanish without a word."""

import asyncio
import os
import socket
import struct
from typing import Final, cast

_HANDSHAKE: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_TEXT, _CLOSE = 0x81, 0x88
_TCP_REPAIR: Final = 19


class SocketClient(asyncio.Protocol):
    """One socket; its messages are shorter than 126 bytes. `ended` has its close code, or None."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._opening: asyncio.Future[None] = loop.create_future()
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._buffer = b""
        self.ended: asyncio.Future[int | None] = loop.create_future()

    async def shake_hands(self, port: int, path: str) -> None:
        """Open the socket; raise ConnectionError when it is refused."""
        self._transport.write(_HANDSHAKE.format(path=path, port=port).encode())
        await asyncio.wait_for(self._opening, 60)

    async def ask(self, text: str) -> str:
        """Send a message and return the answer."""
        self._send(_TEXT, text.encode())
        return await asyncio.wait_for(self._answers.get(), 60)

    def close(self) -> None:
        """Say goodbye and leave."""
        self._send(_CLOSE, struct.pack("!H", 1000))

    def vanish(self) -> None:
        """Be gone without a packet, as if the power had failed; raise OSError if not permitted."""
        sock = self._transport.get_extra_info("socket")
        copy = socket.socket(fileno=os.dup(sock.fileno()))
        copy.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        self._transport.abort()
        copy.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read the handshake's answer, then short frames."""
        self._buffer += data
        if not self._opening.done():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._buffer = rest
            if b" 101 " in head.partition(b"\r\n")[0]:
                self._opening.set_result(None)
            else:
                self._opening.set_exception(ConnectionError(head.decode("latin-1")))
        while len(self._buffer) >= 2 and len(self._buffer) >= 2 + self._buffer[1]:
            size = self._buffer[1]
            self._take(self._buffer[0], self._buffer[2 : 2 + size])
            self._buffer = self._buffer[2 + size :]

    def connection_lost(self, _: Exception | None) -> None:
        """Note that it is over."""
        if not self._opening.done():
            self._opening.set_exception(ConnectionError("closed without an answer"))
        if not self.ended.done():
            self.ended.set_result(None)

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == _TEXT:
            self._answers.put_nowait(payload.decode())
        elif kind == _CLOSE:
            if not self.ended.done():
                self.ended.set_result(struct.unpack("!H", payload[:2])[0])
            self._transport.close()

    def _send(self, kind: int, payload: bytes) -> None:
        # A mask of zeros leaves the payload as it is (RFC 6455, section 5.3).
        self._transport.write(bytes((kind, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


async def open_socket(port: int, path: str) -> SocketClient:
    """Connect to a port of this machine and return an open socket."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(SocketClient, "127.0.0.1", port)
    await client.shake_hands(port, path)
    return client
