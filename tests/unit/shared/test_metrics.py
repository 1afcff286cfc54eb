"""What a scrape shows, for one process and for many."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from gateline.shared import metrics
from gateline.shared.config import Settings

WRITER = """
import sys
from gateline.shared import metrics
metrics.observe_request("writer", "GET", "/x", 200, 0.01)
metrics.DATABASE_CONNECTIONS.labels("writer", "idle").set(2)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_an_exporter_answers_a_scrape() -> None:
    """Prometheus finds requests, durations and connections."""
    metrics.observe_request("exporter-test", "GET", "/a/<id>", 200, 0.02)
    with metrics.start_exporter(0) as exporter:
        url = f"http://127.0.0.1:{exporter.port}/metrics"
        with urlopen(url) as answer:
            text = answer.read().decode()
    labels = 'method="GET",route="/a/<id>",service="exporter-test"'
    assert f'gateline_http_requests_total{{{labels},status="200"}} 1.0' in text
    assert f"gateline_http_request_duration_seconds_count{{{labels}}} 1.0" in text


@given(st.lists(st.floats(0, 20), max_size=40))
def test_many_observations_count_as_each_alone(amounts: list[float]) -> None:
    """Handed over together they fill the same buckets as one by one."""
    registry = CollectorRegistry()
    bounds = (0.001, 0.5, 1.0, 5.0, 10.0)
    single = Histogram("single_seconds", "One by one.", buckets=bounds, registry=registry)
    batch = metrics.BatchHistogram("batch_seconds", "All.", buckets=bounds, registry=registry)
    for amount in amounts:
        single.observe(amount)
    batch.observe_all(amounts)
    for bound in (*map(str, bounds), "+Inf"):
        found = [
            registry.get_sample_value(f"{name}_seconds_bucket", {"le": bound})
            for name in ("single", "batch")
        ]
        assert found[0] == found[1]
    total = registry.get_sample_value("batch_seconds_sum")
    assert total == pytest.approx(registry.get_sample_value("single_seconds_sum"))


def test_a_taken_port_is_an_error() -> None:
    """The caller learns it at once and can say so."""
    with metrics.start_exporter(0) as exporter, pytest.raises(OSError, match="in use"):
        metrics.start_exporter(exporter.port)


def test_made_up_methods_make_no_labels() -> None:
    """A client cannot fill the memory of Prometheus."""
    metrics.observe_request("methods-test", "BREW", "/x", 405, 0.01)
    labels = {"service": "methods-test", "method": "OTHER", "route": "/x", "status": "405"}
    assert REGISTRY.get_sample_value("gateline_http_requests_total", labels) == 1


def start_writer(folder: Path) -> "subprocess.Popen[str]":
    """Start a process that counts one request and holds two connections."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER],
        env=os.environ | {metrics.FOLDER_VARIABLE: str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_one_scrape_shows_all_processes(tmp_path: Path) -> None:
    """Counters and live gauges are summed; the connections of a dead process are not."""
    metrics.clear_folder(tmp_path)
    registry = metrics.exported_registry(tmp_path)
    requests = {"service": "writer", "method": "GET", "route": "/x", "status": "200"}
    idle = {"service": "writer", "state": "idle"}
    writers = [start_writer(tmp_path) for _ in range(2)]
    assert registry.get_sample_value("gateline_http_requests_total", requests) == 2
    assert registry.get_sample_value("gateline_database_connections", idle) == 4
    writers[0].communicate("\n")
    assert registry.get_sample_value("gateline_http_requests_total", requests) == 2
    assert registry.get_sample_value("gateline_database_connections", idle) == 2
    writers[1].communicate("\n")
    assert registry.get_sample_value("gateline_database_connections", idle) is None


def test_an_earlier_run_is_forgotten(tmp_path: Path) -> None:
    """The platform starts with empty figures in a folder that is there."""
    folder = tmp_path / "metrics"
    metrics.clear_folder(folder)
    (folder / "counter_1.db").touch()
    metrics.clear_folder(folder)
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_connections_to_engines_are_shown(settings: Settings) -> None:
    """In use and idle, by service."""
    from sqlalchemy import text

    from gateline.shared.app import build_app, parts
    from gateline.shared.database import db

    app = build_app("x", service="gauges-test", settings=settings)

    @app.get("/ask")
    def ask() -> str:
        parts().kv.ping()
        db.session.execute(text("SELECT 1"))
        return ""

    app.test_client().get("/ask")

    def gauge(name: str, state: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"service": "gauges-test", "state": state})

    assert gauge("gateline_database_connections", "in_use") == 1
    assert gauge("gateline_redis_connections", "idle") == 1
