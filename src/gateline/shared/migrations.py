"""Database migrations: one Alembic history per service, its version table in the service's schema.

There is no env.py and no ini file: revisions live in the package, and any process may run them, as
often and as concurrently as it likes; PostgreSQL's advisory lock lets one at a time through.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from gateline.shared.config import ConfigError, Problem
from gateline.shared.config.checks import database_url
from gateline.shared.database import connect_args

if TYPE_CHECKING:
    # Alembic is imported where it runs: a service that only serves starts a quarter second sooner.
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

VERSION_TABLE: Final = "alembic_version"

LEAST_POSTGRESQL: Final = 13
"""The queue of the outbox needs it."""

_CONNECT_SECONDS: Final = 10
_STATEMENT_SECONDS: Final = 3600
_LOCK_CLASS: Final = crc32(b"gateline migrations") & 0x7FFFFFFF

Steps = Callable[[Any, "MigrationContext"], Any]


@dataclass(frozen=True, slots=True)
class Migrations:
    """The history of one schema; `location` is the folder with the revision files."""

    name: str
    schema: str
    location: Path

    def upgrade(self, url: str, revision: str = "head") -> None:
        """Bring the database up to a revision, in one transaction.

        Raises ConfigError when the server is older than `LEAST_POSTGRESQL`.
        """
        steps = self._script()._upgrade_revs  # noqa: SLF001 # no other way
        self._run(url, lambda rev, _: steps(revision, rev))

    def downgrade(self, url: str, revision: str) -> None:
        """Take the database back to a revision (`-1`: one step, `base`: nothing left)."""
        steps = self._script()._downgrade_revs  # noqa: SLF001 # no other way
        self._run(url, lambda rev, _: steps(revision, rev))

    def current(self, url: str) -> str | None:
        """Return the database's revision, None before the first."""
        with _connection(url) as connection:
            return self._context(connection).get_current_revision()

    def head(self) -> str | None:
        """Return the newest revision that the package knows."""
        return self._script().get_current_head()

    def is_current(self, url: str) -> bool:
        """Return whether nothing is left to upgrade."""
        return self.current(url) == self.head()

    def _run(self, url: str, steps: Steps) -> None:
        from alembic.operations import Operations

        with _connection(url) as connection, connection.begin():
            check_version(connection.dialect.server_version_info or ())
            self._lock(connection)
            connection.execute(CreateSchema(self.schema, if_not_exists=True))
            context = self._context(connection, fn=steps)
            with Operations.context(context):
                context.run_migrations()

    def _lock(self, connection: Connection) -> None:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:class, :schema)"),
            {"class": _LOCK_CLASS, "schema": crc32(self.schema.encode()) & 0x7FFFFFFF},
        )

    def _script(self) -> "ScriptDirectory":
        from alembic.script import ScriptDirectory

        return ScriptDirectory(str(self.location), version_locations=[str(self.location)])

    def _context(self, connection: Connection, **options: Any) -> "MigrationContext":
        from alembic.runtime.migration import MigrationContext

        return MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "version_table_schema": self.schema,
                "script": self._script(),
                **options,
            },
        )


def check_version(version: Sequence[int | str]) -> None:
    """Raise ConfigError for the version of a PostgreSQL that is too old for us."""
    if version and int(version[0]) < LEAST_POSTGRESQL:
        shown = ".".join(map(str, version))
        reason = f"names PostgreSQL {shown}; {LEAST_POSTGRESQL} or later is needed"
        raise ConfigError([Problem("DATABASE_URL", reason)])


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = create_engine(
        database_url(url),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=connect_args(
            name="gateline migrations",
            connect_timeout=_CONNECT_SECONDS,
            statement_timeout=_STATEMENT_SECONDS,
        ),
    )
    with engine.connect() as connection:
        yield connection


def init_migrations(app: Flask, migrations: Migrations) -> None:
    """Give the app `flask db upgrade|downgrade|current`."""
    group = AppGroup("db", help=f"Migrations of the schema {migrations.schema}.")

    @group.command("upgrade")
    @click.argument("revision", default="head")
    @with_appcontext
    def upgrade(revision: str) -> None:
        """Bring the database up to REVISION (default: the newest)."""
        migrations.upgrade(_url(), revision)
        click.echo(f"{migrations.name}: {migrations.current(_url())}")

    @group.command("downgrade")
    @click.argument("revision", default="-1")
    @with_appcontext
    def downgrade(revision: str) -> None:
        """Take the database back to REVISION (default: one step)."""
        migrations.downgrade(_url(), revision)
        click.echo(f"{migrations.name}: {migrations.current(_url()) or 'empty'}")

    @group.command("current")
    @with_appcontext
    def current() -> None:
        """Show the database's revision and the newest one."""
        click.echo(f"{migrations.name}: {migrations.current(_url())} of {migrations.head()}")

    app.cli.add_command(group)


def _url() -> str:
    return str(current_app.config["SQLALCHEMY_DATABASE_URI"])
