"""The migrations of retail make exactly what its models say."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from gateline.sample.retail import MIGRATIONS
from gateline.sample.retail.models import SCHEMA, Base


def test_models_and_migrations_agree(retail_engine: Engine) -> None:
    """Nothing is left to migrate after an upgrade."""
    with retail_engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
                "version_table_schema": SCHEMA,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_down_and_up_again(retail_engine: Engine, database_url: str) -> None:
    """A downgrade leaves nothing that stands in the way of the next upgrade."""
    MIGRATIONS.downgrade(database_url, "base")
    assert MIGRATIONS.current(database_url) is None
    MIGRATIONS.upgrade(database_url)
    assert MIGRATIONS.is_current(database_url)
