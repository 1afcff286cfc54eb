"""The last phase, which always runs: figures for Prometheus and the access line."""

from time import perf_counter
from typing import Final

from prometheus_client import Counter, Gauge

from gateline.edge.access_log import AccessLog
from gateline.edge.exchange import Exchange
from gateline.edge.telemetry import Telemetry
from gateline.shared.metrics import HTTP_DURATION, HTTP_REQUESTS, METHODS, UNMATCHED

_SERVICE: Final = "edge"

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


class Recorder:
    """Counts finished exchanges and notes their access lines; `telemetry` is told of them too."""

    def __init__(self, access_log: AccessLog, telemetry: Telemetry | None = None) -> None:
        self._access_log = access_log
        self._telemetry = telemetry
        self._pending: dict[tuple[str, str, int, str], list[float]] = {}
        self._attempts: dict[str, int] = {}

    def record(self, exchange: Exchange) -> None:
        """Take a finished exchange."""
        seconds = perf_counter() - exchange.started
        status = exchange.status
        if exchange.reason is not None:
            REFUSALS.labels(exchange.reason.code).inc()
            status = status or exchange.reason.status
            exchange.status = status
        route = exchange.route.name if exchange.route is not None else UNMATCHED
        key = (exchange.method, route, status, exchange.service)
        pending = self._pending.get(key)
        if pending is None:
            self._pending[key] = [seconds]
        else:
            pending.append(seconds)
        if exchange.attempts:
            service = exchange.service
            self._attempts[service] = self._attempts.get(service, 0) + exchange.attempts
        if exchange.trace is not None:
            exchange.trace.finish(exchange)
        self._access_log.add(exchange, seconds)
        if self._telemetry is not None:
            self._telemetry.note(exchange, seconds)

    def publish(self) -> None:
        """Hand on what has gathered: Prometheus gets one update a series, not one a request."""
        pending, self._pending = self._pending, {}
        if self._telemetry is not None:
            self._telemetry.count(pending)
        for (method, route, status, _), durations in pending.items():
            verb = method if method in METHODS else "OTHER"
            HTTP_REQUESTS.labels(_SERVICE, verb, route, str(status)).inc(len(durations))
            observe = HTTP_DURATION.labels(_SERVICE, verb, route).observe
            for seconds in durations:
                observe(seconds)
        attempts, self._attempts = self._attempts, {}
        for service, count in attempts.items():
            ATTEMPTS.labels(service).inc(count)
