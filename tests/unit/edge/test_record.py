"""Figures: counted cheaply, published together, visible to a scrape."""

from pathlib import Path
from typing import Any

from edge_exchange import Answered, exchange_for
from edge_people import People
from prometheus_client import REGISTRY
from running_edge import RunningEdge
from scripted_services import ScriptedServices

from gateline.edge.access_log import AccessLog
from gateline.edge.caching import Storage
from gateline.edge.record import OTHER_ROUTES, Recorder
from gateline.local.engines import wait_until
from gateline.policy.reasons import CLIENT_CLOSED
from gateline.policy.routes import Route
from gateline.shared.metrics import exported_registry

ROUTE = Route("record-test", "/record/*", None)


def sample(name: str, **labels: str) -> float:
    """Return a figure of this process, 0 when there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def requests(method: str, status: str) -> float:
    """Return how many requests of our route were counted."""
    name = "gateline_http_requests_total"
    return sample(name, service="edge", method=method, route=ROUTE.name, status=status)


def recorder() -> Recorder:
    """Return a recorder whose access lines go nowhere."""
    return Recorder(AccessLog(lambda _: None, as_json=False))


def test_requests_are_counted_when_published() -> None:
    """Figures gather by route, method and status, and are handed over once."""
    figures = recorder()
    for _ in range(3):
        figures.record(exchange_for(Answered(), route=ROUTE, status=200))
    before = requests("GET", "200")
    figures.publish()
    figures.publish()
    assert requests("GET", "200") == before + 3
    labels = {"service": "edge", "method": "GET", "route": ROUTE.name}
    assert sample("gateline_http_request_duration_seconds_count", **labels) >= 3


def test_a_request_whose_version_has_no_access_log_leaves_no_line() -> None:
    """It is counted all the same; another request's version may want its line."""
    lines: list[str] = []
    log = AccessLog(lines.append, as_json=False)
    figures = Recorder(log)
    before = requests("GET", "200")
    for logged in (False, True):
        figures.record(exchange_for(Answered(), route=ROUTE, status=200, logged=logged))
    figures.publish()
    log.flush()
    assert "".join(lines).count("\n") == 1
    assert requests("GET", "200") == before + 2


def test_a_strange_method_is_no_label_of_its_own() -> None:
    """Clients cannot make up label values: paths are none, and methods are a fixed set."""
    figures = recorder()
    before = requests("OTHER", "405")
    figures.record(exchange_for(Answered(), "MKCOL\n", route=ROUTE, status=405))
    figures.publish()
    assert requests("OTHER", "405") == before + 1


def test_thousands_of_routes_are_no_thousands_of_series() -> None:
    """The first routes that are asked have series of their own, the others one together."""
    figures = recorder()
    labels = {"service": "edge", "method": "GET", "route": OTHER_ROUTES, "status": "200"}
    before = sample("gateline_http_requests_total", **labels)
    for number in range(510):
        route = Route(f"record-test-{number}", "/record/*", None)
        figures.record(exchange_for(Answered(), route=route, status=200))
    figures.publish()
    assert sample("gateline_http_requests_total", **labels) == before + 14


def test_a_request_without_an_answer_has_the_status_of_its_reason() -> None:
    """A client that left counts as 499, under its reason."""
    figures = recorder()
    exchange = exchange_for(Answered(), route=ROUTE, reason=CLIENT_CLOSED)
    left = sample("gateline_edge_refusals_total", reason="client_closed")
    figures.record(exchange)
    figures.publish()
    assert exchange.status == 499
    assert requests("GET", "499") >= 1
    assert sample("gateline_edge_refusals_total", reason="client_closed") == left + 1


def test_attempts_are_counted_by_service() -> None:
    """Every attempt counts, not only every request."""
    figures = recorder()
    before = sample("gateline_edge_upstream_attempts_total", service="record-test")
    figures.record(exchange_for(Answered(), service="record-test", attempts=3, status=200))
    figures.publish()
    assert sample("gateline_edge_upstream_attempts_total", service="record-test") == before + 3


def test_the_cache_is_counted_by_what_it_did() -> None:
    """Only requests of routes with a cache; its size and what made room are told too."""
    storage = Storage()
    figures = Recorder(AccessLog(lambda _: None, as_json=False), cache=storage)
    name = "gateline_edge_cache_requests_total"
    before = sample(name, result="hit")
    evicted = sample("gateline_edge_cache_evictions_total")
    figures.record(exchange_for(Answered(), route=ROUTE, status=200, cache="hit"))
    figures.record(exchange_for(Answered(), route=ROUTE, status=200))
    storage.evicted = 3
    storage.bytes = 77
    figures.publish()
    figures.publish()
    assert sample(name, result="hit") == before + 1
    assert sample("gateline_edge_cache_evictions_total") == evicted + 3
    assert sample("gateline_edge_cache_bytes") == 77


def test_the_time_of_services_is_observed() -> None:
    """Only of requests that were forwarded, all their attempts together."""
    figures = recorder()
    name = "gateline_edge_upstream_duration_seconds"
    count = sample(f"{name}_count", service="record-test")
    total = sample(f"{name}_sum", service="record-test")
    known: dict[str, Any] = {"service": "record-test", "status": 200}
    figures.record(exchange_for(Answered(), attempts=2, upstream_seconds=0.5, **known))
    figures.record(exchange_for(Answered(), **known))
    figures.publish()
    assert sample(f"{name}_count", service="record-test") == count + 1
    assert sample(f"{name}_sum", service="record-test") == total + 0.5


def test_a_scrape_shows_a_running_edge(
    edge: RunningEdge, services: ScriptedServices, people: People, metrics_folder: Path
) -> None:
    """Requests, refusals, attempts, connections and sessions of the edge's process are there."""
    registry = exported_registry(metrics_folder)

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, labels) or 0.0

    doctor = {"service": "edge", "method": "GET", "route": "doctors"}
    counted = value("gateline_http_requests_total", status="200", **doctor)
    refused = value("gateline_edge_refusals_total", reason="session_missing")
    assert edge.get("/api/v1/doctors/", token=people.log_in().token).status == 200
    assert edge.get("/api/v1/doctors/").status == 401
    assert wait_until(
        lambda: value("gateline_http_requests_total", status="200", **doctor) > counted, seconds=5
    )
    assert value("gateline_edge_refusals_total", reason="session_missing") > refused
    assert value("gateline_edge_upstream_attempts_total", service="doctors") >= 1
    assert value("gateline_edge_session_memory_trusted") == 1
    assert value("gateline_edge_sessions_in_memory") >= 1
