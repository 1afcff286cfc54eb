"""Health: what this service needs, whether it is there, answered within about a second.

`/livez` says that the process answers, `/readyz` and `/health` that it can do its work (503 when it
cannot).
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from flask import Blueprint, Flask, current_app
from pydantic import ConfigDict
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import URL, create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from gateline import __version__
from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.database import connect_args
from gateline.shared.declarations import answers
from gateline.shared.schemas.base import Schema, Timestamp, timestamp_text

Probe = Callable[[], object]
Answer = tuple[dict[str, Any], int]

PROBE_SECONDS: Final = 1.0
REMEMBER_SECONDS: Final = 0.5
"""An answer is kept that long, so that many probes cost no more than a few."""

EXTENSION: Final = "gateline.health"


class HealthOut(Schema):
    """How a service is. What it does not need is not there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    status: Literal["healthy", "unhealthy"]
    service: str
    database: Literal["connected", "disconnected"] | SkipJsonSchema[None] = None
    redis: Literal["connected", "disconnected"] | SkipJsonSchema[None] = None
    timestamp: Timestamp
    version: str


class Alive(Schema):
    """The process answers."""

    status: Literal["alive"]
    version: str


@dataclass(slots=True)
class Dependency:
    """Something outside that this service needs, asked by one thread at a time.

    A probe that hangs is waited for `PROBE_SECONDS`, counts as a failure until it returns, and
    holds one thread, however often health is asked.
    """

    name: str
    probe: Probe
    clock: Callable[[], float] = time.monotonic
    _pool: ThreadPoolExecutor | None = None
    _running: Future[object] | None = None
    _known: tuple[float, bool] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> Callable[[float], bool]:
        """Start the probe; return a function that waits so many seconds for its verdict."""
        with self._lock:
            known = self._known
            if known is not None and self.clock() - known[0] < REMEMBER_SECONDS:
                return lambda _: known[1]
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"health-{self.name}")
            if self._running is None or self._running.done():
                self._running = self._pool.submit(self.probe)
            running = self._running

        def verdict(seconds: float) -> bool:
            connected = _succeeds(running, seconds)
            self._known = (self.clock(), connected)
            return connected

        return verdict


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one service."""

    service: str
    dependencies: tuple[Dependency, ...]
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def states(self) -> dict[str, str]:
        """Return `connected` or `disconnected` by dependency; all are asked at the same time."""
        deadline = time.monotonic() + PROBE_SECONDS
        asked = {dependency.name: dependency.ask() for dependency in self.dependencies}
        return {
            name: "connected" if verdict(deadline - time.monotonic()) else "disconnected"
            for name, verdict in asked.items()
        }

    def report(self) -> Answer:
        """Return the documented body and its status: 200, or 503 when something is away."""
        states = self.states()
        healthy = "disconnected" not in states.values()
        body = {
            "status": "healthy" if healthy else "unhealthy",
            "service": self.service,
            **states,
            "timestamp": timestamp_text(self.now().replace(microsecond=0)),
            "version": __version__,
        }
        return body, 200 if healthy else 503


def init_health(app: Flask, *, service: str, probes: Mapping[str, Probe]) -> Health:
    """Answer `/health`, `/livez` and `/readyz`."""
    health = Health(service, tuple(Dependency(name, probe) for name, probe in probes.items()))
    app.extensions[EXTENSION] = health
    blueprint = Blueprint("health", __name__)
    blueprint.add_url_rule("/health", view_func=report)
    blueprint.add_url_rule("/readyz", view_func=report, endpoint="readyz")
    blueprint.add_url_rule("/livez", view_func=livez)
    app.register_blueprint(blueprint)
    return health


@answers(200, HealthOut)
@answers(503, HealthOut, "Something that is needed is away.")
def report() -> Answer:
    """Return the health of the current app, for any view that shows it."""
    health = current_app.extensions[EXTENSION]
    assert isinstance(health, Health)  # noqa: S101 # tells the type checker what init_health put
    return health.report()


@answers(200, Alive)
def livez() -> Answer:
    """Say that the process answers."""
    return {"status": "alive", "version": __version__}, 200


def database_probe(url: str | URL) -> Probe:
    """Return a probe with a connection of its own: a busy pool is load, not illness."""
    engine: Engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args=connect_args(
            name="gateline health",
            connect_timeout=PROBE_SECONDS,
            statement_timeout=PROBE_SECONDS,
        ),
    )

    def probe() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    return probe


def redis_probe(settings: Settings) -> Probe:
    """Return a probe with a client of its own."""
    return kv.connect(settings, timeout=PROBE_SECONDS, retries=0).ping


def _succeeds(running: "Future[object]", seconds: float) -> bool:
    try:
        running.result(timeout=max(0.0, seconds))
    except Exception:  # noqa: BLE001 # no answer in time, or whatever a probe raises: it is away
        return False
    return True
