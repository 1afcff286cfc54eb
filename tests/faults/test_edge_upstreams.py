"""Services of which some targets, or all, fail under load: Must shows in small."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from edge_people import edge_environment
from failing_targets import Mode, Targets
from running_edge import RunningEdge
from steady_load import Load

MOST_ATTEMPTS = 1.25

RESILIENT = """
[gateway]
platform = false

[services.shop]
urls = {urls}
{settings}

[[routes]]
path = "/shop/*"
service = "shop"
auth = "none"
"""

Starter = Callable[[str], RunningEdge]


@pytest.fixture
def targets() -> Iterator[Targets]:
    """Run four targets that are well."""
    with Targets() as running:
        yield running


@pytest.fixture
def edge_with(targets: Targets, redis_url: str, tmp_path: Path) -> Iterator[Starter]:
    """Start edges before the targets with these settings of the service."""
    started: list[RunningEdge] = []

    def start(settings: str) -> RunningEdge:
        file = tmp_path / "gateline.toml"
        file.write_text(RESILIENT.format(urls=targets.urls, settings=settings))
        edge = RunningEdge(tmp_path, edge_environment(redis_url, GATELINE_CONFIG=str(file)))
        started.append(edge)
        edge.start()
        return edge

    yield start
    for edge in started:
        edge.stop()


def _attempts(log: str) -> list[int]:
    return [int(number) for number in re.findall(r"/shop/\S* .*attempts=(\d+)", log)]


@contextmanager
def _load(edge: RunningEdge, clients: int = 20, method: str = "GET") -> Iterator[Load]:
    with Load(edge.port, clients=clients, method=method) as load:
        load.wait(lambda: len(load.answers) > clients)
        yield load


def test_a_service_that_only_fails_is_not_asked_much_more(
    targets: Targets, edge_with: Starter
) -> None:
    """However it fails, the budget allows at most 1.25 attempts a request, even without breaker."""
    edge = edge_with("breaker = false\nretries = { backoff = '50ms' }")
    modes: tuple[Mode, ...] = ("busy", "broken", "gone")
    for mode in modes:
        seen = len(edge.output)
        targets.become(mode, delay=0.05)
        with _load(edge, clients=40) as load:
            load.wait(lambda load=load: len(load.answers) >= 400)  # type: ignore[misc]
        assert load.statuses()[200] == 0
        edge.wait_for_line("GET /shop/things")
        attempts = _attempts(edge.output[seen:])
        assert len(attempts) >= 300
        assert sum(attempts) / len(attempts) <= MOST_ATTEMPTS
        assert max(attempts) > 1


def test_a_breaker_spares_a_service_that_only_fails(targets: Targets, edge_with: Starter) -> None:
    """Open, it lets a probe through now and then; the first good one brings everything back."""
    edge = edge_with("breaker = { open = '500ms' }\nretries = { backoff = '10ms' }")
    targets.become("busy")
    with _load(edge) as load:
        opened = edge.wait_for_line("service shop is left alone for 0.5 s")
        assert opened
        load.wait(lambda: load.statuses()[503] > 500)
        assert targets.requests < 200
        refused = edge.get("/shop/things")
        assert (refused.status, refused.reason) == (503, "upstream_unavailable")
        assert refused.values(b"retry-after") == [b"1"]
        targets.become("well")
        load.wait(lambda: load.statuses()[200] > 50)


def test_beyond_its_concurrency_a_service_is_not_asked(
    targets: Targets, edge_with: Starter
) -> None:
    """Ten at once and ten in line; the others are told to come back later."""
    edge = edge_with("concurrency = { limit = 10, queue = 10, wait = '5s' }")
    targets.become("well", delay=0.2)
    with _load(edge, clients=60) as load:
        load.wait(lambda: load.statuses()[200] > 30)
        for _ in range(20):
            assert sum(target.in_flight for target in targets.all) <= 10
            time.sleep(0.01)
        # One may come just when a place in the line is free.
        asked = (edge.get("/shop/things") for _ in range(20))
        refused = next(answer for answer in asked if answer.status != 200)
    assert load.statuses().keys() == {200, 503}
    assert (refused.status, refused.reason) == (503, "overloaded")
    assert refused.values(b"retry-after") == [b"5"]


@pytest.mark.parametrize("mode", ["gone", "broken", "hanging"])
def test_one_dead_target_of_four_costs_no_request(
    targets: Targets, edge_with: Starter, mode: Mode
) -> None:
    """After its ejection no request fails, and it is back by itself once it is well."""
    edge = edge_with(
        "timeout = '500ms'\nretries = { backoff = '10ms' }\n"
        "ejection = { base = '1s', slow_start = '1s' }"
    )
    with _load(edge) as load:
        targets.become(mode, 3)
        edge.wait_for_line(targets.urls[3], "is left out")
        ejected = time.monotonic() + 0.6  # those that were under way have come to their end
        load.wait(lambda: time.monotonic() > ejected + 0.3)
        targets.become("well", 3)
        targets.forget()
        edge.wait_for_line(targets.urls[3], "is let in again")
        load.wait(lambda: targets.all[3].requests > 20)
    assert load.failures(since=ejected) == 0
