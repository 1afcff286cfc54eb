"""Prometheus learns what was decided, once each."""

from prometheus_client import REGISTRY

from gateline.edge.limits.figures import Figures
from gateline.edge.limits.rules import Counter
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit


def _sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_was_counted_is_told_once() -> None:
    """Decisions by verdict, questions to the store, decisions without it; and the state."""
    decisions = "gateline_edge_limit_decisions_total"
    labels = {"route": "figures", "by": "user"}
    operations = _sample("gateline_edge_limit_store_operations_total")
    alone = _sample("gateline_edge_limit_decided_alone_total")
    counter = Counter("figures", LimitRule(Limit(1, 60), 1, "user"))
    counter.add("one", 0.0)
    figures = Figures()
    counter.admitted, counter.refused, figures.alone = 5, 2, 3
    for _ in range(2):
        figures.publish([counter], 9, edges=4, alone=True)

    assert _sample(decisions, verdict="admitted", **labels) == 5
    assert _sample(decisions, verdict="refused", **labels) == 2
    assert _sample("gateline_edge_limit_store_operations_total") == operations + 9
    assert _sample("gateline_edge_limit_decided_alone_total") == alone + 3
    assert _sample("gateline_edge_limit_edges") == 4
    assert _sample("gateline_edge_limit_keys") == 1
    assert _sample("gateline_edge_limits_alone") == 1
