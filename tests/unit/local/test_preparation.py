"""Bringing a database to where this version wants it."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from gateline.local import preparation
from gateline.local.engines import Postgres
from gateline.local.sample_accounts import EMAILS, new_passwords

Prepare = Callable[..., list[str]]


@pytest.fixture
def url(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """Give an empty database of the test's own."""
    return postgres.create_database(f"prepare_{abs(hash(request.node.name)) % 10**12}")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a service makes of the process's logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def prepare(
    url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Prepare:
    """Give a function that prepares the database and returns the accounts made."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SECRET_KEY", "a-secret-for-tests-of-at-least-32-bytes")
    monkeypatch.setenv("FLASK_ENV", "testing")

    def run(
        passwords: dict[str, str], *, reset: bool = False, mark: str = "m", samples: bool = True
    ) -> list[str]:
        asked = json.dumps(
            {"passwords": passwords, "reset": reset, "mark": mark, "samples": samples}
        )
        monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
        preparation.main()
        answer: dict[str, list[str]] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer["made"]

    return run


def test_an_empty_database_gets_schemas_accounts_and_data_once(prepare: Prepare, url: str) -> None:
    """A second preparation adds nothing and changes no password."""
    assert preparation.read_mark(url) is None
    assert prepare(dict(new_passwords(None)), mark="first") == sorted(EMAILS, key=EMAILS.index)
    before = _rows(url, "SELECT email, password_hash FROM auth.users ORDER BY email")
    patients = _rows(url, "SELECT count(*) FROM clinic.patients")[0][0]
    assert patients >= 100, "large enough to look real"

    assert prepare(dict(new_passwords(None)), mark="second") == []
    assert preparation.read_mark(url) == "second"
    assert _rows(url, "SELECT email, password_hash FROM auth.users ORDER BY email") == before
    assert _rows(url, "SELECT count(*) FROM clinic.patients") == [(patients,)]


def test_accounts_are_linked_to_the_clinic(prepare: Prepare, url: str) -> None:
    """The sample patient's account has the sample patient's record; the names agree."""
    prepare(dict(new_passwords(None)))
    linked = _rows(
        url,
        "SELECT u.first_name || ' ' || u.last_name = p.name FROM auth.users u "
        "JOIN clinic.patients p ON p.user_id = u.id WHERE u.email = 'patient@example.com'",
    )

    assert linked == [(True,)]
    assert _rows(url, "SELECT email FROM auth.users WHERE username = 'admin'") == [
        ("admin@example.com",)
    ]


def test_a_chosen_password_reaches_accounts_that_exist(prepare: Prepare, url: str) -> None:
    """This is how a forgotten sample password is set anew."""
    prepare(dict(new_passwords(None)))
    before = _rows(url, "SELECT password_hash FROM auth.users")

    assert prepare(dict(new_passwords("a-chosen-password")), reset=True) == []
    assert not set(before) & set(_rows(url, "SELECT password_hash FROM auth.users"))


def test_without_passwords_there_is_no_sample_data(prepare: Prepare, url: str) -> None:
    """Production gets its schemas and an administrator to begin with, once, and nothing else."""
    assert prepare({}) == []
    accounts = "SELECT username, user_type, password_hash FROM auth.users"
    before = _rows(url, accounts)
    assert [row[:2] for row in before] == [("admin", "admin")]
    assert prepare({}, mark="second") == []
    assert _rows(url, accounts) == before
    assert _rows(url, "SELECT count(*) FROM clinic.patients") == [(0,)]


def _rows(url: str, query: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(query).fetchall()


def test_without_samples_there_are_accounts_and_no_sample_tables(
    prepare: Prepare, url: str
) -> None:
    """A gateway with services of its own gets people to try it with, and no clinic or shop."""
    assert set(prepare(dict(new_passwords(None)), samples=False)) == set(EMAILS)

    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace").fetchall()
    schemas = {name for (name,) in found}
    assert {"auth", "api"} <= schemas
    assert not {"clinic", "retail"} & schemas
