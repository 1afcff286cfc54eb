"""Document 2, the API service, statement by statement over HTTP."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests

from gateline.local.engines import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_platform import RunningPlatform
    from tests.contract.conftest import Account, Caller, Http

    from gateline.local.engines import Postgres

ROOT = Path(__file__).parents[2]
PASSWORD = "securepassword123"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
SECRET = "0123456789abcdef0123456789abcdef-of-a-test"

ORDER: dict[str, Any] = {
    "items": [
        {"product_id": "abc", "quantity": 2},
        {"product_id": "def", "quantity": 1},
    ],
    "shipping_address": {
        "street": "123 Main St",
        "city": "San Francisco",
        "state": "CA",
        "zip": "94102",
    },
}


# Features


def test_access_and_refresh_tokens(account: Account) -> None:
    """Document 2, Features: JWT-based authentication with access and refresh tokens."""
    kinds = [claims(token)["type"] for token in (account.access_token, account.refresh_token)]
    assert kinds == ["access", "refresh"]


def test_rate_limiting(
    http: Http, account: Account, serve_api: Callable[..., str], log_of: Callable[[], str]
) -> None:
    """Document 2, Features: rate limiting on API endpoints, told in headers, 429 when spent."""
    url = serve_api(RATE_LIMIT_DEFAULT="3/minute")
    answers = [http("GET", f"{url}/api/orders", headers=account.bearer) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert int(answers[3].headers["Retry-After"]) > 0


def test_connection_pooling(http: Http, platform: RunningPlatform, account: Account) -> None:
    """Document 2, Features: many threads share a bounded pool of database connections."""
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(
            lambda _: http("GET", "/api/users/me", headers=account.bearer).status_code, range(64)
        )
        assert set(answers) == {200}
    wanted = re.compile(r'gateline_database_connections\{[^}]*service="api"[^}]*\} (\d+)')

    def figures() -> list[str]:
        http("GET", "/api/users/me", headers=account.bearer)
        return wanted.findall(http("GET", platform.metrics_url).text)

    assert wait_until(lambda: bool(figures()), seconds=5)
    assert 1 <= sum(map(int, figures())) <= 15


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/api/orders", {"json": {"items": []}}, 400),
        ("/api/orders", {"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ("/api/orders", {"data": "items=1"}, 415),
        ("/api/orders/order_1/return", {"json": {}}, 404),
        ("/api/users/me", {"json": {}}, 405),
    ],
)
def test_input_validation_and_error_handling(
    http: Http, account: Account, path: str, options: dict[str, Any], status: int
) -> None:
    """Document 2, Features: wrong input is refused in one form: error, message, details."""
    headers = {**options.pop("headers", {}), **account.bearer}
    answer = http("POST", path, headers=headers, **options)
    assert answer.status_code == status
    assert answer.json().keys() == {"error", "message", "details"}


def test_structured_logging(
    http: Http, account: Account, serve_api: Callable[..., str], log_of: Callable[[], str]
) -> None:
    """Document 2, Features: structured logging, one JSON object a line."""
    url = serve_api(LOG_FORMAT="json")
    request_id = f"document-2-{uuid.uuid4().hex}"
    http("GET", f"{url}/api/users/me", headers={**account.bearer, "X-Request-ID": request_id})
    assert wait_until(lambda: request_id in log_of(), seconds=5)
    line = next(line for line in log_of().splitlines() if request_id in line)
    assert json.loads(line)["request_id"] == request_id
    assert account.access_token not in log_of()


def test_restful_design(http: Http, account: Account) -> None:
    """Document 2, Features: RESTful: places, methods, statuses; DELETE and GET tell the truth."""
    made = http("POST", "/api/orders", json=ORDER, headers=account.bearer)
    place = made.headers["Location"]
    assert http("GET", place, headers=account.bearer).json() == made.json()
    assert http("DELETE", place, headers=account.bearer).status_code == 204
    assert http("GET", place, headers=account.bearer).json()["status"] == "cancelled"
    allowed = http("PUT", place, json={}, headers=account.bearer)
    assert (allowed.status_code, "DELETE" in allowed.headers["Allow"]) == (405, True)


# Installation


def test_prerequisites(database_url: str) -> None:
    """Document 2, Prerequisites: a current Python 3 and PostgreSQL; no other server to install."""
    from gateline.shared.migrations import LEAST_POSTGRESQL

    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert connection.info.server_version >= LEAST_POSTGRESQL * 10_000
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert {"embedded"} <= project["optional-dependencies"].keys()


def test_installed_as_a_package(tmp_path: Path) -> None:
    """Document 2, Setup 3: `pip install -e .` gives the package and its command."""
    # What it builds with and stands on is here already: nothing is fetched.
    alone = ("--no-deps", "--no-build-isolation", "--no-index", "--prefix", str(tmp_path))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--ignore-installed"]
    subprocess.run([*pip, *alone, "-e", str(ROOT)], check=True, capture_output=True)
    (link,) = tmp_path.glob("lib/*/site-packages/*gateline*.pth")
    assert link.read_text().strip() == str(ROOT / "src")
    command = [str(tmp_path / "bin" / "gateline"), "--version"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert shown.stdout.startswith("gateline, version ")


@pytest.mark.parametrize(
    "command",
    [
        ("gateline.api.migrations", "run"),
        ("gateline", "db", "upgrade", "--service", "api"),
        ("flask", "--app", "gateline.api", "db", "upgrade"),
    ],
)
def test_migrations(postgres: Postgres, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Document 2, Setup 4: a module run with Python makes the tables; so do our other commands."""
    url = postgres.create_database(f"document_2_{uuid.uuid4().hex[:8]}")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": url, "SECRET_KEY": SECRET},
        check=True,
        capture_output=True,
        text=True,
    )
    assert re.search(r"^api: \d{4}$", done.stdout, re.MULTILINE)


