"""`Idempotency-Key`, without a service around it; services test it over HTTP."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase

from gateline.shared.database import COLUMN_TYPES, db, init_db, metadata_for
from gateline.shared.errors import Conflict, ValidationFailed
from gateline.shared.idempotency import HEADER, LIFE, Answer, KeptAnswerColumns, create_once

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)

Ask = Callable[..., Answer]


class Base(DeclarativeBase):
    """Tables of this test."""

    metadata = metadata_for("idempotency")
    type_annotation_map = COLUMN_TYPES


class KeptAnswer(KeptAnswerColumns, Base):
    """The answers of this test."""


@pytest.fixture
def made() -> list[int]:
    """Give the list of what was made."""
    return []


@pytest.fixture
def ask(database_url: str, made: list[int]) -> Iterator[Ask]:
    """Give a function that asks for something to be made, with a key."""
    app = Flask(__name__)
    app.config["DATABASE_URL"] = database_url
    init_db(app)

    def create() -> Answer:
        made.append(len(made))
        return Answer(201, {"id": made[-1]}, {"Location": f"/things/{made[-1]}"})

    def send(key: str | None = "k", body: str = "{}", user: int = 1, at: datetime = NOON) -> Answer:
        headers = {} if key is None else {HEADER: key}
        with app.test_request_context("/things", method="POST", data=body, headers=headers):
            return create_once(KeptAnswer, user, at, create)

    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema("idempotency", if_not_exists=True))
            Base.metadata.create_all(connection)
        yield send
        with db.engine.begin() as connection:
            connection.execute(sa.schema.DropSchema("idempotency", cascade=True))
        db.engine.dispose()


def test_a_key_makes_once(ask: Ask, made: list[int]) -> None:
    """The second answer is the first one, and says so."""
    first, second = ask(), ask()
    assert (first.status, first.body) == (second.status, second.body)
    assert second.headers == {**first.headers, "Idempotency-Replayed": "true"}
    assert made == [0]


def test_without_a_key_each_request_makes(ask: Ask, made: list[int]) -> None:
    """Nobody is forced to use one."""
    ask(None)
    ask(None)
    assert made == [0, 1]


def test_keys_belong_to_users_and_requests(ask: Ask, made: list[int]) -> None:
    """Another user may use the same key, another request may not."""
    ask()
    assert ask(user=2).body == {"id": 1}
    with pytest.raises(Conflict):
        ask(body='{"other": true}')


def test_keys_live_for_a_day(ask: Ask, made: list[int]) -> None:
    """Then they make again."""
    ask()
    assert ask(at=NOON + LIFE).body == {"id": 0}
    assert ask(at=NOON + LIFE + timedelta(seconds=1)).body == {"id": 1}


@pytest.mark.parametrize("key", ["", "k" * 256, "two words"])
def test_a_key_is_visible_ascii(ask: Ask, key: str) -> None:
    """Anything else is named as a wrong field."""
    with pytest.raises(ValidationFailed) as refused:
        ask(key)
    assert list(refused.value.fields) == [HEADER]
