"""What Prometheus is told of limits: counted in plain numbers, handed on now and then."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge

from gateline.edge.limits.rules import Counter as RuleCounter

DECISIONS: Final = Counter(
    "gateline_edge_limit_decisions_total",
    "Requests that were judged by a limit, admitted or refused.",
    ["route", "by", "verdict"],
)
OPERATIONS: Final = Counter(
    "gateline_edge_limit_store_operations_total",
    "Times that the store was asked for a part of a limit, or given some back.",
)
DECIDED_ALONE: Final = Counter(
    "gateline_edge_limit_decided_alone_total",
    "Requests judged by this edge's own part of a limit because the store was away.",
)
ALONE: Final = Gauge(
    "gateline_edge_limits_alone",
    "1 while the store is away and each edge enforces its own part of every limit.",
    multiprocess_mode="livemax",
)
EDGES: Final = Gauge(
    "gateline_edge_limit_edges",
    "Edges (worker processes) that share the limits, as the one sees that knows of the fewest.",
    multiprocess_mode="livemin",
)
KEYS: Final = Gauge(
    "gateline_edge_limit_keys",
    "Keys (clients, users, ...) whose limit is held in memory.",
    multiprocess_mode="livesum",
)


class Figures:
    """Remembers what was told already; `alone` counts decisions without the store."""

    def __init__(self) -> None:
        self.alone = 0
        self._told_alone = 0
        self._told_operations = 0

    def publish(
        self, counters: Iterable[RuleCounter], operations: int, *, edges: int, alone: bool
    ) -> None:
        """Hand on what has changed."""
        keys = 0
        for counter in counters:
            keys += len(counter.shares)
            self._publish_decisions(counter)
        KEYS.set(keys)
        EDGES.set(edges)
        ALONE.set(int(alone))
        OPERATIONS.inc(operations - self._told_operations)
        DECIDED_ALONE.inc(self.alone - self._told_alone)
        self._told_operations = operations
        self._told_alone = self.alone

    @staticmethod
    def _publish_decisions(counter: RuleCounter) -> None:
        labels = (counter.name, counter.rule.by)
        if counter.admitted:
            DECISIONS.labels(*labels, "admitted").inc(counter.admitted)
            counter.admitted = 0
        if counter.refused:
            DECISIONS.labels(*labels, "refused").inc(counter.refused)
            counter.refused = 0