def test_environment_file(tmp_path: Path) -> None:
    """Document 2, Setup 5: `.env.example` copied to `.env` works, and edits of it are taken."""
    from gateline.shared.config import Settings

    example = (ROOT / ".env.example").read_text()
    (tmp_path / ".env").write_text(f"{example}\nSECRET_KEY={SECRET}\nDATABASE_URL={DATABASE}\n")
    settings = Settings.load({}, folder=tmp_path)
    assert (settings.secret_key, settings.flask_env) == (SECRET, "development")


DATABASE = "postgresql://user:pass@localhost/db"


# Usage


def test_development_server(http: Http, account: Account, serve: Callable[..., str]) -> None:
    """Document 2, Usage: `flask run --debug` serves the API, and knows the same sessions."""
    url = serve("flask", "--app", "gateline.api", "run", "--debug", "--port", "{port}")
    assert http("GET", f"{url}/api/users/me", headers=account.bearer).status_code == 200


@pytest.mark.parametrize(
    ("settings", "options", "debug"),
    [({"DEBUG": "true"}, (), "on"), ({"DEBUG": "true"}, ("--no-debug",), "off"), ({}, (), "off")],
)
def test_debug_mode(
    serve: Callable[..., str],
    log_of: Callable[[], str],
    settings: dict[str, str],
    options: tuple[str, ...],
    debug: str,
) -> None:
    """Document 2, Environment Variables: `DEBUG` switches the debug mode of `flask run` on."""
    serve("flask", "--app", "gateline.api", "run", *options, "--port", "{port}", **settings)
    assert f"Debug mode: {debug}" in log_of()
    assert ("Restarting with" in log_of()) is (debug == "on")


def test_production_server(http: Http, account: Account, serve: Callable[..., str]) -> None:
    """Document 2, Usage: gunicorn with four workers and `create_app()`; each gives one answer."""
    bind = ("-w", "4", "-b", "127.0.0.1:{port}", "--no-control-socket")
    url = serve("gunicorn", *bind, "gateline.api:create_app()")
    key = {**account.bearer, "Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: requests.post(f"{url}/api/orders", json=ORDER, headers=key, timeout=15),
                range(8),
            )
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


# Authentication endpoints


def test_login(http: Http, new_account: str) -> None:
    """Document 2, POST /api/auth/login: both tokens, type bearer, 1800 seconds."""
    answer = http("POST", "/api/auth/login", json={"email": new_account, "password": PASSWORD})
    assert answer.status_code == 200
    found = answer.json()
    assert JWT.fullmatch(found["access_token"])
    assert JWT.fullmatch(found["refresh_token"])
    assert (found["token_type"], found["expires_in"]) == ("bearer", 1800)


def test_login_with_a_wrong_password(http: Http, new_account: str) -> None:
    """Document 2, POST /api/auth/login: 401, alike for a wrong password and for nobody."""
    bodies = []
    for email in (new_account, f"nobody-{new_account}"):
        answer = http("POST", "/api/auth/login", json={"email": email, "password": "wrong"})
        assert answer.status_code == 401
        bodies.append({**answer.json(), "details": {}})
    assert bodies[0] == bodies[1]


