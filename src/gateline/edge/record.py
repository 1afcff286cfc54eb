"""The last phase, which always runs: figures for Prometheus and the access line."""

import os
from array import array
from time import perf_counter
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

from gateline.edge.access_log import AccessLog
from gateline.edge.exchange import Exchange
from gateline.edge.telemetry import UNTOLD, Telemetry
from gateline.shared.metrics import (
    BUCKETS,
    HTTP_DURATION,
    HTTP_REQUESTS,
    METHODS,
    UNMATCHED,
    BatchHistogram,
)

if TYPE_CHECKING:
    from gateline.edge.caching import Storage

_SERVICE: Final = "edge"
_DESCRIPTORS: Final = "/proc/self/fd"

REFUSALS: Final = Counter(
    "gateline_edge_refusals_total", "Requests that the edge itself refused, by reason.", ["reason"]
)
ATTEMPTS: Final = Counter(
    "gateline_edge_upstream_attempts_total",
    "Attempts to have a request answered by a service.",
    ["service"],
)
MIRRORED: Final = Counter(
    "gateline_edge_mirrored_total",
    "Copies of requests for another service: sent, failed, left_out (too many) or too_large.",
    ["service", "outcome"],
)
UPSTREAM_DURATION: Final = BatchHistogram(
    "gateline_edge_upstream_duration_seconds",
    "Time that the edge spent waiting for a service, all attempts of a request together.",
    ["service"],
    buckets=BUCKETS,
)
CACHED: Final = Counter(
    "gateline_edge_cache_requests_total",
    "Requests of routes with a cache: hit, stale, validated, miss or bypass.",
    ["result"],
)
CACHE_BYTES: Final = Gauge(
    "gateline_edge_cache_bytes",
    "Memory that kept answers take.",
    multiprocess_mode="livesum",
)
CACHE_EVICTIONS: Final = Counter(
    "gateline_edge_cache_evictions_total", "Kept answers that had to make room for others."
)
COMPRESSED: Final = Counter(
    "gateline_edge_compressed_bytes_total",
    "Bytes of bodies before (in) and after (out) the edge compressed them.",
    ["coding", "stage"],
)
REQUESTS_IN_FLIGHT: Final = Gauge(
    "gateline_edge_requests_in_flight",
    "Requests that are not answered yet.",
    multiprocess_mode="livesum",
)
UPSTREAM_CONNECTIONS: Final = Gauge(
    "gateline_edge_upstream_connections",
    "Connections to services, in_use or idle.",
    ["target", "state"],
    multiprocess_mode="livesum",
)
KNOWN_SESSIONS: Final = Gauge(
    "gateline_edge_sessions_in_memory",
    "Tokens whose session is held in memory.",
    multiprocess_mode="livesum",
)
MEMORY_TRUSTED: Final = Gauge(
    "gateline_edge_session_memory_trusted",
    "1 while the session store keeps memory true, 0 while every request asks the store.",
    multiprocess_mode="livemin",
)
SOCKETS_CLOSED: Final = Counter(
    "gateline_edge_sockets_closed_total",
    "WebSockets to services that have ended: by whom, and with which close code.",
    ["by", "code"],
)
SOCKETS: Final = Gauge(
    "gateline_edge_sockets",
    "WebSockets that are open.",
    multiprocess_mode="livesum",
)
OPEN_FILES: Final = Gauge(
    "gateline_edge_open_files",
    "Descriptors of the edge's workers: connections of clients, to services and all else.",
    multiprocess_mode="livesum",
)
LINES_LOST: Final = Counter(
    "gateline_edge_access_lines_lost_total", "Access lines that could not be written."
)

OTHER_ROUTES: Final = "other"
"""Stands for the routes beyond those that have series of their own: as many as are asked first."""

_MOST_ROUTES: Final = 500


class _Finished:
    """Requests of one kind: how long each took, and what was needed to have them answered."""

    __slots__ = ("attempts", "durations", "waits")

    def __init__(self) -> None:
        self.durations = array("d")
        self.attempts = 0
        self.waits = array("d")


class Recorder:
    """Counts finished exchanges and notes their access lines; `telemetry` is told of them too.

    `cache` is the storage whose size is told.
    """

    def __init__(
        self,
        access_log: AccessLog,
        telemetry: Telemetry | None = None,
        cache: "Storage | None" = None,
    ) -> None:
        self._access_log = access_log
        self._telemetry = telemetry
        self._cache = cache
        self._pending: dict[tuple[str, str, int, str], _Finished] = {}
        self._refused: dict[str, int] = {}
        self._cached: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._routes = set(UNTOLD)  # told apart whoever comes first

    def record(self, exchange: Exchange) -> None:
        """Take a finished exchange."""
        seconds = perf_counter() - exchange.started
        status = exchange.status
        if exchange.reason is not None:
            code = exchange.reason.code
            self._refused[code] = self._refused.get(code, 0) + 1
            status = status or exchange.reason.status
            exchange.status = status
        route = exchange.route.name if exchange.route is not None else UNMATCHED
        if route not in self._routes:
            route = self._label(route)
        key = (exchange.method, route, status, exchange.service)
        finished = self._pending.get(key)
        if finished is None:
            finished = self._pending[key] = _Finished()
        finished.durations.append(seconds)
        if exchange.attempts:
            finished.attempts += exchange.attempts
            finished.waits.append(exchange.upstream_seconds)
        if exchange.cache:
            self._cached[exchange.cache] = self._cached.get(exchange.cache, 0) + 1
        if exchange.trace is not None:
            exchange.trace.finish(exchange)
        if exchange.logged:
            self._access_log.add(exchange, seconds)
        if self._telemetry is not None:
            self._telemetry.note(exchange, seconds)

    def publish(self) -> None:
        """Hand on what has gathered: Prometheus gets one update a series, not one a request."""
        pending, self._pending = self._pending, {}
        if self._telemetry is not None:
            self._telemetry.count({key: one.durations for key, one in pending.items()})
        for (method, route, status, service), one in pending.items():
            verb = method if method in METHODS else "OTHER"
            HTTP_REQUESTS.labels(_SERVICE, verb, route, str(status)).inc(len(one.durations))
            HTTP_DURATION.labels(_SERVICE, verb, route).observe_all(one.durations)
            if one.attempts:
                ATTEMPTS.labels(service).inc(one.attempts)
                UPSTREAM_DURATION.labels(service).observe_all(one.waits)
        for counter, counts in (
            (REFUSALS, self._refused),
            (CACHED, self._cached),
        ):
            for label, count in counts.items():
                counter.labels(label).inc(count)
            counts.clear()
        self._publish_totals()

    def _label(self, route: str) -> str:
        """Return the name under which a new route is counted: no more by their own than bearable.

        Prometheus keeps a dozen series for each.
        """
        if len(self._routes) >= _MOST_ROUTES:
            return OTHER_ROUTES
        self._routes.add(route)
        return route

    def _publish_totals(self) -> None:
        """Tell what others count themselves since their start."""
        self._tell(LINES_LOST, "lines", self._access_log.lost)
        if self._cache is not None:
            CACHE_BYTES.set(self._cache.bytes)
            self._tell(CACHE_EVICTIONS, "evictions", self._cache.evicted)

    def _tell(self, counter: Counter, name: str, total: int) -> None:
        before = self._told.get(name, 0)
        if total > before:
            counter.inc(total - before)
            self._told[name] = total


def open_files() -> int:
    """Return how many descriptors this process has open, 0 where the system does not say."""
    try:
        with os.scandir(_DESCRIPTORS) as entries:
            return sum(1 for _ in entries)
    except OSError:
        return 0
