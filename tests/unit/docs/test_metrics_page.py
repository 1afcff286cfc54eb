"""Metrics: named by Prometheus' rules, with labels that cannot grow without end."""

import re
from typing import Final

import pytest

from metrics_page import Metric, metrics, metrics_page

BOUNDED: Final = frozenset(
    {
        # names from the configuration
        "route",
        "service",
        "target",
        # words from fixed sets
        "by",
        "code",
        "coding",
        "method",
        "outcome",
        "reason",
        "result",
        "stage",
        "state",
        "status",
        "verdict",
    }
)
EVERY: Final = metrics()


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_a_metric_is_named_by_the_rules(metric: Metric) -> None:
    """Counters end in _total, others never; base units; lower case (prometheus.io, naming)."""
    name = metric.name
    assert re.fullmatch(r"gateline(_[a-z0-9]+)+", name)
    assert name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent|count|sum|bucket)(_|$)", name)
    if metric.kind == "histogram":
        assert name.endswith(("_seconds", "_bytes"))
    assert metric.tells.endswith(".")


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_labels_have_few_values(metric: Metric) -> None:
    """A path, an address, a user or a header as a label would let clients fill the memory."""
    assert set(metric.labels) <= BOUNDED


def test_a_name_stands_for_one_metric() -> None:
    """No two modules define the same; the page tells of each."""
    names = [metric.name for metric in EVERY]
    assert len(names) == len(set(names)) > 30
    page = metrics_page()
    assert all(f"| `{name}` |" in page for name in names)