def test_refresh(http: Http, account: Account) -> None:
    """Document 2, POST /api/auth/refresh: a new access token, which works."""
    answer = http("POST", "/api/auth/refresh", json={"refresh_token": account.refresh_token})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["token_type"], found["expires_in"]) == ("bearer", 1800)
    headers = {"Authorization": f"Bearer {found['access_token']}"}
    assert http("GET", "/api/users/me", headers=headers).status_code == 200


def test_refresh_takes_refresh_tokens_only(http: Http, account: Account) -> None:
    """Document 2, POST /api/auth/refresh: an access token is no refresh token."""
    answer = http("POST", "/api/auth/refresh", json={"refresh_token": account.access_token})
    assert answer.status_code == 401


# User endpoints


def test_own_profile(http: Http, account: Account) -> None:
    """Document 2, GET /api/users/me: id as text, e-mail, name, and when it began."""
    answer = http("GET", "/api/users/me", headers=account.bearer)
    assert answer.status_code == 200
    found = answer.json()
    assert found["id"] == str(account.id)
    assert found["email"] == account.email
    assert found["name"]
    assert TIME.fullmatch(found["created_at"])


def test_a_profile_is_as_old_as_its_account(http: Http, new_account: str) -> None:
    """Document 2, GET /api/users/me: `created_at` is the account's, not that of the first visit."""
    body = {"email": new_account, "password": PASSWORD}
    granted = http("POST", "/api/auth/login", json=body).json()
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    profile = http("GET", "/api/users/me", headers=bearer).json()
    assert profile["created_at"] == granted["user"]["created_at"]


