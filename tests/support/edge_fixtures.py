"""Fixtures: the edge in a process of its own, the services behind it, and people to ask as."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import People, edge_environment
from running_edge import RunningEdge
from scripted_services import VARIABLES, ScriptedServices


@pytest.fixture(scope="session")
def every_service() -> Iterator[ScriptedServices]:
    """Run the services behind the edges, once."""
    services = ScriptedServices()
    services.start()
    yield services
    services.stop()


@pytest.fixture
def services(every_service: ScriptedServices) -> ScriptedServices:
    """Give services that follow no script yet and have seen nothing."""
    every_service.clear()
    return every_service


@pytest.fixture(scope="session")
def metrics_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder into which the edge writes its figures."""
    return tmp_path_factory.mktemp("metrics")


@pytest.fixture(scope="session")
def edge(
    every_service: ScriptedServices,
    redis_url: str,
    metrics_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningEdge]:
    """Run an edge with plain settings, once."""
    # The two waits before a second and third attempt take up to 1 s and 2 s.
    environment = edge_environment(
        redis_url,
        UPSTREAM_TIMEOUT="3.5",
        UPSTREAM_BREAKER="false",  # services fail in many tests, one after the other
        MAX_BODY_BYTES=str(64 * 2**20),
        PROMETHEUS_MULTIPROC_DIR=str(metrics_folder),
    )
    running = RunningEdge(tmp_path_factory.mktemp("edge"), environment | every_service.environment)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def strict_edge(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge that knows its hosts, trusts one origin, logs JSON and waits half a second."""
    environment = edge_environment(
        redis_url,
        UPSTREAM_TIMEOUT="0.5",
        UPSTREAM_BREAKER="false",
        MAX_BODY_BYTES="1000000",
        LOG_FORMAT="json",
        ALLOWED_HOSTS="127.0.0.1,*.example.org",
        CORS_ORIGINS="https://app.example.org",
    )
    running = RunningEdge(
        tmp_path_factory.mktemp("strict-edge"), environment | every_service.environment
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def refusing_edge(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge whose services refuse every connection."""
    nowhere = dict.fromkeys(VARIABLES.values(), "http://127.0.0.1:1")
    environment = edge_environment(redis_url, UPSTREAM_TIMEOUT="3.5", UPSTREAM_BREAKER="false")
    running = RunningEdge(tmp_path_factory.mktemp("refusing-edge"), environment | nowhere)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def people(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Give a way to log people in."""
    known = People(edge_environment(redis_url), tmp_path_factory.mktemp("people"))
    yield known
    known.close()
