"""The schema `auth` and its history."""

import re
from collections.abc import Callable
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import text

from gateline.auth import MIGRATIONS
from gateline.auth.models import Base
from gateline.local.engines import Postgres
from gateline.policy.identity import USER_TYPES
from gateline.shared.database import db


def test_migrations_make_what_the_models_say(app: Flask) -> None:
    """After all migrations no table, column or index differs from the models."""

    def ours(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "schema" or name == "auth"

    with db.engine.connect() as connection:
        options = {
            "include_schemas": True,
            "include_name": ours,
            "version_table_schema": "auth",
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_downgrade_and_upgrade_again(postgres: Postgres, make_app: Callable[..., Flask]) -> None:
    """The history goes back to nothing and forward again; upgrading twice changes nothing."""
    url = postgres.create_database("auth_history")
    MIGRATIONS.upgrade(url)
    MIGRATIONS.upgrade(url)
    assert MIGRATIONS.is_current(url)
    MIGRATIONS.downgrade(url, "base")
    assert MIGRATIONS.current(url) is None
    MIGRATIONS.upgrade(url)
    assert MIGRATIONS.is_current(url)


def test_user_types_are_those_of_the_policy(app: Flask) -> None:
    """The check constraint of the database allows exactly the platform's user types."""
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname='ck_users_user_type'"
    definition = str(db.session.scalar(text(query)))
    assert set(re.findall(r"'(\w+)'::text", definition)) == set(USER_TYPES)
