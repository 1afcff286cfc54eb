"""Health answers quickly and truthfully."""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateline import __version__
from gateline.shared import health
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.health import Dependency, Health


def test_health_has_the_documented_fields(settings: Settings) -> None:
    """status, service, database, redis, timestamp, and the version."""
    response = build_app("x", service="flask", settings=settings).test_client().get("/health")
    body = response.get_json()
    assert response.status_code == 200
    assert dt.datetime.fromisoformat(body.pop("timestamp")).tzinfo is dt.UTC
    assert body == {
        "status": "healthy",
        "service": "flask",
        "database": "connected",
        "redis": "connected",
        "version": __version__,
    }


def test_what_is_away_is_named(make_settings: Callable[..., Settings]) -> None:
    """503 says which engine is missing; the process itself is alive."""
    client = build_app("x", service="x", settings=make_settings()).test_client()
    for path in ("/health", "/readyz"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.get_json()["status"] == "unhealthy"
        assert response.get_json()["database"] == "disconnected"
        assert response.get_json()["redis"] == "disconnected"
    assert client.get("/livez").get_json() == {"status": "alive", "version": __version__}


def test_a_service_without_database_does_not_report_one(settings: Settings) -> None:
    """Only what is needed is probed."""
    app = build_app("x", service="x", settings=settings, database=False)
    assert "database" not in app.test_client().get("/health").get_json()


def test_recovery_is_seen(
    make_settings: Callable[..., Settings],
    valkey_relay: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Health follows an engine that goes and comes back."""
    monkeypatch.setattr(health, "REMEMBER_SECONDS", 0)
    settings = make_settings(REDIS_URL=f"redis://127.0.0.1:{valkey_relay.port}/0")
    client = build_app("x", service="x", settings=settings, database=False).test_client()
    assert client.get("/health").status_code == 200
    valkey_relay.cut()
    assert client.get("/health").status_code == 503
    valkey_relay.restore()
    assert client.get("/health").status_code == 200


def test_a_probe_that_hangs_is_bounded_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often health is asked, a hanging engine holds one thread."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(health, "REMEMBER_SECONDS", 0)
    release, calls = threading.Event(), []

    def hang() -> None:
        calls.append(1)
        release.wait()

    checked = Health("x", (Dependency("a", hang), Dependency("b", lambda: True)))
    assert checked.states() == {"a": "disconnected", "b": "connected"}
    assert checked.states()["a"] == "disconnected"
    assert len(calls) == 1
    release.set()


def test_an_answer_is_remembered_for_a_moment() -> None:
    """A burst of probes costs one question."""
    now, calls = [0.0], []
    dependency = Dependency("a", lambda: calls.append(1), clock=lambda: now[0])
    assert dependency.ask()(1)
    assert dependency.ask()(1)
    assert len(calls) == 1
    now[0] += health.REMEMBER_SECONDS
    assert dependency.ask()(1)
    assert len(calls) == 2
