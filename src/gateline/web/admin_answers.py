"""What the control room passes on from auth, for the description of the API.

These are auth's answers: nothing here is built, and what auth adds is passed on as well.
"""

from typing import Any, Literal

from pydantic import ConfigDict

from gateline.shared.schemas.base import Schema, Timestamp
from gateline.web.admin_schemas import UserType


class _PassedOn(Schema):
    model_config = ConfigDict(extra="allow")


class UserOut(_PassedOn):
    """An account."""

    id: str
    username: str | None
    email: str
    name: str
    first_name: str
    last_name: str
    phone: str | None
    user_type: UserType
    is_active: bool
    is_email_verified: bool
    created_at: Timestamp
    last_login_at: Timestamp | None
    open_sessions: int


class OneUser(_PassedOn):
    """An account."""

    user: UserOut


class SessionsEnded(_PassedOn):
    """It was done, and that many sessions were ended by it."""

    status: Literal["success"]
    sessions_ended: int


class SessionOwner(_PassedOn):
    """Whose session it is."""

    id: str
    username: str | None
    email: str
    name: str
    user_type: UserType


class SessionOut(_PassedOn):
    """A session; `current` marks the one that asks."""

    id: str
    user: SessionOwner
    created_at: Timestamp
    last_seen: Timestamp
    expires_at: Timestamp
    origin: str
    ip_address: str | None
    user_agent: str | None
    current: bool


class EventOut(_PassedOn):
    """One thing that happened; `user` is null when the account is gone."""

    id: int
    occurred_at: Timestamp
    event: str
    user_id: str | None
    user: str | None
    session_id: str | None
    actor: str
    ip_address: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, Any]
