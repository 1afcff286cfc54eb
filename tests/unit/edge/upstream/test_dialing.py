"""Which of a name's addresses gets the connection."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest

from gateline.edge.upstream import Target
from gateline.edge.upstream.dialing import Dialer

Run = Callable[[Coroutine[Any, Any, None]], None]

FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@contextlib.asynccontextmanager
async def listening(*addresses: str, port: int = 0) -> AsyncIterator[int]:
    """Listen at one port of several addresses of this machine; 0: at a free one."""
    sockets = [socket.create_server((addresses[0], port))]
    port = int(sockets[0].getsockname()[1])
    sockets += [socket.create_server((address, port)) for address in addresses[1:]]
    servers = [await asyncio.start_server(_close, sock=one) for one in sockets]
    yield port
    for server in servers:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def refusing_and_listening(refusing: str, address: str) -> AsyncIterator[int]:
    """Listen at a port of one address and keep everybody else from listening at the other's."""
    with socket.socket() as taken:
        taken.bind((refusing, 0))
        port = int(taken.getsockname()[1])
        async with listening(address, port=port):
            yield port


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def dialer(port: int, *addresses: str) -> Dialer:
    """Return a dialer for a name with these addresses."""

    async def look_up(_: str, __: int) -> Sequence[str]:
        return addresses

    return Dialer(
        Target("http", "api", port),
        60,
        moved=lambda _: None,
        in_use=lambda: False,
        look_up=look_up,
    )


class Passing(asyncio.Protocol):
    """Leaves as soon as it is connected."""

    def __init__(self) -> None:
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close the connection."""
        transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Tell that the socket is closed."""
        self.gone.set_result(None)


async def dial(made: Dialer, within: float = 5.0) -> str:
    """Open a connection, close it again and return where it went."""
    visitor = Passing()
    address = await made.dial(visitor, asyncio.get_running_loop().time() + within)
    await visitor.gone
    return address


def test_connections_go_to_all_addresses_in_turn(run: Run) -> None:
    """Several addresses share the connections evenly."""

    async def scenario() -> None:
        async with listening(FIRST, SECOND, THIRD) as port:
            made = dialer(port, FIRST, SECOND, THIRD)
            taken = [await dial(made) for _ in range(6)]
            assert taken == [FIRST, SECOND, THIRD] * 2
            made.close()

    run(scenario())


def test_an_address_that_refuses_is_skipped(run: Run) -> None:
    """The next address is tried in the same breath, and the one that refused is asked last."""

    async def scenario() -> None:
        async with refusing_and_listening(FIRST, SECOND) as port:
            made = dialer(port, FIRST, SECOND)
            assert [await dial(made) for _ in range(4)] == [SECOND] * 4
            made.close()

    run(scenario())


def test_an_address_that_is_silent_gets_its_share_of_the_time(run: Run) -> None:
    """A host that never answers leaves time for the others."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind((FIRST, 0))
        silent.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        port = silent.getsockname()[1]
        taker = stack.enter_context(socket.create_server((SECOND, port)))

        async def scenario() -> None:
            made = dialer(port, FIRST, SECOND)
            assert await dial(made, within=1.0) == SECOND
            with pytest.raises(TimeoutError):
                await dial(dialer(port, FIRST), within=0.3)
            made.close()

        assert taker.fileno() > 0
        run(scenario())


def test_when_all_refuse(run: Run) -> None:
    """The last refusal is told when no address takes the connection."""

    async def scenario() -> None:
        async with listening(THIRD) as port:
            with pytest.raises(ConnectionRefusedError):
                await dial(dialer(port, FIRST, SECOND))

    run(scenario())


def test_a_numeric_host_is_never_looked_up(run: Run) -> None:
    """An address is its own name."""

    async def look_up(_: str, __: int) -> Sequence[str]:
        raise AssertionError

    async def scenario() -> None:
        async with listening(FIRST) as port:
            made = Dialer(
                Target("http", FIRST, port),
                60,
                moved=lambda _: None,
                in_use=lambda: False,
                look_up=look_up,
            )
            assert await dial(made) == FIRST
            assert made.is_current("anything")
            made.close()

    run(scenario())


def test_an_unknown_name_is_an_error_of_the_system(run: Run) -> None:
    """A name that leads nowhere raises OSError, which callers take for a failed connection."""

    async def scenario() -> None:
        with pytest.raises(OSError, match="api cannot be looked up"):
            await dial(dialer(80))

    run(scenario())
