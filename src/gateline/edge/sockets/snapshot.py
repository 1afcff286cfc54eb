"""What a client of the live channel is told first."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline import __version__
from gateline.edge.sockets.outbox import Told
from gateline.shared.telemetry.entries import Entry, iso
from gateline.shared.telemetry.keys import SECONDS
from gateline.shared.telemetry.readers import traffic_events

PING_SECONDS: Final = 20
IDLE_SECONDS: Final = 60

_BACK_SECONDS: Final = 60
_MOST_EVENTS: Final = 600


class Snapshot:
    """Tells the state of things at the moment somebody comes in."""

    def __init__(self, kv: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._kv = kv
        self._clock = clock

    async def hello(self) -> Told:
        """Return the first event: what this is, and the traffic of the last minute."""
        now = self._clock()
        return Told.of(
            {
                "type": "hello",
                "at": iso(now),
                "version": __version__,
                "ping_seconds": PING_SECONDS,
                "idle_seconds": IDLE_SECONDS,
                "traffic": await self._traffic(now),
            }
        )

    def ping(self) -> Told:
        """Return the question whether the client is still there; any message answers it."""
        return Told.of({"type": "ping", "at": iso(self._clock())})

    async def _traffic(self, now: float) -> list[Entry]:
        start = str(int((now - _BACK_SECONDS) * 1000))
        reading = cast("Any", self._kv.xrevrange(SECONDS, min=start, count=_MOST_EVENTS))
        try:
            rows = cast("Iterable[tuple[str, Mapping[str, str]]]", await reading)
        except (RedisError, OSError):
            return []
        return traffic_events(rows)
