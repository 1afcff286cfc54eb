"""Document 0, the service integration, statement by statement over HTTP."""

from __future__ import annotations

import importlib
import os
import re
import socket
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from gateline.local.engines import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests
    from running_platform import RunningPlatform
    from tests.contract.conftest import Account, Caller, Http

JSON = {"Content-Type": "application/json"}
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
TOLD = ("Limit", "Remaining", "Reset")
_ROOMY = {"LOGIN_RATE_LIMIT": "10000/minute", "METRICS_PORT": "0"}
LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]+ - (DEBUG|INFO|WARNING|ERROR|CRITICAL) - .+"
)


def later(**ahead: float) -> str:
    """Return a time to come, as the document writes them."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds")


# Dependencies and shared components


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("config", ["config"]),
        ("database", ["db", "init_db", "transaction_context"]),
        ("middleware.error_handler", ["init_error_handlers"]),
        ("middleware.validation", ["validate"]),
        ("middleware.rate_limiter", ["RateLimiter", "limit"]),
        ("middleware.auth", ["require_session", "require_auth", "optional_session"]),
        ("schemas.base", ["Schema", "Page", "ErrorBody"]),
    ],
)
def test_shared_components(module: str, names: list[str]) -> None:
    """Document 0, Shared Components: configuration, database, middleware and schemas are there."""
    found = importlib.import_module(f"gateline.shared.{module}")
    assert all(hasattr(found, name) for name in names)


# Auth service integration


def as_bearer(call: Caller) -> dict[str, str]:
    """Return the service key as document 0 sends it."""
    return {"Authorization": f"Bearer {call.key}"}


def test_token_validation(http: Http, call: Caller, account: Account) -> None:
    """Document 0, Token Validation: the key as bearer, the token in the body."""
    body = {"token": account.access_token}
    answer = http("POST", "/api/auth/validate-token", json=body, headers=as_bearer(call))
    assert answer.status_code == 200
    assert answer.json()["user_id"] == account.id


def test_active_session_synchronization(
    http: Http, call: Caller, account: Account, is_alive: Callable[[Account], bool]
) -> None:
    """Document 0, Session Synchronization: an active session is acknowledged and lives on."""
    data = {"expires_at": later(hours=1), "is_active": True}
    body = {"user_id": str(account.id), "session_data": data}
    answer = http("POST", "/api/auth/sync-session", json=body, headers=as_bearer(call))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert is_alive(account)


def test_ended_session_synchronization(
    http: Http, call: Caller, account: Account, is_alive: Callable[[Account], bool]
) -> None:
    """Document 0, Session Synchronization: `is_active: false` ends the user's sessions."""
    data = {"expires_at": later(hours=1), "is_active": False}
    body = {"user_id": str(account.id), "session_data": data}
    answer = http("POST", "/api/auth/sync-session", json=body, headers=as_bearer(call))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert wait_until(lambda: not is_alive(account), seconds=2)


def test_user_data_synchronization(
    http: Http, call: Caller, account: Account, log_in: Callable[[Account], Account]
) -> None:
    """Document 0, User Data Synchronization: the id as text, names and flags are taken over."""
    body = {
        "id": str(account.id),
        "email": account.email,
        "first_name": "Ana",
        "last_name": "Ruiz",
        "is_active": True,
        "is_email_verified": True,
    }
    answer = http("POST", "/api/auth/sync-user", json=body, headers=as_bearer(call))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    again = log_in(account)
    user = http("GET", "/api/v1/auth/validate", headers=again.bearer).json()["user"]
    assert user["name"] == "Ana Ruiz"


# Metrics


def metrics_of(http: Http, platform: RunningPlatform) -> str:
    """Return what Prometheus would scrape."""
    answer = http("GET", platform.metrics_url.rstrip("/") + "/metrics")
    assert answer.status_code == 200
    return answer.text


