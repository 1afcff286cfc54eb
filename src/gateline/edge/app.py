"""The edge as an ASGI application: what it is made of, and its life in one worker."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline.edge import record
from gateline.edge.access_log import AccessLog
from gateline.edge.exchange import Receive, Scope, Send
from gateline.edge.health import Health
from gateline.edge.inflight import InFlight
from gateline.edge.invalidation import InvalidationFeed
from gateline.edge.pipeline import Pipeline
from gateline.edge.record import Recorder
from gateline.edge.sessions import SessionMemory
from gateline.edge.telemetry import Telemetry
from gateline.edge.upstream import Client

_TICK_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one worker's edge is made of."""

    pipeline: Pipeline
    client: Client
    kv: "Redis"
    feed: InvalidationFeed
    sessions: SessionMemory
    in_flight: InFlight
    recorder: Recorder
    access_log: AccessLog
    telemetry: Telemetry
    health: Health


class Edge:
    """The front door. Its parts are built when the server starts, inside the event loop."""

    def __init__(self, build: Callable[[], Parts]) -> None:
        self._build = build
        self._parts: Parts | None = None
        self._handle: Callable[[Scope, Receive, Send], Awaitable[None]] = _not_started
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        kind = scope["type"]
        if kind == "http":
            await self._handle(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "no_route"})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except Exception as error:  # noqa: BLE001 # whatever it is, the server must learn of it
            _log.exception("the edge cannot start")
            await send({"type": "lifespan.startup.failed", "message": type(error).__name__})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        parts: Parts = self._build()
        self._parts = parts
        self._handle = parts.pipeline.handle
        self._tasks = [
            asyncio.create_task(_keep_running(work))
            for work in (
                parts.feed.run,
                parts.in_flight.run,
                parts.access_log.run,
                parts.telemetry.run,
                partial(_tick, parts),
            )
        ]

    async def _stop(self) -> None:
        parts = self._parts
        if parts is None:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _housekeeping(parts)
        await parts.client.aclose()
        await parts.kv.aclose()


async def _not_started(_: Scope, __: Receive, ___: Send) -> None:
    msg = "the edge needs a server that runs the ASGI lifespan"
    raise RuntimeError(msg)


async def _keep_running(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run what must always run; when it fails, say so and start it again."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 # a lost background task would be a silent fault
            _log.exception("background work failed and is started again")
            await asyncio.sleep(_TICK_SECONDS)


async def _tick(parts: Parts) -> None:
    """Once a second: renew sessions that were used, publish figures."""
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        await _housekeeping(parts)


async def _housekeeping(parts: Parts) -> None:
    try:
        parts.recorder.publish()
        _gauge(parts)
    except (OSError, ValueError):
        _log.exception("figures could not be published")
    with contextlib.suppress(RedisError, OSError):
        await parts.sessions.flush_renewals()


def _gauge(parts: Parts) -> None:
    record.REQUESTS_IN_FLIGHT.set(len(parts.in_flight))
    record.KNOWN_SESSIONS.set(len(parts.sessions))
    record.MEMORY_TRUSTED.set(int(parts.sessions.trusted))
    for pool in parts.client.pools:
        name = str(pool.target)
        record.UPSTREAM_CONNECTIONS.labels(name, "in_use").set(pool.in_use)
        record.UPSTREAM_CONNECTIONS.labels(name, "idle").set(pool.idle)
