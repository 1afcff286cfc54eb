"""Keeps session memory true: Valkey says which entries changed, the moment they do.

One connection asks for CLIENT TRACKING in broadcast mode on the prefix of the session entries and
redirects the messages to itself. It is asked for a sign of life every second. When it is silent or
lost, memory is emptied and bypassed until a new one stands.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

_PREFIX: Final = "access_token:"
_CHANNEL: Final = "__redis__:invalidate"
_HEARTBEAT_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.25
_log = logging.getLogger(__name__)


class Memory(Protocol):
    """What is kept true."""

    def forget(self, token: str) -> None:
        """Drop one token."""

    def clear(self) -> None:
        """Drop all tokens."""

    def trust(self) -> None:
        """Keep answers from now on."""

    def distrust(self) -> None:
        """Keep nothing from now on."""


class _Pool(Protocol):
    """What redis-py leaves untyped of its pool."""

    def make_connection(self) -> AbstractConnection:
        """Return a connection of its own, outside the pool."""


class _Connects(Protocol):
    """What redis-py leaves untyped of its connection."""

    async def connect(self) -> None:
        """Open the connection."""


class InvalidationFeed:
    """The connection that listens to changes of session entries on behalf of one memory.

    `kv` must speak RESP2 on this connection: there invalidations arrive as ordinary messages.
    """

    def __init__(self, kv: "Redis", memory: Memory) -> None:
        self._kv = kv
        self._memory = memory
        self._heard = 0.0

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning(
                    "session memory is off: the invalidation feed is lost (%s)",
                    type(error).__name__,
                )
            finally:
                self._memory.distrust()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = cast("_Pool", self._kv.connection_pool).make_connection()
        try:
            await self._subscribe(connection)
            self._memory.trust()
            _log.info("session memory is on: the store tells of every change")
            await _until_one_ends(self._ask_for_life(connection), self._take_messages(connection))
        finally:
            await connection.disconnect(nowait=True)

    @staticmethod
    async def _subscribe(connection: AbstractConnection) -> None:
        async with asyncio.timeout(_SILENCE_SECONDS):
            await cast("_Connects", connection).connect()
            own_id = await _command(connection, "CLIENT", "ID")
            tracking = ("CLIENT", "TRACKING", "ON", "REDIRECT", own_id)
            await _command(connection, *tracking, "BCAST", "PREFIX", _PREFIX)
            await _command(connection, "SUBSCRIBE", _CHANNEL)

    async def _take_messages(self, connection: AbstractConnection) -> None:
        while True:
            message = await connection.read_response()
            self._heard = asyncio.get_running_loop().time()
            self._take(message)

    async def _ask_for_life(self, connection: AbstractConnection) -> None:
        """Send PING every second; raise TimeoutError when nothing at all comes back."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        while loop.time() - self._heard < _SILENCE_SECONDS:
            await connection.send_command("PING")
            await asyncio.sleep(_HEARTBEAT_SECONDS)
        raise TimeoutError("the invalidation feed is silent")

    def _take(self, message: Any) -> None:
        if not isinstance(message, list) or message[0] not in (b"message", "message"):
            return
        keys = message[2]
        if keys is None:  # FLUSHDB, FLUSHALL
            self._memory.clear()
            return
        for key in keys:
            text = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
            self._memory.forget(text.removeprefix(_PREFIX))


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run side by side until one ends; end the others, and raise what it raised.

    No TaskGroup: up to Python 3.12, one of which a child fails while it is cancelled tells of the
    failure alone. The feed would then run for ever, and so would the stopping of the server.
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


async def _command(connection: AbstractConnection, *words: Any) -> Any:
    await connection.send_command(*words)
    return await connection.read_response()
