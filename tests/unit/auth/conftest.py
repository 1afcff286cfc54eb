"""The auth service on real engines, with a clock that the tests move."""

import contextvars
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateline.auth import MIGRATIONS, create_app
from gateline.auth.passwords import Passwords
from gateline.auth.service import create_account
from gateline.shared.app import parts
from gateline.shared.config import Settings
from gateline.shared.database import db

SECRET = "a-secret-for-tests-of-at-least-32-bytes"
SERVICE_KEY = "a-service-key-for-tests-of-32-bytes"
PASSWORD = "correct horse battery"


class SeparateClient(FlaskClient):
    """A client whose requests do not see the test's application context, nor its `flask.g`."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        return contextvars.Context().run(super().open, *args, **kwargs)


@dataclass
class MovableClock:
    """The real time and an offset: the engines keep to the real time."""

    offset: float = 0.0

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.offset += seconds


@dataclass(frozen=True)
class Person:
    """An account and how to log in to it."""

    id: int
    email: str
    password: str = PASSWORD


@dataclass(frozen=True)
class LoggedIn:
    """A person's tokens and the headers that show them."""

    person: Person
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the header with the access token."""
        return {"Authorization": f"Bearer {self.access_token}"}


@pytest.fixture(scope="session")
def auth_clock() -> MovableClock:
    """Give the clock of every auth service in these tests."""
    return MovableClock()


@pytest.fixture
def clock(auth_clock: MovableClock) -> Iterator[MovableClock]:
    """Give a clock that stands at the real time, and put it back afterwards."""
    yield auth_clock
    auth_clock.offset = 0


@pytest.fixture(scope="session")
def auth_database(database_url: str) -> str:
    """Give a database with the tables of the auth service."""
    MIGRATIONS.upgrade(database_url)
    return database_url


@pytest.fixture(scope="session")
def make_app(
    auth_database: str, redis_url: str, auth_clock: MovableClock
) -> Iterator[Callable[..., Flask]]:
    """Give a factory of auth services; named settings replace the ones for tests."""
    apps: list[Flask] = []

    def make(**settings: Any) -> Flask:
        values = {
            "flask_env": "testing",
            "secret_key": SECRET,
            "database_url": auth_database,
            "redis_url": redis_url,
            "service_keys": f"flask:{SERVICE_KEY}",
            "login_rate_limit": "100000/minute",
            "service_rate_limit": "100000/minute",
            "rate_limit_default": "100000/minute",
            **settings,
        }
        app = create_app(Settings.load({}, **values), clock=auth_clock)
        # What a hash costs has tests of its own, and every platform pays it.
        app.extensions["gateline.auth.passwords"] = Passwords(memory_kib=8, passes=1)
        app.test_client_class = SeparateClient
        apps.append(app)
        return app

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()
            parts().kv.close()


@pytest.fixture(scope="session")
def auth_app(make_app: Callable[..., Flask]) -> Flask:
    """Give one auth service with no limit in the way."""
    return make_app()


@pytest.fixture
def app(auth_app: Flask) -> Iterator[Flask]:
    """Give the auth service inside an application context of the test's own."""
    with auth_app.app_context():
        yield auth_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a client without cookies of its own, so that nobody is logged in by accident."""
    return app.test_client(use_cookies=False)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """Give a client that keeps cookies."""
    return app.test_client()


@pytest.fixture
def person(app: Flask) -> Callable[..., Person]:
    """Give a factory of accounts, each with an e-mail address of its own."""

    def make(user_type: str = "patient", password: str = PASSWORD, **values: Any) -> Person:
        email = f"person-{uuid.uuid4().hex}@example.com"
        user = create_account(email, password, user_type, **values)
        return Person(user.id, email, password)

    return make


@pytest.fixture
def log_in(client: Any, person: Callable[..., Person]) -> Callable[..., LoggedIn]:
    """Give a function that logs a person in, a new one when none is given."""

    def enter(who: Person | None = None, **body: Any) -> LoggedIn:
        who = who or person()
        credentials = {"email": who.email, "password": who.password, **body}
        answer = client.post("/api/auth/login", json=credentials)
        assert answer.status_code == 200, answer.text
        return LoggedIn(who, answer.json["access_token"], answer.json["refresh_token"])

    return enter


@pytest.fixture
def call(client: Any) -> Callable[..., Any]:
    """Give a function that posts to an endpoint between services, with a valid key."""

    def post(name: str, body: Any, key: str = SERVICE_KEY) -> Any:
        return client.post(f"/api/auth/{name}", json=body, headers={"X-Service-Key": key})

    return post


@pytest.fixture
def is_alive(client: Any) -> Callable[[LoggedIn], bool]:
    """Give a function that tells whether an access token is still accepted."""

    def ask(session: LoggedIn) -> bool:
        answer = client.get("/api/v1/auth/validate", headers=session.headers)
        assert answer.status_code in {200, 401}
        return bool(answer.status_code == 200)

    return ask
