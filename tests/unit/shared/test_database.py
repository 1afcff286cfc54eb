"""Transactions, outages and time-outs, on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import exc, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gateline.shared.app import build_app
from gateline.shared.config import FlaskConfig, Settings
from gateline.shared.database import (
    COLUMN_TYPES,
    TransactionDoomed,
    db,
    declarative_base_for,
    init_db,
    metadata_for,
    transaction_context,
)


class Failed(Exception):
    """What goes wrong in these tests."""


class Base(DeclarativeBase):
    """Tables of these tests."""

    metadata = metadata_for("database_test")
    type_annotation_map = COLUMN_TYPES


class Note(Base):
    """A row."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """Give an app context with an empty table."""
    app = Flask("database-test")
    app.config.from_object(FlaskConfig(settings))
    init_db(app)
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS database_test"))
        Base.metadata.drop_all(db.engine)
        Base.metadata.create_all(db.engine)
        yield app
        db.session.close()
        db.engine.dispose()


def count() -> int:
    """Return how many rows are committed, as another connection sees it."""
    with db.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Note)) or 0


def add(session: Session, words: str) -> None:
    """Write one row."""
    session.add(Note(text=words))
    session.flush()


def add_and_fail(words: str) -> None:
    """Write one row in a transaction that fails."""
    with transaction_context() as session:
        add(session, words)
        raise Failed


def add_twice(words: str) -> None:
    """Write the same words twice in one transaction."""
    with transaction_context() as session:
        add(session, words)
        add(session, words)


def add_around(inner: Callable[[], object]) -> None:
    """Write one row and do something else in the same transaction."""
    with transaction_context() as session:
        add(session, "outer")
        inner()


def swallow_failure() -> None:
    """Let a transaction fail and go on as if nothing had happened."""
    with suppress(Failed):
        add_and_fail("swallowed")


@pytest.mark.usefixtures("app")
def test_the_end_of_the_block_commits() -> None:
    """An acknowledged write is in PostgreSQL."""
    with transaction_context() as session:
        add(session, "a")
        assert count() == 0
    assert count() == 1


@pytest.mark.usefixtures("app")
def test_an_error_rolls_back() -> None:
    """Half a change is no change."""
    with pytest.raises(Failed):
        add_and_fail("a")
    assert count() == 0
    with transaction_context() as session:
        add(session, "b")
    assert count() == 1


@pytest.mark.usefixtures("app")
def test_an_inner_block_joins_the_outer() -> None:
    """Only the end of the outermost block commits."""
    with transaction_context() as outer:
        with transaction_context() as inner:
            assert inner is outer
            add(inner, "a")
        assert count() == 0
    assert count() == 1


@pytest.mark.usefixtures("app")
def test_an_error_in_an_inner_block_rolls_back_everything() -> None:
    """What the outer block wrote before goes with it."""
    with pytest.raises(Failed):
        add_around(lambda: add_and_fail("inner"))
    assert count() == 0


@pytest.mark.usefixtures("app")
def test_a_swallowed_inner_error_still_rolls_back_everything() -> None:
    """The outer block is told that nothing was written, instead of writing half."""
    with pytest.raises(TransactionDoomed):
        add_around(swallow_failure)
    assert count() == 0
    with transaction_context() as session:
        add(session, "b")
    assert count() == 1


@pytest.mark.usefixtures("app")
def test_a_failing_commit_rolls_back() -> None:
    """A deferred constraint fails at the commit; the session is usable afterwards."""
    with db.engine.begin() as connection:
        connection.execute(
            text(
                "ALTER TABLE database_test.notes ADD CONSTRAINT once UNIQUE (text) "
                "DEFERRABLE INITIALLY DEFERRED"
            )
        )
    with pytest.raises(exc.IntegrityError):
        add_twice("a")
    assert count() == 0
    with transaction_context() as session:
        add(session, "a")
    assert count() == 1


@pytest.mark.usefixtures("app")
def test_connections_carry_time_outs_and_a_name() -> None:
    """A statement cannot run for ever, and the server shows whose it is."""
    assert db.session.scalar(text("SHOW statement_timeout")) == "30s"
    assert db.session.scalar(text("SHOW timezone")) == "UTC"
    assert db.session.scalar(text("SHOW application_name")) == "gateline database-test"


@pytest.mark.usefixtures("app")
def test_values_do_not_appear_in_errors() -> None:
    """A password hash in a failing statement does not reach the log."""
    with pytest.raises(exc.DBAPIError) as caught:
        db.session.execute(
            text("SELECT * FROM nowhere WHERE secret = :secret"), {"secret": "hunter2"}
        )
    assert "hunter2" not in str(caught.value)


def test_a_base_can_be_made_by_a_call() -> None:
    """`declarative_base_for` gives each service its own schema and registry."""
    one, other = declarative_base_for("one"), declarative_base_for("other")
    assert (one.metadata.schema, other.metadata.schema) == ("one", "other")
    assert one.registry is not other.registry


def reader(settings: Settings) -> FlaskClient:
    """Return a client of a service that asks PostgreSQL."""
    app = build_app("x", service="reader", settings=settings)
    app.add_url_rule("/answer", view_func=lambda: {"n": db.session.scalar(text("SELECT 1"))})
    return app.test_client()


def test_a_database_that_is_away_is_503(make_settings: Callable[..., Settings]) -> None:
    """The app starts without it and says what is missing."""
    response = reader(make_settings()).get("/answer")
    assert response.status_code == 503
    assert response.get_json()["details"]["reason"] == "database_unavailable"
    assert response.headers["Retry-After"] == "1"


def test_service_resumes_when_the_database_is_back(
    make_settings: Callable[..., Settings], postgres_relay: Any, database_url: str, redis_url: str
) -> None:
    """No restart is needed, and the connections from before the outage do no harm."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    url = f"postgresql://postgres@127.0.0.1:{postgres_relay.port}/{name}"
    client = reader(make_settings(DATABASE_URL=url, REDIS_URL=redis_url))
    assert client.get("/answer").get_json() == {"n": 1}
    postgres_relay.cut()
    assert client.get("/answer").get_json()["details"]["reason"] == "database_unavailable"
    postgres_relay.restore()
    assert client.get("/answer").get_json() == {"n": 1}


def test_a_connection_lost_after_the_view_spoils_no_answer(settings: Settings) -> None:
    """A server that goes between the last query and the end of the request is not an error."""
    app = build_app(__name__, service="test", settings=settings)

    @app.get("/read")
    def read() -> str:
        own = db.session.scalar(text("SELECT pg_backend_pid()"))
        with db.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        return "read"

    client = app.test_client()
    assert [client.get("/read").get_data(as_text=True) for _ in range(2)] == ["read", "read"]
