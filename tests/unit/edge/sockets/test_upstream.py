"""The service's end of a socket, byte by byte."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from gateline.edge.sockets.upstream import UpstreamSocket
from gateline.edge.upstream import ConnectFailed, ConnectionLost, InvalidResponse


class Wire(asyncio.Transport):
    """Keeps what is written; `paused` tells whether reading is."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.paused = self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have no buffer."""

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += bytes(data)

    def pause_reading(self) -> None:
        """Note it."""
        self.paused = True

    def resume_reading(self) -> None:
        """Note it."""
        self.paused = False

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def abort(self) -> None:
        """Note it."""
        self.closed = True


class Service:
    """What a service would say, in bytes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.protocol = ServerProtocol()

    def accept(self) -> bytes:
        """Return the answer to the handshake that was written."""
        self.protocol.receive_data(self._wire.written)
        (request,) = self.protocol.events_received()
        self.protocol.send_response(self.protocol.accept(request))  # type: ignore[arg-type] # it is
        return b"".join(self.protocol.data_to_send())

    def heard(self) -> list[Frame]:
        """Return the frames that were written since the last time."""
        self._wire.written, written = b"", self._wire.written
        self.protocol.receive_data(written)
        return [one for one in self.protocol.events_received() if isinstance(one, Frame)]


Use = Callable[[UpstreamSocket, Wire, Service], Awaitable[None]]


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Return a frame as a service sends it, unmasked."""
    return Frame(opcode, data, fin).serialize(mask=False)


def with_socket(use: Use, *, most: int = 1000) -> None:
    """Run a coroutine with a socket that is open."""

    async def run() -> None:
        socket, wire = UpstreamSocket((), most), Wire()
        socket.connection_made(wire)
        head = b"GET /live HTTP/1.1\r\nHost: live\r\n" + b"".join(
            name + b": " + value + b"\r\n" for name, value in socket.fields()
        )
        opening = asyncio.ensure_future(socket.open(head + b"\r\n"))
        await asyncio.sleep(0)
        service = Service(wire)
        # One byte at a time: the handshake may come in any pieces.
        for byte in service.accept():
            socket.data_received(bytes((byte,)))
        assert (await opening).status_code == 101
        wire.written = b""
        await use(socket, wire, service)

    asyncio.run(run())


def take_all(socket: UpstreamSocket) -> list[str | bytes]:
    """Return the messages that wait."""
    return list(iter(socket.take, None))


def test_pings_are_answered_and_asked() -> None:
    """A ping of the service is answered at once; ours counts as answered by any sign of life."""

    async def use(socket: UpstreamSocket, _: Wire, service: Service) -> None:
        socket.data_received(frame(Opcode.PING, b"there?"))
        (pong,) = service.heard()
        assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"there?")
        socket.ping()
        assert socket.pinged is not None
        assert [one.opcode for one in service.heard()] == [Opcode.PING]
        socket.data_received(frame(Opcode.PONG, b"gateline"))
        assert socket.pinged is None
        assert take_all(socket) == []

    with_socket(use)


def test_pieces_become_messages() -> None:
    """Whatever comes between the pieces; text in pieces may break within a character."""

    async def use(socket: UpstreamSocket, _: Wire, __: Service) -> None:
        euro = "€".encode()
        socket.data_received(frame(Opcode.TEXT, b"5 " + euro[:1], fin=False))
        socket.data_received(frame(Opcode.PING, b""))
        socket.data_received(frame(Opcode.CONT, euro[1:]) + frame(Opcode.BINARY, b"\xff"))
        assert take_all(socket) == ["5 €", b"\xff"]

    with_socket(use)


