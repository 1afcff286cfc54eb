"""What Prometheus learns of services and their targets; all labels come from the configuration."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge

from gateline.edge.upstreams.upstream import Upstream
from gateline.policy.breakers import BreakerState

TARGET_STATES: Final = ("available", "ejected", "unhealthy", "drained")

RETRIES: Final = Counter(
    "gateline_edge_upstream_retries_total",
    "Attempts that were repeated, by how the one before had failed.",
    ["service", "outcome"],
)
RETRIES_REFUSED: Final = Counter(
    "gateline_edge_upstream_retries_refused_total",
    "Attempts that the retry budget did not allow to be repeated.",
    ["service"],
)
BREAKERS: Final = Gauge(
    "gateline_edge_breakers",
    "Workers whose breaker for the service is closed, open or half_open.",
    ["service", "state"],
    multiprocess_mode="livesum",
)
BREAKERS_OPENED: Final = Counter(
    "gateline_edge_breakers_opened_total",
    "How often a breaker opened because too many answers failed.",
    ["service"],
)
TARGETS: Final = Gauge(
    "gateline_edge_upstream_targets",
    "Workers that see the target as available, ejected, unhealthy or drained (weight 0).",
    ["service", "target", "state"],
    multiprocess_mode="livesum",
)
EJECTIONS: Final = Counter(
    "gateline_edge_upstream_ejections_total",
    "How often a target was left out because it failed several times in a row.",
    ["service", "target"],
)
CONCURRENCY: Final = Gauge(
    "gateline_edge_upstream_places",
    "Requests that have a place under the service's concurrency limit, or wait for one.",
    ["service", "state"],
    multiprocess_mode="livesum",
)
CONCURRENCY_REFUSED: Final = Counter(
    "gateline_edge_upstream_places_refused_total",
    "Requests that were refused because the service had as many as it may have at once.",
    ["service"],
)


class Figures:
    """Hands on what upstreams count: what is the same as a second ago costs a comparison."""

    def __init__(self) -> None:
        self._told: dict[tuple[Counter, tuple[str, ...]], int] = {}
        self._targets: dict[tuple[str, str], str] = {}
        self._breakers: dict[str, BreakerState] = {}

    def publish(self, upstreams: Iterable[Upstream], now: float) -> None:
        """Tell how every upstream stands; `now` is the event loop's time."""
        unique = {id(one): one for one in upstreams}.values()
        for upstream in unique:
            self._publish_service(upstream, now)
        self._publish_targets(unique)
        with_breaker = {one.service.name for one in unique if one.breaker is not None}
        for name in self._breakers.keys() - with_breaker:
            del self._breakers[name]
            for state in BreakerState:
                BREAKERS.labels(name, state.value).set(0)

    def _publish_service(self, upstream: Upstream, now: float) -> None:
        name = upstream.service.name
        for outcome, count in upstream.retries.items():
            self._count(RETRIES, (name, outcome.value), count)
        self._count(RETRIES_REFUSED, (name,), upstream.retries_refused)
        for target, count in upstream.ejections.items():
            self._count(EJECTIONS, (name, target), count)
        breaker, slots = upstream.breaker, upstream.slots
        if breaker is not None:
            self._publish_breaker(name, breaker.state(now))
            self._count(BREAKERS_OPENED, (name,), breaker.opened_total)
        if slots is not None:
            CONCURRENCY.labels(name, "in_use").set(slots.in_use)
            CONCURRENCY.labels(name, "waiting").set(slots.waiting)
            self._count(CONCURRENCY_REFUSED, (name,), slots.refused_total)

    def _publish_targets(self, upstreams: Iterable[Upstream]) -> None:
        known = {
            (upstream.service.name, target.name): target.state
            for upstream in upstreams
            for target in upstream.targets
        }
        for service, target in self._targets.keys() - known.keys():
            for state in TARGET_STATES:
                TARGETS.labels(service, target, state).set(0)
        for (service, target), stands in known.items():
            if self._targets.get((service, target)) != stands:
                for state in TARGET_STATES:
                    TARGETS.labels(service, target, state).set(int(state == stands))
        self._targets = known

    def _publish_breaker(self, name: str, stands: BreakerState) -> None:
        if self._breakers.get(name) is not stands:
            self._breakers[name] = stands
            for state in BreakerState:
                BREAKERS.labels(name, state.value).set(int(state is stands))

    def _count(self, counter: Counter, labels: tuple[str, ...], total: int) -> None:
        """Add what came since the last time; a counter that was begun anew counts from 0."""
        told = self._told.get((counter, labels), 0)
        more = total - told if total >= told else total
        if more or (counter, labels) not in self._told:
            counter.labels(*labels).inc(more)
        self._told[counter, labels] = total
