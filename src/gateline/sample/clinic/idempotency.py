"""`Idempotency-Key` on creates: the same key and request give the same answer, made once.

The key is claimed in the transaction that creates, so both happen or neither: a second request
with the key waits for the first, and a failed one leaves the key free.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from flask import request
from sqlalchemy.dialects.postgresql import insert

from gateline.sample.clinic.models import KeptAnswer
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


def create_once(user_id: int, now: datetime, create: Callable[[], Answer]) -> Answer:
    """Run `create` in a transaction, or give the answer that the request's key got before.

    Raises Conflict when the key came with another request, ValidationFailed when it is no key.
    """
    key = request.headers.get(HEADER)
    with transaction_context():
        if key is None:
            return create()
        if not _KEY.fullmatch(key):
            raise ValidationFailed(fields={HEADER: ["must be 1 to 255 visible ASCII characters"]})
        fingerprint = _fingerprint()
        if not _claim(user_id, key, fingerprint, now):
            return _kept(user_id, key, fingerprint)
        answer = create()
        _keep(user_id, key, answer)
        return answer


def _fingerprint() -> str:
    """Tell requests apart by what they ask: method, path and body as sent."""
    text = f"{request.method} {request.path.rstrip('/')}\n".encode()
    return hashlib.sha256(text + request.get_data(cache=True)).hexdigest()


def _claim(user_id: int, key: str, fingerprint: str, now: datetime) -> bool:
    """Take a key that nobody holds, or whose answer has expired; waits for whoever is taking it."""
    _sweep(now)
    claim = insert(KeptAnswer).values(
        user_id=user_id, key=key, fingerprint=fingerprint, created_at=now
    )
    claim = claim.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={"fingerprint": fingerprint, "created_at": now},
        where=KeptAnswer.created_at < now - LIFE,
    )
    taken = db.session.scalar(claim.returning(KeptAnswer.user_id))
    return taken is not None


def _kept(user_id: int, key: str, fingerprint: str) -> Answer:
    kept = db.session.get_one(KeptAnswer, (user_id, key))
    if kept.fingerprint != fingerprint:
        raise Conflict(f"This {HEADER} was used for another request.")
    headers = {**(kept.headers or {}), "Idempotency-Replayed": "true"}
    return Answer(kept.status or 201, kept.body, headers)


def _keep(user_id: int, key: str, answer: Answer) -> None:
    db.session.execute(
        sa.update(KeptAnswer)
        .where(KeptAnswer.user_id == user_id, KeptAnswer.key == key)
        .values(status=answer.status, headers=dict(answer.headers), body=answer.body)
    )


def _sweep(now: datetime) -> None:
    """Delete a few expired answers, so that the table stays as large as a day's creates."""
    old = (
        sa.select(KeptAnswer.user_id, KeptAnswer.key)
        .where(KeptAnswer.created_at < now - LIFE)
        .limit(_SWEEP)
        .with_for_update(skip_locked=True)
    )
    kept = sa.tuple_(KeptAnswer.user_id, KeptAnswer.key)
    db.session.execute(
        sa.delete(KeptAnswer).where(kept.in_(old)).execution_options(synchronize_session=False)
    )
