"""Cursor paging by keyset: each page starts after the last row of the one before it.

So a page costs the same however deep it is, and rows that come or go never shift the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from gateline.shared.database import db
from gateline.shared.errors import ValidationFailed
from gateline.shared.schemas.base import MAX_ID, PageQuery, encode_cursor

_KEYS: Final = ("order", "at", "id")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows and where the next one starts (None at the end)."""

    rows: Sequence[Any]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """A total order: by one column, then by id, both ascending or both descending.

    `name` marks its cursors: one of another order is refused. `read` takes the column's value
    back from a cursor and raises ValueError for what is none.
    """

    name: str
    column: Any
    id: Any
    read: Callable[[str], object] = str
    descending: bool = False


def read_time(text: str) -> datetime:
    """Read a time back from a cursor; raise ValueError for what is none."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a cursor's time has a zone")
    return found


def page(statement: sa.Select[Any], order: Order, query: PageQuery) -> Found:
    """Run a select of one entity for the page that `query` asks for, in one statement."""
    keys = (order.column, order.id)
    start = _start(order, query)
    if start is not None:
        row = sa.tuple_(*keys)
        statement = statement.where(row < start if order.descending else row > start)
    ordered = statement.order_by(*(key.desc() if order.descending else key for key in keys))
    # One row more than asked for tells whether there is a next page.
    rows = db.session.scalars(ordered.limit(query.limit + 1)).all()
    if len(rows) <= query.limit:
        return Found(rows, None)
    rows = rows[: query.limit]
    return Found(rows, _cursor_after(order, rows[-1]))


def _start(order: Order, query: PageQuery) -> Any | None:
    """Return the keys after which the page starts; the cursor is the client's word."""
    position = query.position(*_KEYS)
    if position is None:
        return None
    at, row_id = position["at"], position["id"]
    try:
        if position["order"] != order.name or not isinstance(at, str) or "\0" in at:
            raise ValueError("a cursor of another list")  # noqa: TRY301 - one refusal for all
        at.encode()  # half a surrogate cannot be sent to PostgreSQL
        if type(row_id) is not int or not 0 < row_id <= MAX_ID:
            raise ValueError("no id")  # noqa: TRY301 - as above
        return sa.tuple_(sa.literal(order.read(at)), sa.literal(row_id, sa.BigInteger))
    except ValueError:
        raise ValidationFailed(fields={"cursor": ["is not a cursor of this list"]}) from None


def _cursor_after(order: Order, row: Any) -> str:
    at = getattr(row, order.column.key)
    text = at.isoformat() if isinstance(at, datetime) else str(at)
    return encode_cursor(order=order.name, at=text, id=row.id)