def test_http_metrics(http: Http, platform: RunningPlatform, account: Account) -> None:
    """Document 0, Metrics: HTTP request counts and durations."""
    series = metrics_of(http, platform)
    login = r'\{[^}]*route="/api/auth/login"[^}]*service="auth"[^}]*\}'
    assert re.search(rf"gateline_http_requests_total{login} [1-9]", series)
    assert re.search(rf"gateline_http_request_duration_seconds_count{login} [1-9]", series)


@pytest.mark.parametrize("store", ["database", "redis"])
def test_connection_metrics(
    http: Http, platform: RunningPlatform, account: Account, store: str
) -> None:
    """Document 0, Metrics: database and Redis connection counts."""
    wanted = re.compile(rf'gateline_{store}_connections\{{[^}}]*service="auth"[^}}]*\}} \d')

    def is_shown() -> bool:
        # Connections are counted at most once a second, by a request.
        http("GET", "/api/v1/auth/validate", headers=account.bearer)
        return wanted.search(metrics_of(http, platform)) is not None

    assert wait_until(is_shown, seconds=5)


def test_metrics_port_is_9090_unless_told_otherwise(platform: RunningPlatform) -> None:
    """Document 0, Metrics: port 9090, configurable."""
    from gateline.shared.config import Settings

    assert Settings.model_fields["metrics_port"].default == 9090
    assert not platform.metrics_url.rstrip("/").endswith(":9090")


# Environment variables


def test_environment_variables_are_listed() -> None:
    """Document 0, Environment Variables: `.env.example` names what a service needs."""
    from gateline.shared.config import env_example

    listed = env_example()
    needed = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "SERVICE_KEYS", "METRICS_PORT", "LOG_FILE")
    assert all(re.search(rf"^#? ?{name}=", listed, re.MULTILINE) for name in needed)


# Health check


@pytest.mark.parametrize("where", ["GATELINE_URL", "JWT_SERVICE_URL", "WEB_SERVICE_URL"])
def test_health(http: Http, platform: RunningPlatform, where: str) -> None:
    """Document 0, Health Check: status, service, database, redis and timestamp, of each service."""
    answer = http("GET", platform.env[where] + "/health")
    assert answer.status_code == 200
    found = answer.json()
    assert found["status"] == "healthy"
    assert isinstance(found["service"], str)
    assert (found["database"], found["redis"]) == ("connected", "connected")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["timestamp"])


