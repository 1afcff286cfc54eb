"""Prometheus metrics of all processes, and the exporter that answers one scrape for them.

With PROMETHEUS_MULTIPROC_DIR set before Python starts, every process writes its figures to files
in that folder and any one of them, usually the supervisor, exports the sum.
"""

import os
import socket
import threading
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    # The supervisor exports metrics without a database or Valkey client of its own.
    import redis
    from sqlalchemy import Engine

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class BatchHistogram(Histogram):
    """A histogram that takes many observations for the price of a few.

    One observation costs about 2 µs where processes share a folder of figures; whoever counts each
    request of a busy gateway gathers them and hands them over now and then.
    """

    def observe_all(self, amounts: Collection[float]) -> None:
        """Observe each of the amounts."""
        ordered = sorted(amounts)
        self._sum.inc(sum(ordered))
        counted = 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            until = bisect_right(ordered, bound, counted)
            if until > counted:
                bucket.inc(until - counted)
                counted = until


HTTP_REQUESTS: Final = Counter(
    "gateline_http_requests_total",
    "Requests answered.",
    ["service", "method", "route", "status"],
)
HTTP_DURATION: Final = BatchHistogram(
    "gateline_http_request_duration_seconds",
    "Time from the arrival of a request to its answer.",
    ["service", "method", "route"],
    buckets=BUCKETS,
)
REFUSALS: Final = Counter(
    "gateline_refusals_total",
    "Requests that a service refused or failed, by the stable reason in the body.",
    ["service", "reason"],
)
DATABASE_CONNECTIONS: Final = Gauge(
    "gateline_database_connections",
    "Open connections to PostgreSQL, in_use or idle.",
    ["service", "state"],
    multiprocess_mode="livesum",
)
REDIS_CONNECTIONS: Final = Gauge(
    "gateline_redis_connections",
    "Open connections to Valkey, in_use or idle.",
    ["service", "state"],
    multiprocess_mode="livesum",
)


def observe_request(service: str, method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; `route` is a pattern, never a path, so that labels stay few."""
    verb = method if method in METHODS else "OTHER"
    HTTP_REQUESTS.labels(service, verb, route, str(status)).inc()
    HTTP_DURATION.labels(service, verb, route).observe(seconds)


def observe_refusal(service: str, reason: str) -> None:
    """Count one answer with the standard error body."""
    REFUSALS.labels(service, reason).inc()


def observe_database(service: str, engine: "Engine") -> None:
    """Record how many connections the engine's pool holds."""
    from sqlalchemy.pool import QueuePool

    pool = engine.pool
    if isinstance(pool, QueuePool):
        DATABASE_CONNECTIONS.labels(service, "in_use").set(pool.checkedout())
        DATABASE_CONNECTIONS.labels(service, "idle").set(pool.checkedin())


def observe_redis(service: str, kv: "redis.Redis") -> None:
    """Record how many connections the client's pool holds."""
    (idle, _), (in_use, _) = kv.connection_pool.get_connection_count()
    REDIS_CONNECTIONS.labels(service, "in_use").set(in_use)
    REDIS_CONNECTIONS.labels(service, "idle").set(idle)


@dataclass(frozen=True, slots=True)
class Exporter:
    """A running exporter; close it to free its port."""

    server: WSGIServer
    thread: threading.Thread

    @property
    def port(self) -> int:
        """The port it listens on, also when any free one was asked for."""
        return int(self.server.server_port)

    def close(self) -> None:
        """Stop answering and free the port."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_exporter(port: int, host: str = "127.0.0.1") -> Exporter:
    """Answer scrapes on host and port (0: any free one) from a thread; raise OSError when taken."""
    server, thread = start_http_server(port, addr=host, registry=exported_registry())
    # Only now, so that nobody shares the port unasked: what scrapes leave behind (TIME-WAIT) then
    # keeps no supervisor from holding the port again, which it does with this option.
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return Exporter(server, thread)


def exported_registry(folder: Path | None = None) -> CollectorRegistry:
    """Return what a scrape shows: all processes that share the folder, else this one."""
    path = folder or _shared_folder()
    if path is None:
        return REGISTRY
    registry = CollectorRegistry()
    registry.register(SharedFolder(path))
    return registry


def clear_folder(folder: Path) -> None:
    """Create the shared folder or forget an earlier run; call it before any process starts."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


class SharedFolder(Collector):
    """Sums up the files of all processes; gauges of dead processes are removed first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of all processes together."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_dead(self._folder)
            return list(_collector(str(self._folder)).collect())


def remove_dead(folder: Path) -> None:
    """Remove the live gauges of processes that are gone; their counters stay in the totals."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not _is_alive(int(pid)):
            file.unlink(missing_ok=True)


def _collector(folder: str) -> Collector:
    collector: Any = MultiProcessCollector
    return cast("Collector", collector(None, folder))  # the library's class is not typed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _shared_folder() -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else None
