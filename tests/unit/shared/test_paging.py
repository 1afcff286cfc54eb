"""Keyset paging, without a service around it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gateline.shared.database import COLUMN_TYPES, db, init_db, metadata_for
from gateline.shared.errors import ValidationFailed
from gateline.shared.paging import Order, page, read_time
from gateline.shared.schemas.base import PageQuery, encode_cursor

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


class Base(DeclarativeBase):
    """Tables of this test."""

    metadata = metadata_for("paging")
    type_annotation_map = COLUMN_TYPES


class Thing(Base):
    """Something in a list."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    born: Mapped[datetime]


ASCENDING = Order("born", Thing.born, Thing.id, read_time)
DESCENDING = Order("-born", Thing.born, Thing.id, read_time, descending=True)


@pytest.fixture
def things(database_url: str) -> Iterator[list[int]]:
    """Give the ids of ten things, several born in the same moment, in their order."""
    app = Flask(__name__)
    app.config["DATABASE_URL"] = database_url
    init_db(app)
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema("paging", if_not_exists=True))
            Base.metadata.create_all(connection)
            born = [{"id": n, "born": NOON.replace(minute=n // 4)} for n in range(1, 11)]
            connection.execute(sa.insert(Thing), born)
        yield list(range(1, 11))
        db.session.rollback()
        with db.engine.begin() as connection:
            connection.execute(sa.schema.DropSchema("paging", cascade=True))
        db.engine.dispose()


def walk(order: Order) -> list[int]:
    """Follow the cursors from the first page to the last."""
    seen: list[int] = []
    cursor: str | None = None
    while True:
        found = page(sa.select(Thing), order, PageQuery(limit=3, cursor=cursor))
        seen += [thing.id for thing in found.rows]
        cursor = found.next_cursor
        if cursor is None:
            return seen


def test_pages_hold_every_row_once(things: list[int]) -> None:
    """In both directions, also when rows share the key."""
    assert walk(ASCENDING) == things
    assert walk(DESCENDING) == things[::-1]


def test_a_page_that_is_just_full_is_the_last(things: list[int]) -> None:
    """No cursor leads to an empty page."""
    assert page(sa.select(Thing), ASCENDING, PageQuery(limit=10)).next_cursor is None


@pytest.mark.parametrize(
    "position",
    [
        {"order": "-born", "at": "2026-02-10T12:00:00+00:00", "id": 1},
        {"order": "born", "at": "noon", "id": 1},
        {"order": "born", "at": "2026-02-10T12:00:00", "id": 1},
        {"order": "born", "at": "2026-02-10T12:00:00+00:00", "id": 0},
        {"order": "born", "at": "2026-02-10T12:00:00+00:00", "id": True},
        {"order": "born", "at": 5, "id": 1},
    ],
)
def test_forged_cursors_are_refused(things: list[int], position: dict[str, Any]) -> None:
    """What a cursor holds is the client's word."""
    with pytest.raises(ValidationFailed) as refused:
        page(sa.select(Thing), ASCENDING, PageQuery(cursor=encode_cursor(**position)))
    assert list(refused.value.fields) == ["cursor"]
