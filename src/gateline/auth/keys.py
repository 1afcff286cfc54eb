"""Service keys kept in the database: made, listed, revoked and looked up by their hash.

A name may have several valid keys: make the new one, hand it out, then revoke the old one.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from gateline.auth import audit
from gateline.auth.models import ServiceKey
from gateline.auth.moments import now
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import NotFound
from gateline.shared.service_keys import hash_key

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PREFIX: Final = "glk_"


def create_service_key(name: str, valid_days: int | None = None) -> tuple[ServiceKey, str]:
    """Make a key for the service called `name`; return its row and the key, shown only now.

    Raises ValueError for a name that is not lower-case letters, digits, dots, dashes.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no service name: use lower-case letters, digits, dots, dashes"
        raise ValueError(msg)
    key = _PREFIX + secrets.token_urlsafe(32)
    row = ServiceKey(
        name=name,
        key_hash=hash_key(key),
        hint=key[:8],
        created_at=now(),
        expires_at=now() + timedelta(days=valid_days) if valid_days else None,
    )
    with transaction_context():
        db.session.add(row)
        audit.record(audit.SERVICE_KEY_CREATED, name=name, hint=row.hint)
    return row, key


def list_service_keys() -> Sequence[ServiceKey]:
    """Return every key that was ever made, by name and age."""
    return db.session.scalars(select(ServiceKey).order_by(ServiceKey.name, ServiceKey.id)).all()


def revoke_service_key(key_id: int) -> ServiceKey:
    """End a key at once; again changes nothing. Raises NotFound for an unknown id."""
    with transaction_context():
        row = db.session.get(ServiceKey, key_id, with_for_update=True)
        if row is None:
            raise NotFound("There is no service key with this id.")
        if row.revoked_at is None:
            row.revoked_at = now()
            audit.record(audit.SERVICE_KEY_REVOKED, name=row.name, hint=row.hint)
    return row


def service_of(key_hash: str) -> str | None:
    """Return the name of the service with a valid key of this hash, else None."""
    with transaction_context():
        row = db.session.scalar(select(ServiceKey).where(ServiceKey.key_hash == key_hash))
        return row.name if row is not None and is_valid(row) else None


def is_valid(key: ServiceKey) -> bool:
    """Tell whether a key is neither revoked nor past its end."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now())
