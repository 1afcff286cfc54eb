"""Old sessions and audit events are deleted, newer ones stay."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from gateline.auth import history
from gateline.auth.models import AuditEvent, Session
from gateline.shared.database import db, transaction_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from tests.unit.auth.conftest import MovableClock, Person

LONG_AGO = 10_000


@pytest.fixture
def leave(person: Callable[..., Person]) -> Callable[[float], tuple[uuid.UUID, int]]:
    """Give a function that leaves a session and an event of so many days ago."""

    def leave(days: float) -> tuple[uuid.UUID, int]:
        moment, sid = datetime.now(UTC) - timedelta(days=days), uuid.uuid4()
        times = dict.fromkeys(("created_at", "last_seen", "expires_at", "renewable_until"), moment)
        user_id = person().id
        event = AuditEvent(occurred_at=moment, event="login", user_id=user_id, actor="local")
        with transaction_context():
            db.session.add(Session(sid=sid, user_id=user_id, origin="login", **times))
            db.session.add(event)
            db.session.flush()
            number = event.id
        return sid, number

    return leave


def there(left: tuple[uuid.UUID, int]) -> list[bool]:
    """Tell of a session and an event whether they are there."""
    sid, number = left
    sessions = select(Session.sid).where(Session.sid == sid)
    events = select(AuditEvent.id).where(AuditEvent.id == number)
    with transaction_context():
        return [db.session.scalar(one) is not None for one in (sessions, events)]


def test_what_is_too_old_goes(app: Flask, leave: Callable[[float], Any]) -> None:
    """By the moment of an event and the end of a session."""
    old, new = leave(LONG_AGO + 1), leave(LONG_AGO - 1)
    assert history.delete_old(LONG_AGO) == 2
    assert (there(old), there(new)) == ([False, False], [True, True])
    assert history.delete_old(LONG_AGO) == 0


def test_it_goes_in_batches_the_oldest_first(
    app: Flask, leave: Callable[[float], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that grew for years is not deleted in one request."""
    monkeypatch.setattr(history, "BATCH", 1)
    first, second = leave(LONG_AGO + 3), leave(LONG_AGO + 2)
    assert history.delete_old(LONG_AGO) == 2
    assert (there(first), there(second)) == ([False, False], [True, True])
    assert history.delete_old(LONG_AGO) == 2
    assert there(second) == [False, False]


def test_a_request_does_it_now_and_then(
    make_app: Callable[..., Flask], leave: Callable[[float], Any], clock: MovableClock
) -> None:
    """The first one, and one a minute later, but none in between, and no probe."""
    client = make_app(history_retention_days=LONG_AGO).test_client()
    old = leave(LONG_AGO + 1)
    assert client.get("/livez").status_code == 200
    assert there(old) == [True, True]
    client.post("/api/auth/login")
    assert there(old) == [False, False]
    old = leave(LONG_AGO + 1)
    client.post("/api/auth/login")
    assert there(old) == [True, True]
    clock.advance(61)
    client.post("/api/auth/login")
    assert there(old) == [False, False]


def test_zero_keeps_everything(
    make_app: Callable[..., Flask], leave: Callable[[float], Any]
) -> None:
    """Who must keep the trail keeps it."""
    client = make_app(history_retention_days=0).test_client()
    old = leave(LONG_AGO + 1)
    client.post("/api/auth/login")
    assert there(old) == [True, True]
    assert history.delete_old(LONG_AGO) == 2


def test_an_answer_does_not_depend_on_it(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """While PostgreSQL is away the request that tried is answered as any other."""

    def fail(_: int) -> int:
        raise OperationalError("", None, Exception("away"))

    monkeypatch.setattr(history, "delete_old", fail)
    client = make_app(history_retention_days=LONG_AGO).test_client()
    assert client.post("/api/auth/logout").status_code == 401
    assert "could not be deleted" in caplog.text
