"""Events of all edges and services, from one subscription to every client of this worker.

The connection is asked for a sign of life every second; when it is silent or lost, a new one is
made. Events of the time between are missed: they are for looking, and the next second tells more.
"""

import asyncio
import json
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline.edge.sockets.outbox import Outbox, Told
from gateline.edge.subscription import subscription
from gateline.shared.telemetry.keys import LIVE

_RETRY_SECONDS: Final = 0.5
_MOST_CHARACTERS: Final = 65_536
_log = logging.getLogger(__name__)


class FanOut:
    """Passes every event on the live channel to the outboxes that are attached.

    `kv` must speak RESP2 on this connection: there messages arrive as ordinary answers.
    """

    def __init__(self, kv: "Redis") -> None:
        self._kv = kv
        self._outboxes: set[Outbox] = set()
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
            except (RedisError, OSError, TimeoutError) as error:
                if not self._lost:
                    self._lost = True
                    name = type(error).__name__
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
        async with subscription(self._kv) as line:
            await line.command("SUBSCRIBE", LIVE)
            if self._lost:
                self._lost = False
                _log.info("live events are back")
            await line.listen(self._take)

    def _take(self, text: Any) -> None:
        self.pass_on(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
