"""Request id, host check, access log and metrics around every request."""

import logging
from collections.abc import Callable

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from gateline.shared.config import Settings
from gateline.shared.middleware.error_handler import init_error_handlers
from gateline.shared.middleware.request_context import (
    accepted_request_id,
    current_request_id,
    host_is_allowed,
    init_request_context,
)

SERVICE = "context-test"


@pytest.fixture
def make_client(make_settings: Callable[..., Settings]) -> Callable[..., FlaskClient]:
    """Give a function that makes a client of a small app from settings."""

    def make(**variables: str) -> FlaskClient:
        app = Flask("x")
        init_request_context(
            app, service=SERVICE, settings=make_settings(**variables), ids=lambda: "made-up-id"
        )
        init_error_handlers(app)
        app.add_url_rule("/id/<name>", "id", lambda name: f"{g.request_id}{name[:0]}")
        app.add_url_rule("/livez", "livez", str)
        return app.test_client()

    return make


def test_a_request_without_id_gets_one(make_client: Callable[..., FlaskClient]) -> None:
    """The view and the client see the same id."""
    response = make_client().get("/id/1")
    assert response.text == response.headers["X-Request-ID"] == "made-up-id"


def test_a_well_formed_id_is_kept(make_client: Callable[..., FlaskClient]) -> None:
    """An id can be followed from the edge to the last service."""
    response = make_client().get("/id/1", headers={"X-Request-ID": "edge-0123456789"})
    assert response.headers["X-Request-ID"] == "edge-0123456789"


@pytest.mark.parametrize("sent", ["short", "x" * 129, "with blank", "a\nb" * 5, "é" * 10, "", None])
def test_a_malformed_id_is_replaced(sent: str | None) -> None:
    """An id goes into logs and headers: nothing but plain characters may come in."""
    assert accepted_request_id(sent) is None


def test_the_body_of_an_error_names_the_same_id(make_client: Callable[..., FlaskClient]) -> None:
    """What a user reports can be found in the log."""
    response = make_client().get("/nothing")
    assert response.get_json()["details"]["request_id"] == response.headers["X-Request-ID"]


def test_outside_a_request_an_id_is_made() -> None:
    """Commands and tests may render errors as well."""
    assert accepted_request_id(current_request_id())


@pytest.mark.parametrize(
    ("host", "allowed", "answer"),
    [
        ("api.example.com", {"api.example.com"}, True),
        ("API.Example.com:8443", {"api.example.com"}, True),
        ("api.example.com.", {"api.example.com"}, True),
        ("a.example.com", {"*.example.com"}, True),
        ("a.example.com", {".example.com"}, True),
        ("example.com", {"*.example.com"}, False),
        ("evilexample.com", {"*.example.com"}, False),
        ("evil.com", {"api.example.com"}, False),
        ("evil.com", set(), True),
        ("evil.com", {"*"}, True),
        ("[::1]:8000", {"[::1]"}, True),
        ("", set(), False),
        ("a b", set(), False),
        ("a/b", {"*"}, False),
        ("user@api.example.com", {"api.example.com"}, False),
        ("api.example.com:port", {"api.example.com"}, False),
    ],
)
def test_hosts(host: str, allowed: set[str], answer: bool) -> None:
    """Listed names and names below a wildcard are answered; malformed ones never."""
    assert host_is_allowed(host, allowed) is answer


def test_a_foreign_host_is_refused(make_client: Callable[..., FlaskClient]) -> None:
    """A made-up Host header cannot end in links that we send out."""
    client = make_client(ALLOWED_HOSTS="api.example.com")
    response = client.get("/id/1", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response.get_json()["details"]["reason"] == "host_not_allowed"
    assert client.get("/id/1", headers={"Host": "api.example.com"}).status_code == 200


def test_probes_are_answered_under_any_host(make_client: Callable[..., FlaskClient]) -> None:
    """An orchestrator asks by address."""
    client = make_client(ALLOWED_HOSTS="api.example.com")
    assert client.get("/livez", headers={"Host": "10.1.2.3"}).status_code == 200


def test_services_may_call_each_other_by_their_configured_names(
    make_client: Callable[..., FlaskClient],
) -> None:
    """The names in the service URLs pass the host check without being listed."""
    client = make_client(
        ALLOWED_HOSTS="api.example.com", JWT_SERVICE_URL="http://auth-service:8003"
    )
    assert client.get("/id/1", headers={"Host": "auth-service:8003"}).status_code == 200


def test_each_request_is_one_access_line(
    make_client: Callable[..., FlaskClient], caplog: pytest.LogCaptureFixture
) -> None:
    """Method, path, status and duration; no query string, no control characters."""
    with caplog.at_level(logging.INFO, logger="gateline.access"):
        make_client().get("/id/a%0Ab?token=hunter2")
    (record,) = caplog.records
    assert record.getMessage().startswith("GET /id/a%0Ab 200 ")
    assert "hunter2" not in record.getMessage()
    assert (record.status, record.route) == (200, "/id/<name>")  # type: ignore[attr-defined] # extra


def test_probes_are_not_logged_at_info(
    make_client: Callable[..., FlaskClient], caplog: pytest.LogCaptureFixture
) -> None:
    """A probe every second would hide everything else."""
    with caplog.at_level(logging.INFO, logger="gateline.access"):
        make_client().get("/livez")
    assert not caplog.records


def test_refusals_are_counted_by_reason(make_client: Callable[..., FlaskClient]) -> None:
    """The reason in the body is the reason in the metrics."""
    labels = {"service": SERVICE, "reason": "not_found"}
    before = REGISTRY.get_sample_value("gateline_refusals_total", labels) or 0
    make_client().get("/nothing")
    assert REGISTRY.get_sample_value("gateline_refusals_total", labels) == before + 1


def test_requests_are_counted_by_route(make_client: Callable[..., FlaskClient]) -> None:
    """The label is the pattern, so that a client cannot make labels."""

    def count(route: str, status: str) -> float:
        labels = {"service": SERVICE, "method": "GET", "route": route, "status": status}
        return REGISTRY.get_sample_value("gateline_http_requests_total", labels) or 0

    client = make_client()
    before = count("/id/<name>", "200"), count("unmatched", "404")
    client.get("/id/1")
    client.get("/id/2")
    client.get("/made-up")
    assert (count("/id/<name>", "200"), count("unmatched", "404")) == (before[0] + 2, before[1] + 1)
