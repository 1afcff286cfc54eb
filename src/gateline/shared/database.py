"""PostgreSQL: the session of the current request, transactions, and how services declare tables.

`db.session` belongs to the application context and is closed with it. Writes go inside
`transaction_context`.
"""

import datetime as dt
import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import MetaData, Text, create_engine, make_url
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TIMESTAMP

from gateline.shared.config import Settings

APPLICATION_NAME_LIMIT: Final = 63
_log = logging.getLogger(__name__)

COLUMN_TYPES: Final[dict[Any, Any]] = {
    str: Text(),
    dt.datetime: TIMESTAMP(timezone=True),
}

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class RequestSession(Session):
    """A session whose end cannot spoil a request that is already answered.

    Closing rolls back what was read; on a connection that the server has dropped meanwhile that
    fails, after the view and outside every error handler.
    """

    def close(self) -> None:
        """Close, and throw away a connection that does not take it."""
        try:
            super().close()
        except DBAPIError:
            _log.warning("a connection to PostgreSQL was lost before its session was closed")
            self.invalidate()


# `hide_parameters` keeps values (password hashes, e-mail addresses) out of logged exceptions.
db: Final = SQLAlchemy(
    engine_options={"hide_parameters": True, "pool_pre_ping": True, "pool_use_lifo": True},
    session_options={"class_": RequestSession, "expire_on_commit": False},
)

_DEPTH: Final = "gateline.transaction_depth"
_DOOMED: Final = "gateline.transaction_doomed"


class TransactionDoomed(RuntimeError):
    """An inner transaction failed, its error was swallowed, and the outer one tried to commit."""


def metadata_for(schema: str) -> MetaData:
    """Return metadata whose tables live in `schema` and whose constraints are named by rule."""
    return MetaData(schema=schema, naming_convention=NAMING)


def declarative_base_for(schema: str) -> type[DeclarativeBase]:
    """Return a new declarative base for the tables of one service.

    Type checkers want a base class to be a class statement; for them write
    `class Base(DeclarativeBase)` with `metadata = metadata_for(schema)` and
    `type_annotation_map = COLUMN_TYPES`, which is the same.
    """
    body: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": f"Tables of the schema {schema}.",
        "metadata": metadata_for(schema),
        "type_annotation_map": COLUMN_TYPES,
    }
    return type("Base", (DeclarativeBase,), body)


def init_db(app: Flask) -> None:
    """Give the app its engine, from the configuration that `config[name]` or `build_app` set.

    Nothing connects before the first query, so an absent server does not stop the start.
    """
    url = app.config.get("SQLALCHEMY_DATABASE_URI") or app.config["DATABASE_URL"]
    app.config.setdefault("SQLALCHEMY_ENGINES", {"default": engine_options(app, url)})
    db.init_app(app)
    with app.app_context():
        # An app that is gone leaves no connection behind; at exit they are closed in order.
        weakref.finalize(app, db.engine.dispose)


def engine_options(app: Flask, url: str) -> dict[str, Any]:
    """Return url, pool bounds and time-outs of the app's engine."""
    config = app.config
    return {
        "url": make_url(url),
        "pool_size": config.get("DATABASE_POOL_SIZE", 5),
        "max_overflow": config.get("DATABASE_MAX_OVERFLOW", 10),
        "pool_timeout": config.get("DATABASE_POOL_TIMEOUT", 5),
        "pool_recycle": 1800,
        "connect_args": connect_args(
            name=f"gateline {app.name}",
            connect_timeout=config.get("DATABASE_CONNECT_TIMEOUT", 5),
            statement_timeout=config.get("DATABASE_STATEMENT_TIMEOUT", 30),
        ),
    }


def connect_args(
    *, name: str, connect_timeout: float, statement_timeout: float
) -> dict[str, str | int]:
    """Return psycopg's arguments: who connects, and time-outs in seconds.

    TCP keep-alives and the user time-out end a connection whose server vanished without a word.
    """
    milliseconds = int(statement_timeout * 1000)
    return {
        "application_name": name[:APPLICATION_NAME_LIMIT],
        "connect_timeout": max(1, int(connect_timeout)),
        "options": f"-c statement_timeout={milliseconds} -c timezone=UTC"
        f" -c idle_in_transaction_session_timeout={2 * milliseconds}",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }


def single_use_engine(url: str | URL, settings: Settings, *, name: str) -> Engine:
    """Return an engine without pool, for commands and probes: each use is one connection."""
    return create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=connect_args(
            name=name,
            connect_timeout=settings.database_connect_timeout,
            statement_timeout=settings.database_statement_timeout,
        ),
    )


@contextmanager
def transaction_context() -> Iterator[Session]:
    """Run the block in one transaction of `db.session`: commit at its end, roll back on an error.

    A nested use joins the outer one, which alone commits. When an inner block failed, everything
    is rolled back, even if its error was swallowed in between: then TransactionDoomed is raised.
    """
    session = db.session
    depth = session.info.get(_DEPTH, 0)
    session.info[_DEPTH] = depth + 1
    try:
        yield session
        if depth == 0:
            _commit(session)
    except BaseException:
        session.info[_DOOMED] = True
        raise
    finally:
        session.info[_DEPTH] = depth
        if depth == 0 and session.info.pop(_DOOMED, False):
            session.rollback()


def _commit(session: Session) -> None:
    if session.info.get(_DOOMED):
        raise TransactionDoomed("an inner transaction failed: nothing was written")
    session.commit()
