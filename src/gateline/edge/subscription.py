"""A connection of its own to Valkey that listens, and notices when nobody speaks any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, Protocol, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

_HEARTBEAT_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 2.0


class _Pool(Protocol):
    """What redis-py leaves untyped of its pool."""

    def make_connection(self) -> AbstractConnection:
        """Return a connection of its own, outside the pool."""


class _Connects(Protocol):
    """What redis-py leaves untyped of its connection."""

    async def connect(self) -> None:
        """Open the connection."""


class Subscription:
    """An open connection. It must speak RESP2: there messages arrive as ordinary answers."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._heard = 0.0

    async def command(self, *words: Any) -> Any:
        """Send one command before listening begins and return its answer."""
        async with asyncio.timeout(_SILENCE_SECONDS):
            await self._connection.send_command(*words)
            return await self._connection.read_response()

    async def listen(self, take: Callable[[Any], None]) -> None:
        """Hand the payload of every message to `take`, for ever.

        Raises RedisError or OSError when the connection is lost, and TimeoutError when it has been
        silent for two seconds although it is asked for a sign of life every second.
        """
        await _until_one_ends(self._ask_for_life(), self._take_messages(take))

    async def _take_messages(self, take: Callable[[Any], None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await self._connection.read_response()
            self._heard = loop.time()
            if isinstance(message, list) and message[0] in (b"message", "message"):
                take(message[2])

    async def _ask_for_life(self) -> None:
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        while loop.time() - self._heard < _SILENCE_SECONDS:
            await self._connection.send_command("PING")
            await asyncio.sleep(_HEARTBEAT_SECONDS)
        raise TimeoutError("nothing has come for two seconds")


@contextlib.asynccontextmanager
async def subscription(kv: "Redis") -> AsyncIterator[Subscription]:
    """Open a connection like those of the client's pool, and close it at the end."""
    connection = cast("_Pool", kv.connection_pool).make_connection()
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            await cast("_Connects", connection).connect()
        yield Subscription(connection)
    finally:
        await connection.disconnect(nowait=True)


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run side by side until one ends; end the others, and raise what it raised.

    No TaskGroup: up to Python 3.12, one of which a child fails while it is cancelled tells of the
    failure alone. Whoever listens would then do so for ever, and so would the stopping server.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