# Error handling


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/api/auth/login", {"json": {}}, 400),
        (
            "POST",
            "/api/auth/login",
            {"data": "{", "headers": JSON},
            400,
        ),
        ("GET", "/api/v1/auth/validate", {}, 401),
        ("POST", "/api/auth/validate-token", {"json": {"token": "x"}}, 403),
        ("GET", "/api/auth/nothing-here", {}, 404),
        ("GET", "/api/no/such/service", {}, 404),
        ("GET", "/api/auth/login", {}, 405),
        ("POST", "/api/auth/login", {"data": "x", "headers": {"Content-Type": "text/plain"}}, 415),
    ],
)
def test_error_format(
    http: Http, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """Document 0, Error Handling: every error is error, message and details."""
    answer = http(method, path, **options)
    assert answer.status_code == status
    found = answer.json()
    assert found.keys() == {"error", "message", "details"}
    assert isinstance(found["error"], str)
    assert isinstance(found["message"], str)
    assert isinstance(found["details"], dict)
    assert found["details"]["request_id"] == answer.headers["X-Request-ID"]


# Logging


@pytest.fixture
def logging_auth(
    platform: RunningPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Path, Path]]:
    """Run one more auth service that logs to console and file; give its address and both logs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log_file, console = tmp_path / "auth.log", tmp_path / "console.log"
    command = [sys.executable, "-m", "gateline", "serve", "auth", "--port", str(port)]
    with console.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=platform.folder,
            env={**os.environ, **platform.env, "LOG_FILE": str(log_file), **_ROOMY},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield f"http://127.0.0.1:{port}", log_file, console
    process.terminate()
    process.wait(20)


def test_log_format(http: Http, logging_auth: tuple[str, Path, Path]) -> None:
    """Document 0, Logging: the same documented lines on the console and in the file."""
    url, log_file, console = logging_auth

    def answers() -> bool:
        try:
            return http("GET", f"{url}/health").status_code == 200
        except OSError:
            return False

    assert wait_until(answers, seconds=60)
    secret = f"secret-{uuid.uuid4().hex}"
    body = {"email": "nobody@example.com", "password": secret}
    assert http("POST", f"{url}/api/auth/login", json=body).status_code == 401
    wanted = "POST /api/auth/login 401"
    for place in (log_file, console):
        assert wait_until(lambda place=place: wanted in place.read_text(), seconds=5)  # type: ignore[misc] # bound now
        lines = [line for line in place.read_text().splitlines() if wanted in line]
        assert all(LOG_LINE.match(line) for line in lines)
        assert secret not in place.read_text()


# Security


@pytest.mark.parametrize(
    "endpoint", ["validate-token", "sync-session", "sync-user", "revoke-user-sessions"]
)
def test_services_need_a_key(http: Http, endpoint: str) -> None:
    """Document 0, Security: all service-to-service communication needs a service key."""
    for headers in ({}, {"X-Service-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        answer = http("POST", f"/api/auth/{endpoint}", json={}, headers=headers)
        assert answer.status_code == 403


def test_csrf_protection(http: Http) -> None:
    """Document 0, Security: browser endpoints refuse what another site sends."""
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    body = {"email": "patient@example.com", "password": "x"}
    for path in ("/api/v1/auth/login", "/api/v1/auth/logout", "/api/web/auth/patient/login"):
        answer = http("POST", path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["details"]["reason"]) == (403, "cross_site")


def test_rate_limits_everywhere(http: Http, platform: RunningPlatform) -> None:
    """Document 0, Security: rate limiting is applied to all endpoints, which say so."""
    document = http("GET", "/openapi.json").json()
    tokens: dict[str, str] = {}
    silent = []
    for path, operations in document["paths"].items():
        for method in METHODS & operations.keys():
            kind = next(iter(operations[method].get("x-user-types") or ["admin"]))
            if kind not in tokens:
                tokens[kind] = _log_in_as(http, platform, kind)
            answer = _ask_as_meant(http, method, path, tokens[kind])
            if answer.status_code == 401:  # what was asked before has ended the session
                tokens[kind] = _log_in_as(http, platform, kind)
                answer = _ask_as_meant(http, method, path, tokens[kind])
            told = [answer.headers.get(f"X-RateLimit-{name}", "-1") for name in TOLD]
            limit, remaining, reset = (int(text) for text in told)
            if limit <= 0 or remaining < 0 or reset < 1_700_000_000:
                silent.append((method, path, answer.status_code))

    assert silent == []


def _ask_as_meant(http: Http, method: str, path: str, token: str) -> requests.Response:
    """Ask for something that is not there."""
    target = re.sub(r"{kind}", "patient", path)
    target = re.sub(r"{\w+}", "987654321", target)
    return http(method.upper(), target, headers={"Authorization": f"Bearer {token}"})


def _log_in_as(http: Http, platform: RunningPlatform, kind: str) -> str:
    body = {"email": f"{kind}@example.com", "password": platform.accounts[f"{kind}@example.com"]}
    token = http("POST", "/api/v1/auth/login", json=body).json()["access_token"]
    assert isinstance(token, str)
    return token


def test_sensitive_data_is_never_stored_plain(
    platform: RunningPlatform, account: Account, call: Caller
) -> None:
    """Document 0, Security: passwords, refresh tokens and service keys are kept as hashes only."""
    url = platform.env["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        dump = "".join(
            str(row)
            for table in (b"users", b"sessions", b"service_keys", b"audit_events")
            for row in connection.execute(b"SELECT t::text FROM auth." + table + b" t")
        )
    assert account.email in dump
    for secret in ("correct horse battery", account.access_token, account.refresh_token, call.key):
        assert secret not in dump
