"""The rules of administration that one request alone does not show."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import redis
from sqlalchemy import update

from gateline.auth import administration
from gateline.auth.admin_schemas import AccountChange
from gateline.auth.models import User
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import Conflict, SessionStoreUnavailable
from gateline.shared.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from tests.unit.auth.conftest import LoggedIn, Person


@pytest.fixture
def only(app: Flask) -> Iterator[Callable[..., None]]:
    """Give a function that leaves only the given administrators; the others return afterwards."""
    shut: list[int] = []

    def leave(*kept: Person) -> None:
        others = update(User).where(
            User.user_type == "admin", User.is_active, User.id.not_in([one.id for one in kept])
        )
        with transaction_context():
            shut.extend(db.session.scalars(others.values(is_active=False).returning(User.id)))

    yield leave
    with transaction_context():
        db.session.execute(update(User).where(User.id.in_(shut)).values(is_active=True))


def test_the_last_administrator_stays(
    person: Callable[..., Person], only: Callable[..., None]
) -> None:
    """Whoever asks, the last active administrator is neither deleted nor shut."""
    last = person("admin")
    only(last)
    with pytest.raises(Conflict, match="last administrator"):
        administration.delete_account(0, last.email)
    change = AccountChange(is_active=False)
    with pytest.raises(Conflict, match="last administrator"):
        administration.change_account(0, last.email, change)


def test_two_administrators_who_delete_each_other_leave_one(
    app: Flask, person: Callable[..., Person], only: Callable[..., None]
) -> None:
    """At the same moment, one of the two is refused."""
    pair = [person("admin"), person("admin")]
    only(*pair)
    together = threading.Barrier(2)
    refused: list[int] = []

    def delete(actor: Person, victim: Person) -> None:
        with app.app_context():
            together.wait(10)
            try:
                administration.delete_account(actor.id, victim.email)
            except Conflict:
                refused.append(actor.id)

    threads = [
        threading.Thread(target=delete, args=(pair[0], pair[1])),
        threading.Thread(target=delete, args=(pair[1], pair[0])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(refused) == 1
    db.session.expire_all()
    assert sum(db.session.get(User, one.id) is not None for one in pair) == 1


def test_an_account_whose_sessions_cannot_be_ended_stays(
    app: Flask,
    person: Callable[..., Person],
    log_in: Callable[..., LoggedIn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the session store away a deletion changes nothing: nobody could end them later."""
    entered = log_in()

    def away(*_: object, **__: object) -> int:
        raise redis.ConnectionError

    monkeypatch.setattr(SessionStore, "drop_user", away)
    with pytest.raises(SessionStoreUnavailable):
        administration.delete_account(0, entered.person.email)
    db.session.expire_all()
    assert db.session.get(User, entered.person.id) is not None
