"""What Prometheus learns of services."""

import uuid
from collections.abc import Iterable
from dataclasses import replace

from fake_targets import service_of, upstream_of
from prometheus_client import REGISTRY

from gateline.edge.upstreams.figures import Figures
from gateline.edge.upstreams.slots import Slots
from gateline.edge.upstreams.upstream import Upstream
from gateline.policy.retries import Outcome
from gateline.policy.services import ConcurrencyPolicy


def _upstream(names: Iterable[str] = ("a", "b*0")) -> Upstream:
    return upstream_of(replace(service_of(names), name=f"shop-{uuid.uuid4()}"))


def _value(name: str, upstream: Upstream, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(
        f"gateline_edge_{name}", {"service": upstream.service.name, **labels}
    )


def test_counters_grow_by_what_came() -> None:
    """Publishing twice counts nothing twice."""
    upstream, figures = _upstream(), Figures()
    upstream.retries[Outcome.CONNECT_FAILED] += 3
    upstream.retries_refused = 2
    upstream.ejections["a"] += 1
    for _ in range(3):
        figures.publish([upstream, upstream], 0.0)
    upstream.retries[Outcome.CONNECT_FAILED] += 1
    figures.publish([upstream], 0.0)
    assert _value("upstream_retries_total", upstream, outcome="connect_failed") == 4
    assert _value("upstream_retries_refused_total", upstream) == 2
    assert _value("upstream_ejections_total", upstream, target="a") == 1


def test_states_of_targets_and_breaker() -> None:
    """Each is in exactly one state."""
    upstream, figures = _upstream(), Figures()
    figures.publish([upstream], 0.0)
    assert _value("upstream_targets", upstream, target="a", state="available") == 1
    assert _value("upstream_targets", upstream, target="b", state="drained") == 1
    assert _value("upstream_targets", upstream, target="b", state="available") == 0
    assert _value("breakers", upstream, state="closed") == 1
    for _ in range(20):
        upstream.failed(upstream.targets[0], 0.0, unavailable=True)
    figures.publish([upstream], 1.0)
    assert _value("breakers", upstream, state="closed") == 0
    assert _value("breakers", upstream, state="open") == 1
    assert _value("breakers_opened_total", upstream) == 1
    figures.publish([upstream], 6.0)
    assert _value("breakers", upstream, state="half_open") == 1


def test_a_target_that_left_is_in_no_state() -> None:
    """What the configuration does not name any more is not shown as available."""
    upstream, figures = _upstream(["a", "b"]), Figures()
    figures.publish([upstream], 0.0)
    upstream.targets = upstream.targets[:1]
    figures.publish([upstream], 0.0)
    assert _value("upstream_targets", upstream, target="b", state="available") == 0
    figures.publish([], 0.0)
    assert _value("upstream_targets", upstream, target="a", state="available") == 0
    assert _value("breakers", upstream, state="closed") == 0


def test_places_under_a_concurrency_limit() -> None:
    """How many are taken, waited for and refused."""
    upstream, figures = _upstream(), Figures()
    upstream.slots = Slots(ConcurrencyPolicy(3))
    upstream.slots.in_use, upstream.slots.refused_total = 3, 7
    figures.publish([upstream], 0.0)
    assert _value("upstream_places", upstream, state="in_use") == 3
    assert _value("upstream_places", upstream, state="waiting") == 0
    assert _value("upstream_places_refused_total", upstream) == 7
