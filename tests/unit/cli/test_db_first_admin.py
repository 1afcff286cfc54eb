"""`gateline db upgrade` makes the first administrator."""

import pytest
from click.testing import CliRunner

from gateline.auth import create_app
from gateline.auth.service import find_user
from gateline.cli.db import db
from gateline.local.engines import Postgres
from gateline.shared.app import parts
from gateline.shared.config import Settings
from gateline.shared.database import db as database


def test_upgrade_makes_the_first_administrator_once(
    postgres: Postgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ADMIN_PASSWORD set, upgrading an empty database leaves an account to begin with."""
    environment = {
        "FLASK_ENV": "testing",
        "SECRET_KEY": "a-secret-for-tests-of-at-least-32-bytes",
        "DATABASE_URL": postgres.create_database("first_admin"),
        "REDIS_URL": redis_url,
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
