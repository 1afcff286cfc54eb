"""A service that takes WebSockets: what it does with one is named by the path."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

PATIENCE = 10.0
FLOOD_BYTES = 64 * 1024


class SocketService:
    """Runs on a thread of its own.

    `/echo` says everything again; `/headers` says the request's head; `/close/CODE` closes;
    `/drop` breaks off; `/flood` sends without end; `/refuse` answers 403 and JSON; everything else
    is refused with 404. `left_with` has the codes with which clients left, by request target;
    `flooded` counts the messages that a flood got rid of.
    """

    def __init__(self) -> None:
        self.left_with: dict[str, int] = {}
        self.flooded = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._ready = threading.Event()
        self._stop: asyncio.Event = asyncio.Event()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        assert self._ready.wait(PATIENCE)

    def stop(self) -> None:
        """Close everything and end the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            self.port,
            select_subprotocol=_choose,
            process_request=_refuse,
            max_size=None,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self._ready.set()

    async def _end(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path.partition("?")[0]
        behaviours: dict[str, Callable[[ServerConnection], Awaitable[None]]] = {
            "echo": _echo,
            "headers": _say_headers,
            "drop": _drop,
            "flood": self._flood,
        }
        _, _, last = path.rpartition("/")
        try:
            if last.isdigit():
                await connection.close(int(last), "because")
                return
            with contextlib.suppress(ConnectionClosed):
                await behaviours[last](connection)
            await connection.wait_closed()
        finally:
            self.left_with[connection.request.path] = connection.close_code or 0

    async def _flood(self, connection: ServerConnection) -> None:
        while True:
            await connection.send(b"x" * FLOOD_BYTES)
            self.flooded += 1


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def _say_headers(connection: ServerConnection) -> None:
    assert connection.request is not None
    pairs = [[name.lower(), value] for name, value in connection.request.headers.raw_items()]
    await connection.send(json.dumps([connection.request.path, pairs]))
    await connection.recv()


async def _drop(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()


def _choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Prefer the newer chat; do without when neither is offered."""
    known = [one for one in ("chat.v2", "chat.v1") if one in offered]
    return Subprotocol(known[0]) if known else None


def _refuse(connection: ServerConnection, request: Request) -> Response | None:
    if not request.path.endswith("/refuse"):
        return None
    response = connection.respond(HTTPStatus.FORBIDDEN, '{"details":{"reason":"not_you"}}')
    response.headers["X-Why"] = "because"
    return response
