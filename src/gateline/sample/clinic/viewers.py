"""Find who is asking: the clinic's row behind the account, made from the identity when missing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, cast

import sqlalchemy as sa
from flask import g
from sqlalchemy.dialects.postgresql import insert

from gateline.policy.identity import Identity
from gateline.policy.reasons import ACCOUNT_INACTIVE, ROLE_MISSING
from gateline.sample.clinic.access import Viewer
from gateline.sample.clinic.models import Admin, Doctor, Institution, Patient
from gateline.shared.app import parts
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import Forbidden

_Table = type[Patient | Doctor | Institution | Admin]
_TABLES: Final[Mapping[str, _Table]] = MappingProxyType(
    {"patient": Patient, "doctor": Doctor, "institution": Institution, "admin": Admin}
)
# What a row cannot do without and an identity does not tell.
_UNTOLD: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"doctor": {"specialty": "General Practice"}}
)
_MAX_NAME: Final = 120


def now() -> datetime:
    """Tell the time by the app's clock."""
    return datetime.fromtimestamp(parts().clock(), UTC)


def current_viewer() -> Viewer:
    """Return the viewer of the current request; Forbidden when its row was deleted."""
    if "viewer" not in g:
        g.viewer = viewer_of(g.identity)
    return cast("Viewer", g.viewer)


def viewer_of(identity: Identity) -> Viewer:
    """Return the viewer behind an identity, with a new row when it has none yet."""
    table = _TABLES.get(identity.user_type)
    if table is None:
        raise Forbidden(reason=ROLE_MISSING)
    user_id = int(identity.user_id)
    row = _row(table, user_id)
    if row is None:
        _provision(table, identity)
        row = _row(table, user_id)
    if row is None or row.deleted_at is not None:
        raise Forbidden(reason=ACCOUNT_INACTIVE)
    at = row.id if identity.user_type == "institution" else row.institution_id
    return Viewer(user_id, identity.user_type, row.id, at)


def _row(table: _Table, user_id: int) -> sa.Row[Any] | None:
    place = getattr(table, "institution_id", sa.null())
    columns = (table.id, table.deleted_at, place.label("institution_id"))
    return db.session.execute(sa.select(*columns).where(table.user_id == user_id)).one_or_none()


def _provision(table: _Table, identity: Identity) -> None:
    name = identity.name.strip() or identity.email.partition("@")[0]
    values = {
        "user_id": identity.user_id,
        "name": name[:_MAX_NAME],
        "email": identity.email,
        "created_at": now(),
        "updated_at": now(),
        **_UNTOLD.get(identity.user_type, {}),
    }
    # Two first requests at once make one row.
    statement = insert(table).values(values).on_conflict_do_nothing(index_elements=["user_id"])
    with transaction_context():
        db.session.execute(statement)
