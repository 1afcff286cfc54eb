"""The outbox: messages for other services, written in the transaction of the change they tell.

A message is a job of procrastinate, inserted by its own SQL function through our session: it is
there exactly when the change is. A worker (`gateline.api.jobs`) delivers it. Messages with the same
lock are delivered one after the other in the order of their insertion.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import text

from gateline.api.models import SCHEMA
from gateline.shared.database import db

QUEUE: Final = "profiles"
SYNC_USER: Final = "gateline.api.sync_user"

_DEFER: Final = text(f"""
    SELECT {SCHEMA}.procrastinate_defer_jobs_v1(ARRAY[ROW(
        CAST(:queue AS varchar), CAST(:task AS varchar), 0, CAST(:lock AS text),
        NULL, CAST(:args AS jsonb), NULL
    )::{SCHEMA}.procrastinate_job_to_defer_v1])
""")


def tell_auth(user: Mapping[str, Any]) -> None:
    """Leave a `sync-user` message about an account; call it while the account's row is held.

    Whoever holds the row is alone in giving this account's messages their places in the queue.
    """
    values = {
        "queue": QUEUE,
        "task": SYNC_USER,
        "lock": f"user_{user['id']}",
        "args": json.dumps({"user": dict(user)}),
    }
    db.session.execute(_DEFER, values)
