"""Upstreams that behave as badly as a test asks for, and the loops to meet them on."""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, Self

import pytest
import uvloop

from gateline.edge.upstream import BodyStream, Client, Limits, Pool, Response, Target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Ending = Literal["keep", "close", "reset", "hang"]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Upstream:
    """A server on a free port and a client with a pool for it, both closed at the end.

    `behaviour` is what it answers to every request, or a handler for a whole connection; `ending`
    is what it does with the connection after an answer.
    """

    def __init__(
        self,
        behaviour: bytes | Handler = OK,
        ending: Ending = "keep",
        limits: Limits | None = None,
        **listen: Any,
    ) -> None:
        self._behaviour = behaviour
        self._ending = ending
        self._limits = limits
        self._listen = listen
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.accepted = 0
        self.open = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._run, "127.0.0.1", 0, limit=2**20, **self._listen
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.target = Target.parse(f"http://127.0.0.1:{self.port}")
        self.client = Client(self._limits)
        self.pool: Pool = self.client.pool(self.target)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        body: bytes | BodyStream | None = None,
        within: float = 5.0,
        **options: float,
    ) -> Response:
        """Send a request with a deadline `within` so many seconds."""
        deadline = asyncio.get_running_loop().time() + within
        return await self.client.send(
            self.pool, method, path, headers, body, deadline=deadline, **options
        )

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        self.open += 1
        try:
            if isinstance(self._behaviour, bytes):
                await self._answer(reader, writer, self._behaviour)
            else:
                await self._behaviour(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes
    ) -> None:
        while True:
            self.requests.append(await read_request(reader))
            writer.write(answer)
            if self._ending == "hang":
                await reader.read()
            if self._ending == "reset":
                reset(writer)
            if self._ending != "keep":
                await writer.drain()
                writer.close()
                await writer.wait_closed()
                return


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request: its head, and the body that it announces."""
    request = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", request)
    if length:
        request += await reader.readexactly(int(length[1]))
    elif b"transfer-encoding: chunked" in request:
        request += await reader.readuntil(b"0\r\n\r\n")
    return request


def reset(writer: asyncio.StreamWriter) -> None:
    """Have the connection end with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def until(condition: Callable[[], bool], within: float = 1.0) -> None:
    """Let the loop run until `condition` holds; fail when it does not `within` so many seconds."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + within
    while not condition():
        assert loop.time() < limit, "it did not happen in time"
        await asyncio.sleep(0)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a scenario, once on each kind of loop that the edge may run on."""

    def run_scenario(scenario: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario, 20))

    return run_scenario


@pytest.fixture(name="serve")
def serve_fixture() -> type[Upstream]:
    """Give the class of upstreams."""
    return Upstream


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    """Give the way to wait for a condition."""
    return until


@pytest.fixture(name="read_request")
def read_request_fixture() -> Callable[[asyncio.StreamReader], Awaitable[bytes]]:
    """Give the way to read one request inside a handler."""
    return read_request