@pytest.mark.parametrize(
    ("said", "last_word"),
    [
        (frame(Opcode.CLOSE, b"\x0f\xa1bye"), (4001, "bye")),
        (frame(Opcode.CLOSE, b""), (1005, "")),
        (frame(Opcode.TEXT, b"\xff"), (1014, "upstream_broken")),
        (frame(Opcode.CONT, b"of nothing"), (1014, "upstream_broken")),
        (frame(Opcode.CLOSE, b"\x03\xee"), (1014, "upstream_broken")),  # 1006 is never sent
        (frame(Opcode.BINARY, b"x" * 1001), (1009, "payload_too_large")),
        (
            frame(Opcode.TEXT, b"x" * 600, fin=False) + frame(Opcode.CONT, b"x" * 600),
            (1009, "payload_too_large"),
        ),
    ],
)
def test_how_a_service_ends(said: bytes, last_word: tuple[int, str]) -> None:
    """Its close frame counts; breaking the rules is the service's fault, not the client's."""

    async def use(socket: UpstreamSocket, wire: Wire, _: Service) -> None:
        socket.data_received(said)
        assert (socket.ended, wire.closed) == (True, True)
        assert socket.last_word == last_word
        socket.send("nobody hears this")
        socket.data_received(b"nor is this heard")
        socket.connection_lost(None)

    with_socket(use)


def test_what_was_said_before_the_end_is_not_lost() -> None:
    """Messages wait to be taken although the socket has ended."""

    async def use(socket: UpstreamSocket, _: Wire, __: Service) -> None:
        told: list[bool] = []
        socket.data_received(frame(Opcode.TEXT, b"last") + frame(Opcode.CLOSE, b"\x03\xe8"))
        socket.tell(lambda: told.append(socket.ended))
        assert told == [True]
        assert take_all(socket) == ["last"]

    with_socket(use)


def test_nobody_takes_nothing_is_read() -> None:
    """Beyond a quarter of a megabyte the connection is paused until half of it was taken."""

    async def use(socket: UpstreamSocket, wire: Wire, __: Service) -> None:
        for _ in range(5):
            socket.data_received(frame(Opcode.BINARY, b"x" * 60_000))
        assert (wire.paused, socket.paused) == (True, True)
        socket.take()
        assert wire.paused
        take_all(socket)
        assert (wire.paused, socket.paused) == (False, False)

    with_socket(use, most=100_000)


def test_leaving_while_paused_still_hears_the_goodbye() -> None:
    """What nobody will take is dropped, so that the close frame behind it can be read."""

    async def use(socket: UpstreamSocket, wire: Wire, service: Service) -> None:
        for _ in range(5):
            socket.data_received(frame(Opcode.BINARY, b"x" * 60_000))
        socket.close(1001, "")
        assert not wire.paused
        assert service.heard()[-1].opcode is Opcode.CLOSE
        socket.data_received(frame(Opcode.CLOSE, b"\x03\xe9"))
        assert wire.closed

    with_socket(use, most=100_000)


def test_a_full_connection_is_waited_for() -> None:
    """Until it has room, or is lost."""

    async def use(socket: UpstreamSocket, _: Wire, __: Service) -> None:
        for release in (socket.resume_writing, lambda: socket.connection_lost(None)):
            socket.pause_writing()
            assert socket.full
            waiting = asyncio.ensure_future(socket.drained())
            await asyncio.sleep(0)
            assert not waiting.done()
            release()
            await waiting
        assert socket.last_word == (1014, "upstream_broken")

    with_socket(use)


@pytest.mark.parametrize(
    "said",
    [
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_no_handshake_is_an_invalid_answer(said: bytes) -> None:
    """The client gets 502: it did nothing wrong."""

    async def run() -> None:
        socket = UpstreamSocket((), 1000)
        socket.connection_made(Wire())
        opening = asyncio.ensure_future(socket.open(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        socket.data_received(said)
        with pytest.raises(InvalidResponse):
            await opening

    asyncio.run(run())


def test_no_answer_at_all() -> None:
    """A connection that ends before the answer, or before the question."""

    async def run() -> None:
        socket = UpstreamSocket((), 1000)
        with pytest.raises(ConnectFailed):
            await socket.open(b"")
        socket.connection_made(Wire())
        opening = asyncio.ensure_future(socket.open(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        socket.connection_lost(None)
        with pytest.raises(ConnectionLost):
            await opening

    asyncio.run(run())
