"""Keeps session memory true: Valkey says which entries changed, the moment they do.

One connection asks for CLIENT TRACKING in broadcast mode on the prefix of the session entries and
redirects the messages to itself. It is asked for a sign of life every second. When it is silent or
lost, memory is emptied and bypassed until a new one stands.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline.edge.subscription import subscription

_PREFIX: Final = "access_token:"
_CHANNEL: Final = "__redis__:invalidate"
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


class InvalidationFeed:
    """The connection that listens to changes of session entries on behalf of one memory.

    `kv` must speak RESP2 on this connection: there invalidations arrive as ordinary messages.
    """

    def __init__(self, kv: "Redis", memory: Memory) -> None:
        self._kv = kv
        self._memory = memory

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
        async with subscription(self._kv) as line:
            own_id = await line.command("CLIENT", "ID")
            tracking = ("CLIENT", "TRACKING", "ON", "REDIRECT", own_id)
            await line.command(*tracking, "BCAST", "PREFIX", _PREFIX)
            await line.command("SUBSCRIBE", _CHANNEL)
            self._memory.trust()
            _log.info("session memory is on: the store tells of every change")
            await line.listen(self._take)

    def _take(self, keys: Any) -> None:
        if keys is None:  # FLUSHDB, FLUSHALL
            self._memory.clear()
            return
        for key in keys:
            text = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
            self._memory.forget(text.removeprefix(_PREFIX))
