"""`Idempotency-Key` on creates: the same key and request give the same answer, made once.

The key is claimed in the transaction that creates, so both happen or neither: a second request
with the key waits for the first, and a failed one leaves the key free. Each service keeps its
answers in a table of its own, declared as `class KeptAnswer(KeptAnswerColumns, Base)`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from flask import request
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from gateline.shared.database import db, transaction_context
from gateline.shared.errors import Conflict, ValidationFailed

HEADER: Final = "Idempotency-Key"
LIFE: Final = timedelta(hours=24)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_SWEEP: Final = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it can be kept: status, JSON body and headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class KeptAnswerColumns:
    """The table of a service's answers to creates with a key: a mixin for its declarative base."""

    __tablename__ = "kept_answers"

    user_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    key: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.Text)
    status: Mapped[int | None] = mapped_column(sa.Integer)
    headers: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    body: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[sa.Index, ...]:  # noqa: N805 - its declared_attr
        return (sa.Index("kept_answers_by_age", "created_at"),)


Table = type[KeptAnswerColumns]


def create_once(table: Table, user_id: int, now: datetime, create: Callable[[], Answer]) -> Answer:
    """Run `create` in a transaction, or give the answer that the request's key got before.

    Keys belong to a user and live for `LIFE`.

    Raises Conflict when the key came with another request, ValidationFailed when it is no key.
    """
    key = request.headers.get(HEADER)
    with transaction_context():
        if key is None:
            return create()
        if not _KEY.fullmatch(key):
            raise ValidationFailed(fields={HEADER: ["must be 1 to 255 visible ASCII characters"]})
        fingerprint = _fingerprint()
        if not _claim(table, user_id, key, fingerprint, now):
            return _kept(table, user_id, key, fingerprint)
        answer = create()
        _keep(table, user_id, key, answer)
        return answer


def _fingerprint() -> str:
    """Tell requests apart by what they ask: method, path and body as sent."""
    text = f"{request.method} {request.path.rstrip('/')}\n".encode()
    return hashlib.sha256(text + request.get_data(cache=True)).hexdigest()


def _claim(table: Table, user_id: int, key: str, fingerprint: str, now: datetime) -> bool:
    """Take a key that nobody holds, or whose answer has expired; waits for whoever is taking it."""
    _sweep(table, now)
    claim = insert(table).values(user_id=user_id, key=key, fingerprint=fingerprint, created_at=now)
    claim = claim.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={"fingerprint": fingerprint, "created_at": now},
        where=table.created_at < now - LIFE,
    )
    taken = db.session.scalar(claim.returning(table.user_id))
    return taken is not None


def _kept(table: Table, user_id: int, key: str, fingerprint: str) -> Answer:
    kept = db.session.get_one(table, (user_id, key))
    if kept.fingerprint != fingerprint:
        raise Conflict(f"This {HEADER} was used for another request.")
    headers = {**(kept.headers or {}), "Idempotency-Replayed": "true"}
    return Answer(kept.status or 201, kept.body, headers)


def _keep(table: Table, user_id: int, key: str, answer: Answer) -> None:
    db.session.execute(
        sa.update(table)
        .where(table.user_id == user_id, table.key == key)
        .values(status=answer.status, headers=dict(answer.headers), body=answer.body)
    )


def _sweep(table: Table, now: datetime) -> None:
    """Delete a few expired answers, so that the table stays as large as a day's creates."""
    old = (
        sa.select(table.user_id, table.key)
        .where(table.created_at < now - LIFE)
        .limit(_SWEEP)
        .with_for_update(skip_locked=True)
    )
    kept = sa.tuple_(table.user_id, table.key)
    db.session.execute(
        sa.delete(table).where(kept.in_(old)).execution_options(synchronize_session=False)
    )
