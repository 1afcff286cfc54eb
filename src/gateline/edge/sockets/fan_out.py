"""Events of all edges and services, from one subscription to every client of this worker.

The connection is asked for a sign of life every second; when it is silent or lost, a new one is
made. Events of the time between are missed: they are for looking, and the next second tells more.
"""

import asyncio
import json
import logging
from typing import Any, Final, Protocol, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from gateline.edge.sockets.outbox import Outbox, Told
from gateline.shared.telemetry.keys import LIVE

_HEARTBEAT_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 2.5
_RETRY_SECONDS: Final = 0.5
_MOST_CHARACTERS: Final = 65_536
_log = logging.getLogger(__name__)


class _Pool(Protocol):
    """What redis-py leaves untyped of its pool."""

    def make_connection(self) -> AbstractConnection:
        """Return a connection of its own, outside the pool."""


class _Connects(Protocol):
    """What redis-py leaves untyped of its connection."""

    async def connect(self) -> None:
        """Open the connection."""


class FanOut:
    """Passes every event on the live channel to the outboxes that are attached.

    `kv` must speak RESP2 on this connection: there messages arrive as ordinary answers.
    """

    def __init__(self, kv: "Redis") -> None:
        self._kv = kv
        self._outboxes: set[Outbox] = set()
        self._heard = 0.0
        self._lost = False
        self.attach = self._outboxes.add
        self.detach = self._outboxes.discard

    def __len__(self) -> int:
        """Return how many clients listen."""
        return len(self._outboxes)

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except* (RedisError, OSError, TimeoutError) as errors:
                if not self._lost:
                    self._lost = True
                    name = type(errors.exceptions[0]).__name__
                    _log.warning("live events have stopped: the subscription is lost (%s)", name)
            await asyncio.sleep(_RETRY_SECONDS)

    def pass_on(self, text: str) -> None:
        """Give one event to every client; what is no event of ours is left out."""
        if not self._outboxes or len(text) > _MOST_CHARACTERS:
            return
        told = Told(text)
        try:
            known = isinstance(told.data, dict) and isinstance(told.data.get("type"), str)
        except (json.JSONDecodeError, RecursionError):
            return
        if known:
            for outbox in self._outboxes:
                outbox.put(told)

    async def _listen(self) -> None:
        connection = cast("_Pool", self._kv.connection_pool).make_connection()
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                await cast("_Connects", connection).connect()
                await connection.send_command("SUBSCRIBE", LIVE)
                await connection.read_response()
            if self._lost:
                self._lost = False
                _log.info("live events are back")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask_for_life(connection))
                tasks.create_task(self._take_messages(connection))
        finally:
            await connection.disconnect(nowait=True)

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
        raise TimeoutError("the subscription is silent")

    def _take(self, message: Any) -> None:
        if (
            isinstance(message, list)
            and len(message) == 3
            and message[0] in (b"message", "message")
        ):
            text = message[2]
            self.pass_on(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
