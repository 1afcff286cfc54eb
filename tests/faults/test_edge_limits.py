"""One limit over two edges: together while they can ask, each its part while the store is away."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
import redis
from limit_load import press
from limited_edges import limited_edges, store_operations
from mortal_valkey import MortalValkey
from running_edge import RunningEdge
from scripted_services import ScriptedServices

from gateline.local.engines import wait_until
from gateline.shared.metrics import exported_registry

LIMITS = {"together": ("600/hour", 600), "apart": ("200/hour", 200), "told": ("3/hour", 3)}


@pytest.fixture(scope="module")
def store() -> Iterator[MortalValkey]:
    """Run a Valkey that tests may end."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-limits-"))
    mortal = MortalValkey(folder)
    mortal.start()
    yield mortal
    mortal.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder into which the edges write their figures."""
    return tmp_path_factory.mktemp("limit-metrics")


@pytest.fixture(scope="module")
def edges(
    store: MortalValkey,
    figures: Path,
    every_service: ScriptedServices,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[RunningEdge]]:
    """Run two edges with the same limits."""
    folder = tmp_path_factory.mktemp("limited-edges")
    port = every_service.ports["api"]
    more = {"PROMETHEUS_MULTIPROC_DIR": str(figures), "REDIS_TIMEOUT": "0.5"}
    with limited_edges(folder, store.engine.url(), port, LIMITS, 2, **more) as running:
        yield running


def _figure(folder: Path, name: str) -> float:
    return exported_registry(folder).get_sample_value(name) or 0.0


def test_two_edges_admit_one_limit_and_seldom_ask(
    edges: list[RunningEdge], store: MortalValkey
) -> None:
    """Two thousand at once: the limit and what becomes free meanwhile; few store operations."""
    with redis.Redis.from_url(store.engine.url()) as client:
        before = store_operations(client)
        pressed = press([edge.port for edge in edges], "/together", total=2000, connections=60)
        asked = store_operations(client) - before

    assert pressed.statuses.total() == 2000
    assert set(pressed.statuses) == {200, 429}
    assert 600 <= pressed.admitted <= 601 + pressed.seconds / 6
    assert asked <= 200


def test_a_client_is_told_where_it_stands(edges: list[RunningEdge]) -> None:
    """Over both edges one count, in both notations, and when to come again."""
    answers = [edges[number % 2].get("/told") for number in range(4)]
    first, last = answers[0], answers[-1]

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert first.values(b"x-ratelimit-limit") == [b"3"]
    assert first.values(b"x-ratelimit-remaining") == [b"2"]
    assert first.values(b"ratelimit-policy") == [b'"route";q=3;w=3600']
    assert first.values(b"ratelimit")[0].startswith(b'"route";r=2;t=')
    assert last.values(b"x-ratelimit-remaining") == [b"0"]
    assert 1 <= int(last.values(b"retry-after")[0]) <= 1200
    assert last.reason == "limit_spent"
    assert last.json()["details"]["retry_after"] == int(last.values(b"retry-after")[0])


def test_without_the_store_each_edge_admits_its_part(
    edges: list[RunningEdge], store: MortalValkey, figures: Path
) -> None:
    """Neither open nor shut: half of the limit on each, said in a metric, then together again."""
    seen = "gateline_edge_limit_edges"
    assert wait_until(lambda: _figure(figures, seen) == 2.0, seconds=10)
    store.signal(signal.SIGSTOP)
    try:
        began = perf_counter()
        one = press([edges[0].port], "/apart", total=300, connections=20)
        assert perf_counter() - began < 10
        other = press([edges[1].port], "/apart", total=300, connections=20)
        assert wait_until(lambda: _figure(figures, "gateline_edge_limits_alone") == 1.0, seconds=10)
    finally:
        store.signal(signal.SIGCONT)

    assert (one.admitted, other.admitted) == (100, 100)
    assert wait_until(lambda: _figure(figures, "gateline_edge_limits_alone") == 0.0, seconds=10)
    assert _figure(figures, "gateline_edge_limit_decided_alone_total") >= 200
    again = press([edge.port for edge in edges], "/apart", total=100, connections=4)
    assert again.admitted <= 3
