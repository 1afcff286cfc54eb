"""Migrations without ini file and env.py, on a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, inspect, text

from gateline.shared.app import build_app
from gateline.shared.config import ConfigError, Settings
from gateline.shared.migrations import (
    LEAST_POSTGRESQL,
    Migrations,
    check_version,
    init_migrations,
)

FIRST = '''
"""Create the table."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None

def upgrade() -> None:
    op.create_table(
        "things", sa.Column("id", sa.Integer, primary_key=True), schema="migrations_test"
    )

def downgrade() -> None:
    op.drop_table("things", schema="migrations_test")
'''
SECOND = '''
"""Add a column; fail when told to."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade() -> None:
    op.add_column("things", sa.Column("name", sa.Text), schema="migrations_test")
    FAIL

def downgrade() -> None:
    op.drop_column("things", "name", schema="migrations_test")
'''


@pytest.fixture
def migrations(tmp_path: Path, database_url: str) -> Iterator[Migrations]:
    """Give a history of two revisions for a schema that does not exist yet."""
    (tmp_path / "0001_first.py").write_text(FIRST)
    (tmp_path / "0002_second.py").write_text(SECOND.replace("FAIL", ""))
    yield Migrations("things", "migrations_test", tmp_path)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS migrations_test CASCADE"))
    engine.dispose()


def columns(url: str) -> set[str]:
    """Return the table's columns, none when it is not there."""
    engine = create_engine(url)
    with engine.connect() as connection:
        inspector = inspect(connection)
        there = inspector.has_table("things", schema="migrations_test")
        found = inspector.get_columns("things", schema="migrations_test") if there else []
    engine.dispose()
    return {column["name"] for column in found}


def test_up_and_down(migrations: Migrations, database_url: str) -> None:
    """Every revision can be reached, and the schema is made on the way."""
    assert migrations.current(database_url) is None
    migrations.upgrade(database_url, "0001")
    assert columns(database_url) == {"id"}
    migrations.upgrade(database_url)
    assert columns(database_url) == {"id", "name"}
    assert migrations.current(database_url) == migrations.head() == "0002"
    migrations.downgrade(database_url, "-1")
    assert migrations.current(database_url) == "0001"
    migrations.downgrade(database_url, "base")
    assert (migrations.current(database_url), columns(database_url)) == (None, set())


def test_running_them_again_changes_nothing(migrations: Migrations, database_url: str) -> None:
    """Every start may migrate."""
    migrations.upgrade(database_url)
    migrations.upgrade(database_url)
    assert migrations.is_current(database_url)


def test_processes_that_start_together_migrate_once(
    migrations: Migrations, database_url: str
) -> None:
    """The lock lets one through; the others find the work done."""
    with ThreadPoolExecutor(2) as pool:
        script = (
            "import sys; from pathlib import Path\n"
            "from gateline.shared.migrations import Migrations\n"
            "Migrations('things', 'migrations_test', Path(sys.argv[1])).upgrade(sys.argv[2])"
        )
        runs = pool.map(lambda _: run(script, str(migrations.location), database_url), range(2))
        assert list(runs) == [0, 0]
    assert migrations.is_current(database_url)


def run(script: str, *arguments: str) -> int:
    """Run Python in another process."""
    import subprocess
    import sys

    return subprocess.run([sys.executable, "-c", script, *arguments], check=False).returncode


def test_a_failing_revision_leaves_nothing_behind(
    migrations: Migrations, database_url: str
) -> None:
    """All revisions of one upgrade are one transaction."""
    broken = SECOND.replace("FAIL", "raise RuntimeError")
    (migrations.location / "0002_second.py").write_text(broken)
    with pytest.raises(RuntimeError):
        migrations.upgrade(database_url)
    assert (migrations.current(database_url), columns(database_url)) == (None, set())


@pytest.mark.parametrize("version", [(12, 22), (9, 6, 24)])
def test_an_older_server_is_refused_by_name(version: tuple[int, ...]) -> None:
    """Before anything is changed there, with what it is and what is needed."""
    shown = ".".join(map(str, version))
    with pytest.raises(ConfigError, match=f"DATABASE_URL names PostgreSQL {shown}; 13 or later"):
        check_version(version)
    check_version((LEAST_POSTGRESQL, 0))


def test_flask_has_the_commands(migrations: Migrations, settings: Settings) -> None:
    """`flask db upgrade`, `current` and `downgrade` work as documented."""
    app: Flask = build_app("x", service="things", settings=settings)
    init_migrations(app, migrations)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["db", "upgrade"]).output == "things: 0002\n"
    assert runner.invoke(args=["db", "current"]).output == "things: 0002 of 0002\n"
    assert runner.invoke(args=["db", "downgrade"]).output == "things: 0001\n"
    assert runner.invoke(args=["db", "downgrade", "base"]).output == "things: empty\n"