def test_a_profile_follows_what_services_tell(
    http: Http, account: Account, log_in: Callable[[Account], Account], call: Caller
) -> None:
    """Document 2, GET /api/users/me: a name told with sync-user is there at the next login."""
    assert http("GET", "/api/users/me", headers=account.bearer).json()["phone"] is None
    told = {"id": account.id, "first_name": "Ana", "last_name": "Sol", "phone": "+34600000000"}
    assert call("sync-user", told).status_code == 200
    profile = http("GET", "/api/users/me", headers=log_in(account).bearer).json()
    assert (profile["name"], profile["phone"]) == ("Ana Sol", "+34600000000")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/users/me"),
        ("PATCH", "/api/users/me"),
        ("GET", "/api/orders"),
        ("POST", "/api/orders"),
        ("GET", "/api/orders/order_1"),
        ("DELETE", "/api/orders/order_1"),
        ("POST", "/api/orders/order_1/cancel"),
    ],
)
def test_the_header_is_needed(http: Http, method: str, path: str) -> None:
    """Document 2, Headers: without `Authorization: Bearer <access_token>` there is a 401."""
    for headers in ({}, {"Authorization": "Bearer eyJhbGc..."}):
        answer = http(method, path, json={}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_change_of_profile(
    http: Http, account: Account, log_in: Callable[[Account], Account]
) -> None:
    """Document 2, PATCH /api/users/me: name and phone change, here and at the next login."""
    body = {"name": "Jane Doe", "phone": "+1234567890"}
    answer = http("PATCH", "/api/users/me", json=body, headers=account.bearer)
    assert answer.status_code == 200
    assert {key: answer.json()[key] for key in body} == body
    assert http("GET", "/api/users/me", headers=account.bearer).json() == answer.json()

    def knows() -> bool:
        found = http("GET", "/api/v1/auth/validate", headers=log_in(account).bearer).json()
        return bool(found["user"]["name"] == "Jane Doe")

    assert wait_until(knows, seconds=15), "auth hears of it through the outbox"


@pytest.mark.parametrize(
    "body", [{"name": ""}, {"name": 1}, {"phone": "x"}, {"email": "a@b.example"}, [], {"id": "1"}]
)
def test_wrong_profile(http: Http, account: Account, body: Any) -> None:
    """Document 2, PATCH /api/users/me: only name and phone, both valid."""
    answer = http("PATCH", "/api/users/me", json=body, headers=account.bearer)
    assert answer.status_code == 400


# Order endpoints


def test_new_order(http: Http, account: Account) -> None:
    """Document 2, POST /api/orders: 201 with its place; items and address as sent."""
    answer = http("POST", "/api/orders", json=ORDER, headers=account.bearer)
    assert answer.status_code == 201
    found = answer.json()
    assert answer.headers["Location"] == f"/api/orders/{found['id']}"
    assert {key: found[key] for key in ORDER} == ORDER


def test_new_order_once(http: Http, account: Account) -> None:
    """Document 2, POST /api/orders: a repeat with the same `Idempotency-Key` orders nothing new."""
    headers = {**account.bearer, "Idempotency-Key": uuid.uuid4().hex}
    answers = [http("POST", "/api/orders", json=ORDER, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    other = {**ORDER, "items": ORDER["items"][:1]}
    assert http("POST", "/api/orders", json=other, headers=headers).status_code == 409
    listed = http("GET", "/api/orders", headers=account.bearer).json()["items"]
    assert [order["id"] for order in listed] == [answers[0].json()["id"]]


def test_one_order(http: Http, account: Account) -> None:
    """Document 2, GET /api/orders/{order_id}: prefixed ids, items, status pending, its time."""
    made = http("POST", "/api/orders", json=ORDER, headers=account.bearer).json()
    found = http("GET", f"/api/orders/{made['id']}", headers=account.bearer).json()
    assert re.fullmatch(r"order_\d+", found["id"])
    assert found["user_id"] == f"user_{account.id}"
    assert found["items"] == ORDER["items"]
    assert found["status"] == "pending"
    assert TIME.fullmatch(found["created_at"])


def test_orders_of_others(
    http: Http, account: Account, make_account: Callable[[], Account]
) -> None:
    """Document 2, GET /api/orders/{order_id}: somebody else's order does not exist."""
    made = http("POST", "/api/orders", json=ORDER, headers=account.bearer).json()
    other = make_account()
    answer = http("GET", f"/api/orders/{made['id']}", headers=other.bearer)
    assert (answer.status_code, answer.json()["error"]) == (404, "Not found")


def test_list_of_orders(http: Http, account: Account) -> None:
    """Document 2, Order Endpoints: one's orders in pages, the newest first, by state."""
    made = [
        http("POST", "/api/orders", json=ORDER, headers=account.bearer).json()["id"]
        for _ in range(3)
    ]
    http("POST", f"/api/orders/{made[0]}/cancel", headers=account.bearer)
    first = http("GET", "/api/orders?limit=2", headers=account.bearer).json()
    path = f"/api/orders?limit=2&cursor={first['next_cursor']}"
    second = http("GET", path, headers=account.bearer).json()
    ids = [order["id"] for page in (first, second) for order in page["items"]]
    assert (ids, second["next_cursor"]) == (made[::-1], None)
    kept = http("GET", "/api/orders?status=pending", headers=account.bearer).json()["items"]
    assert [order["id"] for order in kept] == made[:0:-1]


# Configuration


@pytest.mark.parametrize(
    ("variable", "value", "field", "read"),
    [
        ("FLASK_ENV", "testing", "flask_env", "testing"),
        ("DEBUG", "true", "debug", True),
        ("SECRET_KEY", SECRET, "secret_key", SECRET),
        ("DATABASE_URL", DATABASE, "database_url", DATABASE.replace("ql:", "ql+psycopg:")),
        ("REDIS_URL", "redis://host:6379", "redis_url", "redis://host:6379"),
        ("LOG_LEVEL", "WARNING", "log_level", "WARNING"),
        ("ALLOWED_HOSTS", "api.example.com,b.example.com", "allowed_hosts", None),
    ],
)
def test_environment_variables(
    tmp_path: Path, variable: str, value: str, field: str, read: object
) -> None:
    """Document 2, Environment Variables: each is read, and listed with its meaning."""
    from gateline.shared.config import Settings, env_example

    base = {"SECRET_KEY": SECRET, "DATABASE_URL": DATABASE}
    settings = Settings.load({**base, variable: value}, folder=tmp_path)
    assert getattr(settings, field) == (read or tuple(value.split(",")))
    assert re.search(rf"^#? ?{variable}=", env_example(), re.MULTILINE)


def test_redis_url_is_optional(tmp_path: Path) -> None:
    """Document 2, Environment Variables: `REDIS_URL` may be left out."""
    from gateline.shared.config import Settings

    settings = Settings.load({"SECRET_KEY": SECRET, "DATABASE_URL": DATABASE}, folder=tmp_path)
    assert settings.redis_url == "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_log_levels(tmp_path: Path, level: str) -> None:
    """Document 2, Environment Variables: all five levels are known, others are refused."""
    from gateline.shared.config import ConfigError, Settings

    base = {"SECRET_KEY": SECRET, "DATABASE_URL": DATABASE}
    assert Settings.load({**base, "LOG_LEVEL": level}, folder=tmp_path).log_level == level
    with pytest.raises(ConfigError, match="LOG_LEVEL"):
        Settings.load({**base, "LOG_LEVEL": level.title() + "s"}, folder=tmp_path)


def test_configuration_file(tmp_path: Path) -> None:
    """Document 2, Configuration File: a `config.py` with class `Config` in the working folder."""
    from gateline.shared.config import Settings

    (tmp_path / "config.py").write_text(
        "class Config:\n"
        f'    SECRET_KEY = "{SECRET}"\n'
        '    SQLALCHEMY_DATABASE_URI = "postgresql://user:pass@localhost/dbname"\n'
        '    JWT_ALGORITHM = "HS256"\n'
        "    ACCESS_TOKEN_EXPIRE_MINUTES = 30\n"
    )
    settings = Settings.load({}, folder=tmp_path)
    assert settings.secret_key == SECRET
    assert settings.database_url == "postgresql+psycopg://user:pass@localhost/dbname"
    assert (settings.jwt_algorithm, settings.access_token_minutes) == ("HS256", 30)


# Deployment


def test_production_needs_its_settings(tmp_path: Path) -> None:
    """Document 2, Variables for Deployment: required ones that are missing are named together."""
    done = subprocess.run(
        [sys.executable, "-m", "gateline", "serve", "api"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "FLASK_ENV": "production"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    for variable in ("DATABASE_URL", "SECRET_KEY", "ALLOWED_HOSTS"):
        assert variable in done.stderr
    assert "REDIS_URL" not in done.stderr


def test_allowed_hosts(http: Http, serve_api: Callable[..., str]) -> None:
    """Document 2, Variables for Deployment: other hosts than `ALLOWED_HOSTS` are refused."""
    url = serve_api(ALLOWED_HOSTS="api.example.com")
    for host, status in (("api.example.com", 200), ("evil.example", 400)):
        assert http("GET", f"{url}/api/health", headers={"Host": host}).status_code == status


def test_health(http: Http) -> None:
    """Document 2, Health Checks: status, timestamp and version."""
    answer = http("GET", "/api/health")
    assert answer.status_code == 200
    found = answer.json()
    assert found["status"] == "healthy"
    assert TIME.fullmatch(found["timestamp"])
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", found["version"])


# Development and testing


def test_code_style() -> None:
    """Document 2, Code Style: `ruff check` and formatting as black does it, configured here."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert "E" in tools["ruff"]["lint"]["select"]
    # Nothing departs from the style that ruff shares with black.
    assert tools["ruff"].get("format", {}) == {}
    assert tools["black"]["line-length"] == tools["ruff"]["line-length"]


def test_tests_with_coverage(tmp_path: Path) -> None:
    """Document 2, Testing: `pytest`, and `pytest --cov=… --cov-report=html` makes its pages."""
    some = ("tests/unit/policy/test_balancing.py", "--cov=src/gateline/policy")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *some, f"--cov-report=html:{tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "COVERAGE_FILE": str(tmp_path / "coverage")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    (page,) = tmp_path.glob("*_balancing_py.html")
    assert "100%" in page.read_text()


def test_licence() -> None:
    """Document 2, License: MIT, in the file and in the package's metadata."""
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "MIT"


def claims(token: str) -> dict[str, Any]:
    """Return what a token claims, unverified."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@pytest.fixture
def new_account(http: Http) -> str:
    """Give the address of an account with the documented password."""
    email = f"document-2-{uuid.uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD, "first_name": "John", "last_name": "Doe"}
    assert http("POST", "/api/auth/register", json=body).status_code == 201
    return email


@pytest.fixture
def make_account(
    http: Http, account: Account, log_in: Callable[[Account], Account]
) -> Callable[[], Account]:
    """Give a function that makes one more account and logs it in."""
    from dataclasses import replace

    def make() -> Account:
        email = f"document-2-{uuid.uuid4().hex}@example.com"
        body = {"email": email, "password": "correct horse battery"}
        assert http("POST", "/api/auth/register", json=body).status_code == 201
        return log_in(replace(account, id=0, email=email))

    return make
