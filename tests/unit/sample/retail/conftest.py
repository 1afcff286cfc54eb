"""A shop on real engines with a clock that stands still, and an auth service that is acted."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from gateline.policy.reasons import UPSTREAM_REFUSED
from gateline.policy.services import Service, endpoints_at
from gateline.sample.retail import MIGRATIONS, create_app
from gateline.sample.retail.models import Base, Camera
from gateline.shared.config import Settings
from gateline.shared.database import db
from gateline.shared.proxy_service import EXTENSION, ProxyService
from gateline.shared.upstream import Answer, Call, UpstreamFailed

NOON = datetime(2025, 3, 12, 12, tzinfo=UTC)
KEY = "a-service-key-for-tests-of-32-bytes"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = NOON.timestamp()

    def __call__(self) -> float:
        """Tell the time in seconds since the epoch."""
        return self.now


@dataclass
class ActedAuth:
    """An auth service that keeps its accounts in a dictionary; `away` it answers nothing.

    `lose` makes that many accounts whose answers never arrive.
    """

    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    away: bool = False
    lose: int = 0
    says: dict[str, Answer] = field(default_factory=dict)

    def __call__(self, service: Service) -> "ActedAuth":
        """Stand in for the connections to a service."""
        self.service = service
        return self

    def call(self, call: Call, *, timeout: float | None = None, **_: Any) -> Answer:
        """Answer as the auth service does."""
        assert timeout is not None
        if self.away:
            raise UpstreamFailed(UPSTREAM_REFUSED, "auth")
        body = json.loads(call.body) if isinstance(call.body, bytes) and call.body else {}
        self.calls.append((call.target, body, dict(call.headers)))
        if call.target in self.says:
            return self.says[call.target]
        actions: Mapping[str, Callable[[dict[str, Any]], Answer]] = {
            "/api/auth/register": self._register,
            "/api/auth/login": self._log_in,
            "/api/auth/logout": lambda _: said(200, {"status": "success"}),
        }
        return actions[call.target](body)

    def close(self) -> None:
        """Have nothing to close."""

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [target.rpartition("/")[2] for target, _, _ in self.calls]

    def _register(self, body: dict[str, Any]) -> Answer:
        if body["email"] in self.accounts:
            return said(409, {"error": "Conflict"})
        self.accounts[body["email"]] = {**body, "id": str(100 + len(self.accounts))}
        if self.lose:
            self.lose -= 1
            raise UpstreamFailed(UPSTREAM_REFUSED, "auth")
        return said(201, {"user": self.accounts[body["email"]]})

    def _log_in(self, body: dict[str, Any]) -> Answer:
        account = self.accounts[body["email"]]
        if account["password"] != body["password"]:
            return said(401, {"error": "Invalid credentials"})
        if account["user_type"] != body["user_type"]:
            return said(403, {"error": "Wrong account type"})
        return said(200, {"user": account, "access_token": "a.b.c"})


def said(status: int, body: Any, **headers: str) -> Answer:
    """Write an answer of a service."""
    named = {"Content-Type": "application/json", **headers}
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in named.items()]
    return Answer(status, pairs, json.dumps(body).encode())


@dataclass
class Shop:
    """The service under test, what it keeps, and the auth service that it asks."""

    app: Flask
    engine: sa.Engine
    clock: Clock
    auth: ActedAuth

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request as anybody."""
        return self.app.test_client().open(path, method=method, **options)

    def report(self, *events: dict[str, Any], key: str = KEY) -> TestResponse:
        """Send events as a service."""
        headers = {"X-Service-Key": key}
        return self("POST", "/events", json={"events": list(events)}, headers=headers)

    def register(self, **fields: Any) -> TestResponse:
        """Register a customer."""
        body = {"email": "nora@example.com", "password": "a good password", **fields}
        return self("POST", "/register", json=body)

    def execute(self, statement: Any) -> Any:
        """Run a statement beside the service."""
        with self.engine.begin() as connection:
            result = connection.execute(statement)
            return result.all() if result.returns_rows else None


Report = Callable[..., dict[str, Any]]


def event(number: int, kind: str, data: dict[str, Any], *, at: float = 0, **more: Any) -> Any:
    """Return an event as sent; `at` is in minutes before or after noon."""
    occurred_at = (NOON + timedelta(minutes=at)).isoformat().replace("+00:00", "Z")
    return {"id": f"e-{number}", "type": kind, "occurred_at": occurred_at, "data": data, **more}


@pytest.fixture
def queue() -> Report:
    """Give a function that makes an event of a queue at the first till."""

    def make(number: int, length: int, *, at: float = 0, till: str = "till-1") -> dict[str, Any]:
        data = {"till": till, "length": length}
        made: dict[str, Any] = event(number, "queue_length", data, at=at, zone="checkout")
        return made

    return make


@pytest.fixture
def camera_event() -> Report:
    """Give a function that makes an event of a camera's state."""

    def make(number: int, state: str, *, at: float = 0, code: str = "cam-01") -> dict[str, Any]:
        data = {"state": state}
        made: dict[str, Any] = event(number, "camera", data, at=at, camera_id=code)
        return made

    return make


@pytest.fixture(scope="session")
def retail_engine(database_url: str) -> Iterator[sa.Engine]:
    """Give an engine on a database with the shop's tables."""
    MIGRATIONS.upgrade(database_url)
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def make_retail_app(
    retail_engine: sa.Engine,
    database_url: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Flask]]:
    """Give a builder of apps that are all closed at the end."""
    folder: Path = tmp_path_factory.mktemp("retail")
    apps: list[Flask] = []

    def make(*, variables: Mapping[str, str] | None = None, **options: Any) -> Flask:
        environ = {
            "FLASK_ENV": "testing",
            "SECRET_KEY": "k" * 40,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "RATE_LIMIT_DEFAULT": "1000000/minute",
            "SERVICE_RATE_LIMIT": "1000000/minute",
            "SERVICE_KEYS": f"cameras:{KEY}",
            **(variables or {}),
        }
        apps.append(create_app(Settings.load(environ, folder=folder), **options))
        return apps[-1]

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()
        app.extensions["gateline"].kv.close()


@pytest.fixture(scope="session")
def retail_clock() -> Clock:
    """Give the clock of the service."""
    return Clock()


@pytest.fixture(scope="session")
def retail_app(make_retail_app: Callable[..., Flask], retail_clock: Clock) -> Flask:
    """Build the service once."""
    return make_retail_app(clock=retail_clock)


@pytest.fixture
def empty_shop(retail_app: Flask, retail_engine: sa.Engine, retail_clock: Clock) -> Shop:
    """Give the service with empty tables and the clock at noon."""
    retail_clock.now = NOON.timestamp()
    with retail_engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(sa.delete(table))
    auth = ActedAuth()
    auth_service = {"auth": Service("auth", endpoints_at("http://auth.invalid"))}
    retail_app.extensions[EXTENSION] = ProxyService(auth_service, upstream=auth)  # type: ignore[arg-type] # an actor
    return Shop(retail_app, retail_engine, retail_clock, auth)


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """Give the service with two cameras."""
    with Session(empty_shop.engine) as session, session.begin():
        session.add_all(
            Camera(code=code, name=name, zone=zone, status="online")
            for code, name, zone in (
                ("cam-01", "Entrance", "entrance"),
                ("cam-02", "Tills", "checkout"),
            )
        )
    return empty_shop
