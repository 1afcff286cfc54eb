"""`gateline db upgrade` makes the first administrator."""

import re
import secrets
from typing import Any

import pytest
from click.testing import CliRunner

from gateline.auth import create_app
from gateline.auth.service import create_account, find_user
from gateline.cli.db import db
from gateline.local.engines import Postgres
from gateline.shared.app import parts
from gateline.shared.config import ConfigError, Settings
from gateline.shared.database import db as database


@pytest.fixture
def environment(
    postgres: Postgres, redis_url: str, monkeypatch: pytest.MonkeyPatch, request: Any
) -> dict[str, str]:
    """Give the environment of an empty database, in production."""
    found = {
        "FLASK_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": "localhost",
        "DATABASE_URL": postgres.create_database(f"admin_{abs(hash(request.node.name)) % 10**9}"),
        "REDIS_URL": redis_url,
        "LOGIN_RATE_LIMIT": "100000/minute",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    return found


def test_an_administrator_is_made_up_and_shown_once(environment: dict[str, str]) -> None:
    """Without ADMIN_PASSWORD production is not left without one, and it is printed only once."""
    first = CliRunner().invoke(db, ["upgrade"])
    assert first.exit_code == 0, first.output
    shown = re.search(r"made admin with the password (\S+)", first.output)
    assert shown is not None
    for _ in range(2):
        assert "password" not in CliRunner().invoke(db, ["upgrade"]).output
    app = create_app(Settings.load(environment))
    body = {"username": "admin", "password": shown[1], "user_type": "admin"}
    with app.test_client() as client:
        assert client.post("/api/auth/login", json=body).status_code == 200
    with app.app_context():
        database.engine.dispose()
        parts().kv.close()


def test_a_name_that_is_no_administrators_is_refused(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever registered under it first does not pass for the administrator."""
    monkeypatch.setenv("ADMIN_USERNAME", "chief")
    assert CliRunner().invoke(db, ["upgrade"]).exit_code == 0
    app = create_app(Settings.load(environment))
    with app.app_context():
        create_account("mine@example.org", "a long password", "customer", username="boss")
        create_account("lead@example.com", "a long password", "customer")
        database.engine.dispose()
        parts().kv.close()
    monkeypatch.setenv("ADMIN_PASSWORD", "a long first password")
    for name in ("boss", "mine@example.org", "lead"):
        monkeypatch.setenv("ADMIN_USERNAME", name)
        result = CliRunner().invoke(db, ["upgrade"])
        assert isinstance(result.exception, ConfigError)
        assert [one.variable for one in result.exception.problems] == ["ADMIN_USERNAME"]


def test_upgrade_makes_the_first_administrator_once(
    postgres: Postgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ADMIN_PASSWORD set, upgrading an empty database leaves an account to begin with."""
    environment = {
        "FLASK_ENV": "testing",
        "SECRET_KEY": "a-secret-for-tests-of-at-least-32-bytes",
        "DATABASE_URL": postgres.create_database("first_admin"),
        "REDIS_URL": redis_url,
        "LOGIN_RATE_LIMIT": "100000/minute",
        "ADMIN_USERNAME": "chief",
        "ADMIN_PASSWORD": "a long first password",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for password in ("a long first password", "another long password"):
        monkeypatch.setenv("ADMIN_PASSWORD", password)
        result = CliRunner().invoke(db, ["upgrade"])
        assert result.exit_code == 0, result.output
    app = create_app(Settings.load(environment))
    with app.app_context():
        chief = find_user("chief")
        assert chief is not None
        assert chief.user_type == "admin"
    body = {"username": "chief", "password": "a long first password", "user_type": "admin"}
    with app.test_client() as client:
        assert client.post("/api/auth/login", json=body).status_code == 200
    with app.app_context():
        database.engine.dispose()
        parts().kv.close()
