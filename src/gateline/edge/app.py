"""The edge as an ASGI application: what it is made of, and its life in one worker."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline.edge import record
from gateline.edge.access_log import AccessLog
from gateline.edge.draining import saying_goodbye
from gateline.edge.exchange import Receive, Scope, Send
from gateline.edge.health import Health
from gateline.edge.inflight import InFlight
from gateline.edge.invalidation import InvalidationFeed
from gateline.edge.limits import LimitKeeper
from gateline.edge.pipeline import Pipeline
from gateline.edge.record import Recorder
from gateline.edge.reload import Reloader
from gateline.edge.scheduling import let_server_wait
from gateline.edge.sessions import SessionMemory
from gateline.edge.sockets.entrance import Entrance
from gateline.edge.sockets.fan_out import FanOut
from gateline.edge.sockets.guests import Guests
from gateline.edge.sockets.proxying import SocketProxy
from gateline.edge.sockets.socket_io import SocketIo
from gateline.edge.telemetry import Telemetry
from gateline.edge.tracing import Tracer
from gateline.edge.upstream import Client
from gateline.edge.upstreams import Upstreams

DRAIN_SIGNAL = signal.SIGURG
"""Ignored by default, so that it harms no process that does not know it."""

RELOAD_SIGNAL = signal.SIGUSR1
"""Asks a worker to read the gateway file anew."""

_TICK_SECONDS = 1.0
_GARBAGE_AFTER = 20_000
_log = logging.getLogger(__name__)

Answering = Coroutine[Any, Any, object]
"""What answers a connection when it is awaited."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one worker's edge is made of."""

    pipeline: Pipeline
    reloader: Reloader
    client: Client
    services: Upstreams
    kv: "Redis"
    limits: LimitKeeper
    feed: InvalidationFeed
    sessions: SessionMemory
    in_flight: InFlight
    recorder: Recorder
    tracer: Tracer | None
    access_log: AccessLog
    telemetry: Telemetry
    health: Health
    entrance: Entrance
    socket_io: SocketIo
    fan_out: FanOut
    guests: Guests
    proxy: SocketProxy


class Edge:
    """The front door. Its parts are built when the server starts, inside the event loop.

    `succeeded` is set before draining when other workers serve on: then it stays ready.
    """

    def __init__(self, build: Callable[[], Parts]) -> None:
        self._build = build
        self._parts: Parts | None = None
        self._handle: Callable[[Scope, Receive, Send], Answering] = _not_started
        self._connect: Callable[[Scope, Receive, Send], Answering] = _not_started
        self._tasks: list[asyncio.Task[None]] = []
        self._draining: asyncio.Future[None] | None = None
        self.succeeded = False

    @property
    def drained(self) -> bool:
        """Tell whether every socket was told that this worker ends; any thread may ask."""
        return self._draining is not None and self._draining.done()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Answering:
        """Answer one ASGI connection."""
        kind = scope["type"]
        if kind == "http":
            return self._handle(scope, receive, send)
        if kind == "lifespan":
            return self._live(receive, send)
        return self._connect(scope, receive, send)

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
        # What is there for good is searched for garbage no more, and what requests leave behind
        # is searched seldom: hardly any of it is in cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE_AFTER, 20, 100)
        self._parts = parts
        self._handle = parts.pipeline.handle
        self._connect = parts.entrance.handle
        self._heed_signals(parts)
        self._tasks = [
            asyncio.create_task(_keep_running(work))
            for work in (
                parts.feed.run,
                parts.reloader.run,
                parts.limits.run,
                parts.in_flight.run,
                parts.access_log.run,
                parts.telemetry.run,
                parts.fan_out.run,
                parts.guests.run,
                parts.socket_io.run,
                parts.proxy.run,
                partial(_tick, parts),
            )
        ]

    def _heed_signals(self, parts: Parts) -> None:
        """Say goodbye when the server says that this worker will end; reload when asked to.

        It says so with SIGURG a moment before SIGTERM, at which it would drop them without a word.
        """

        def drain() -> None:
            parts.health.draining = not self.succeeded
            self._handle = saying_goodbye(parts.pipeline.handle)
            parts.in_flight.end_event_streams()
            self._draining = asyncio.ensure_future(parts.entrance.drain())

        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(DRAIN_SIGNAL, drain)
            loop.add_signal_handler(RELOAD_SIGNAL, parts.reloader.ask)

    async def _stop(self) -> None:
        parts = self._parts
        if parts is None:
            return
        await parts.entrance.drain()
        await parts.socket_io.close()
        parts.proxy.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _housekeeping(parts)
        if parts.tracer is not None:
            await asyncio.to_thread(parts.tracer.close)
        await parts.services.aclose()
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
    await asyncio.sleep(_TICK_SECONDS)
    let_server_wait()  # its threads are there by now: it starts them after the application
    while True:
        await _housekeeping(parts)
        await asyncio.sleep(_TICK_SECONDS)


async def _housekeeping(parts: Parts) -> None:
    try:
        parts.recorder.publish()
        _gauge(parts)
    except (OSError, ValueError):
        _log.exception("figures could not be published")
    with contextlib.suppress(RedisError, OSError):
        await parts.sessions.flush_renewals()


def _gauge(parts: Parts) -> None:
    parts.reloader.gauge()
    record.REQUESTS_IN_FLIGHT.set(len(parts.in_flight))
    record.KNOWN_SESSIONS.set(len(parts.sessions))
    record.MEMORY_TRUSTED.set(int(parts.sessions.trusted))
    record.SOCKETS.set(parts.entrance.open_sockets)
    record.OPEN_FILES.set(record.open_files())
    parts.services.publish()
    for name, (in_use, idle) in parts.client.connections().items():
        record.UPSTREAM_CONNECTIONS.labels(name, "in_use").set(in_use)
        record.UPSTREAM_CONNECTIONS.labels(name, "idle").set(idle)
