"""The api service on real engines, with a clock that stands still and callers with sessions."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from gateline.api import MIGRATIONS, create_app
from gateline.api.models import Base
from gateline.shared.app import Parts
from gateline.shared.config import Settings
from gateline.shared.database import db
from gateline.shared.sessions import Session

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = NOON.timestamp()

    def __call__(self) -> float:
        """Tell the time in seconds since the epoch."""
        return self.now


@dataclass
class Caller:
    """Somebody who calls the service with a bearer token of its own."""

    app: Flask
    user_id: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request; `headers` are added to the caller's."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.app.test_client().open(path, method=method, headers=headers, **options)


@dataclass
class Api:
    """The service under test."""

    app: Flask
    engine: sa.Engine
    clock: Clock
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(456))

    def log_in(
        self,
        user_id: int | None = None,
        email: str | None = None,
        name: str = "John Doe",
        **more: Any,
    ) -> Caller:
        """Return a caller with a living session, of a new account when none is given.

        `more` is what else the session tells of the account.
        """
        parts: Parts = self.app.extensions["gateline"]
        number = next(self._ids) if user_id is None else user_id
        address, sid = email or f"user{number}@example.com", f"sid{number}"
        token, claims = parts.tokens.issue("access", number, address, "customer", sid, 1800)
        ends = claims.exp + 3600
        session = Session(
            number, address, "customer", sid, name, claims.iat, claims.exp, ends, **more
        )
        assert parts.sessions.put(token, session)
        return Caller(self.app, number, {"Authorization": f"Bearer {token}"})

    def messages(self) -> list[dict[str, Any]]:
        """Return what waits in the outbox, in order."""
        query = "SELECT lock, args FROM api.procrastinate_jobs ORDER BY id"
        return [{"lock": row.lock, **row.args["user"]} for row in self.execute(sa.text(query))]

    def execute(self, statement: Any) -> Any:
        """Run a statement beside the service."""
        with self.engine.begin() as connection:
            result = connection.execute(statement)
            return result.all() if result.returns_rows else None


@pytest.fixture(scope="session")
def api_engine(database_url: str) -> Iterator[sa.Engine]:
    """Give an engine on a database with the service's tables."""
    MIGRATIONS.upgrade(database_url)
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def api_clock() -> Clock:
    """Give the clock of the service."""
    return Clock()


@pytest.fixture(scope="session")
def api_app(
    api_engine: sa.Engine,
    api_clock: Clock,
    database_url: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    """Build the service once."""
    environ = {
        "FLASK_ENV": "testing",
        "SECRET_KEY": "k" * 40,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "RATE_LIMIT_DEFAULT": "1000000/minute",
    }
    folder: Path = tmp_path_factory.mktemp("api")
    app = create_app(Settings.load(environ, folder=folder), clock=api_clock)
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["gateline"].kv.close()


@pytest.fixture
def api(api_app: Flask, api_engine: sa.Engine, api_clock: Clock) -> Api:
    """Give the service with empty tables and the clock at noon."""
    api_clock.now = NOON.timestamp()
    with api_engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(sa.delete(table))
        connection.execute(sa.text("DELETE FROM api.procrastinate_jobs"))
    return Api(api_app, api_engine, api_clock)


@pytest.fixture
def order_body() -> Callable[..., dict[str, Any]]:
    """Give a factory of the documented order; named fields replace those of its address."""

    def make(**address: Any) -> dict[str, Any]:
        documented = {
            "street": "123 Main St",
            "city": "San Francisco",
            "state": "CA",
            "zip": "94102",
        }
        return {
            "items": [
                {"product_id": "abc", "quantity": 2},
                {"product_id": "def", "quantity": 1},
            ],
            "shipping_address": {**documented, **address},
        }

    return make
