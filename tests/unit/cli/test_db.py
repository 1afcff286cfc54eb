"""`gateline db`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateline.cli.db import db
from gateline.local.engines import Postgres
from gateline.local.errors import LocalError
from gateline.local.schemas import all_migrations

Run = Callable[..., Result]


@pytest.fixture
def run(postgres: Postgres, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Give a function that runs the command against a database of its own."""
    monkeypatch.chdir(tmp_path)
    url = postgres.create_database(f"db_{tmp_path.name}"[:60])
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SECRET_KEY", "a-secret-for-tests-of-at-least-32-bytes")
    return lambda *arguments, **more: CliRunner().invoke(db, arguments, **more)


def test_forward_and_back(run: Run) -> None:
    """Upgrade brings all schemas to the newest, downgrade to base leaves them empty."""
    assert run("current").output.splitlines() == [
        f"{name}: empty (newest is {migrations.head()})"
        for name, migrations in all_migrations().items()
    ]
    assert run("upgrade").exit_code == 0
    assert run("upgrade").exit_code == 0, "a second time changes nothing"
    assert all(line.endswith("(newest)") for line in run("current").output.splitlines())

    assert run("downgrade", "base", "--yes").exit_code == 0
    assert all(": empty" in line for line in run("current").output.splitlines())


def test_one_schema_alone(run: Run) -> None:
    """`--service` leaves the others as they are."""
    assert run("upgrade", "--service", "clinic").exit_code == 0

    found = dict(line.split(": ", 1) for line in run("current").output.splitlines())
    assert found.pop("clinic").endswith("(newest)")
    assert all(state.startswith("empty") for state in found.values())


def test_a_downgrade_asks_first(run: Run) -> None:
    """Deleting data needs a yes."""
    run("upgrade", "--service", "clinic")

    assert run("downgrade", "--service", "clinic", input="n\n").exit_code == 1
    assert run("current", "--service", "clinic").output.endswith("(newest)\n")
    assert run("downgrade", "--service", "clinic", input="y\n").exit_code == 0


def test_a_revision_needs_its_service(run: Run) -> None:
    """A revision of one schema means nothing to another."""
    refused = run("upgrade", "0001")

    assert refused.exit_code == 2
    assert "name it with --service" in refused.output


def test_an_unknown_service_lists_the_known(run: Run) -> None:
    """The error is one line with the names."""
    refused = run("current", "--service", "web")

    assert isinstance(refused.exception, LocalError)
    assert "there are: auth, clinic" in str(refused.exception)


def test_an_absent_database_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands do not hang and show no traceback."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/none")
    refused = run("upgrade")

    assert isinstance(refused.exception, LocalError)
    assert "start `gateline up`, or correct DATABASE_URL" in str(refused.exception)
