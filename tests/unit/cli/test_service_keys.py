"""`gateline service-key`."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from gateline.auth import MIGRATIONS
from gateline.cli.service_keys import service_key

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs the command against the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SECRET_KEY", "a-secret-for-tests-of-at-least-32-bytes")
    monkeypatch.setenv("FLASK_ENV", "testing")
    MIGRATIONS.upgrade(database_url)
    return lambda *arguments: CliRunner().invoke(service_key, arguments)


def test_make_list_revoke(run: Run) -> None:
    """The key goes to standard output alone; the list shows its start; revoking marks it."""
    made = run("create", "worker", "--days", "7")
    assert made.exit_code == 0
    key = made.stdout.strip()
    number = made.stderr.split()[1]
    assert key.startswith("glk_")
    assert "valid until" in made.stderr
    listed = run("list")
    assert key not in listed.stdout
    assert any(line.split()[:2] == [number, "worker"] for line in listed.stdout.splitlines())
    assert run("revoke", number).stdout == f"Key {number} of worker is revoked.\n"
    again = run("list").stdout
    assert any(number in line and "no longer valid" in line for line in again.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("create", "Bad Name"), 2, "no service name"),
        (("create", "worker", "--days", "0"), 2, "--days"),
        (("create",), 2, "NAME"),
        (("revoke", "x"), 2, "NUMBER"),
        (("revoke", "999999999"), 1, "no service key with this id"),
    ],
)
def test_wrong_use_is_explained(run: Run, arguments: tuple[str, ...], code: int, text: str) -> None:
    """Wrong use exits with 2, what cannot be done with 1, both saying why."""
    result = run(*arguments)
    assert result.exit_code == code
    assert text in result.stderr


def test_absent_database_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away is one line that says what to do."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    result = run("list")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The database cannot be reached")
