"""The schema `api` and its history."""

import subprocess
import sys
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateline.api import MIGRATIONS
from gateline.api.migrations.queue_tables import LAST, packaged
from gateline.api.models import SCHEMA, Base
from gateline.local.engines import Postgres


def test_models_and_migrations_agree(api_engine: sa.Engine) -> None:
    """Nothing of ours is left to migrate after an upgrade; the rest is procrastinate's."""

    def ours(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name == SCHEMA
        return kind != "table" or not str(name).startswith("procrastinate_")

    with api_engine.connect() as connection:
        options = {
            "include_schemas": True,
            "include_name": ours,
            "version_table_schema": SCHEMA,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_down_and_up_again(postgres: Postgres) -> None:
    """A downgrade leaves nothing that stands in the way of the next upgrade."""
    url = postgres.create_database("api_history")
    for _ in range(2):
        MIGRATIONS.upgrade(url)
        MIGRATIONS.upgrade(url)
        assert MIGRATIONS.is_current(url)
        MIGRATIONS.downgrade(url, "base")
        assert MIGRATIONS.current(url) is None
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        left = sa.text(
            "SELECT relname FROM pg_class WHERE relnamespace = 'api'::regnamespace"
            " AND relkind = 'r' UNION ALL"
            " SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace"
        )
        assert connection.scalars(left).all() == ["alembic_version"]
    engine.dispose()


def test_the_queue_is_as_new_as_the_library() -> None:
    """A procrastinate that brings more migrations needs a revision of ours that applies them."""
    assert [name for name in packaged() if name > LAST] == []


def test_functions_find_their_tables_from_any_session(api_engine: sa.Engine) -> None:
    """None of them depends on the search path of whoever calls it."""
    query = sa.text(
        "SELECT count(*), count(*) FILTER (WHERE proconfig IS NULL) FROM pg_proc"
        " WHERE pronamespace = 'api'::regnamespace"
    )
    with api_engine.connect() as connection:
        functions, loose = connection.execute(query).one()
    assert (functions > 10, loose) == (True, 0)


def test_the_documented_command(postgres: Postgres) -> None:
    """`python -m gateline.api.migrations run` brings an empty database to the newest revision."""
    url = postgres.create_database("api_command")
    done = subprocess.run(
        [sys.executable, "-m", "gateline.api.migrations", "run"],
        env={"DATABASE_URL": url, "SECRET_KEY": "k" * 40, "FLASK_ENV": "testing"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"api: {MIGRATIONS.head()}\n"
    assert MIGRATIONS.is_current(url)
