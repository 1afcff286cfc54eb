"""Lets the history end: audit events and sessions that are older than anybody wants them.

Now and then a request that adds to it deletes a batch after its own work; so there is no process
more to run, and none that could be forgotten.
"""

import logging
import threading
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, request
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from gateline.auth.models import AuditEvent, Session
from gateline.auth.moments import now
from gateline.shared.app import parts
from gateline.shared.database import db, transaction_context

BATCH: Final = 1000
EVERY_SECONDS: Final = 60.0

_LOG: Final = logging.getLogger(__name__)


def init_history(app: Flask) -> None:
    """Delete what is over HISTORY_RETENTION_DAYS old, a batch a minute in each process."""
    if app.config["HISTORY_RETENTION_DAYS"]:
        app.after_request(_Sweeper().sweep_now_and_then)


def delete_old(days: int) -> int:
    """Delete up to a batch of audit events and of sessions of more than so many days ago.

    A session counts from the end of its refresh token's use, which no entry of it outlives. What
    another process is deleting is left to it. Returns how many rows went.
    """
    before = now() - timedelta(days=days)
    with transaction_context():
        return sum(
            _delete(key, moment, before)
            for key, moment in (
                (AuditEvent.id, AuditEvent.occurred_at),
                (Session.sid, Session.expires_at),
            )
        )


def _delete(
    key: InstrumentedAttribute[Any], moment: InstrumentedAttribute[Any], before: Any
) -> int:
    old = select(key).where(moment < before).order_by(moment).limit(BATCH)
    chosen = old.with_for_update(skip_locked=True)
    unwanted = delete(key.class_).where(key.in_(chosen))
    result: Any = db.session.execute(unwanted.execution_options(synchronize_session=False))
    return int(result.rowcount)


class _Sweeper:
    """Knows when it is time again."""

    def __init__(self) -> None:
        self._next = float("-inf")
        self._lock = threading.Lock()

    def sweep_now_and_then(self, response: Response) -> Response:
        """Delete a batch when it is time; the answer does not depend on it.

        Probes are left alone: they are to be answered at once, also while PostgreSQL is away.
        """
        adds = request.method == "POST" and response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        if adds and self._is_time():
            try:
                deleted = delete_old(parts().settings.history_retention_days)
            except SQLAlchemyError as error:
                _LOG.warning("old history could not be deleted (%s)", type(error).__name__)
            else:
                if deleted:
                    _LOG.info("deleted %d rows of old history", deleted)
        return response

    def _is_time(self) -> bool:
        moment = parts().clock()
        with self._lock:
            if moment < self._next:
                return False
            self._next = moment + EVERY_SECONDS
            return True
