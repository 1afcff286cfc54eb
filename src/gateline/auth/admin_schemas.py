"""The payloads of the administrators' endpoints."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator, model_validator

from gateline.auth.fields import Name, NewPassword, Phone, UserName, UserType
from gateline.shared.schemas.base import EmailAddress, PageQuery, Schema, Timestamp

AccountName = Annotated[str, StringConstraints(min_length=1, max_length=254)]
"""How an account is named in a path or a filter: user name, e-mail address or `id:123`."""


class AccountQuery(PageQuery):
    """Which accounts are wanted: of one kind, open or shut, with a piece of text in the names."""

    user_type: UserType | None = None
    is_active: bool | None = None
    q: str | None = Field(None, max_length=100, description="Part of a name or e-mail address.")


class SessionQuery(PageQuery):
    """Whose sessions are wanted; all by default."""

    user: AccountName | None = None


class AuditQuery(PageQuery):
    """Which audit events are wanted: of one kind, about one account."""

    event: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")] | None = None
    user: AccountName | None = None


class NewAccount(Schema):
    """An account that an administrator makes; by default one more administrator."""

    username: UserName | None = None
    email: EmailAddress | None = None
    password: NewPassword = Field(repr=False)
    user_type: UserType = "admin"
    first_name: Name = ""
    last_name: Name = ""
    phone: Phone | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.username is None and self.email is None:
            raise ValueError("give a user name, an e-mail address or both")
        email = self.email or ""
        names = {email, email.partition("@")[0], (self.username or "").lower()}
        if self.password.lower() in names:
            raise ValueError("the password must not be the e-mail address or user name")
        return self


class AccountChange(Schema):
    """What an administrator changes of an account; what is left out stays as it is."""

    is_active: bool | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self


class ResetPassword(Schema):
    """The new password of somebody who lost the old one."""

    password: NewPassword = Field(repr=False)


class _Moments(Schema):
    """Shows moments in whole seconds."""

    @field_validator("*", mode="after")
    @classmethod
    def _whole_seconds(cls, value: Any) -> Any:
        return value.replace(microsecond=0) if isinstance(value, datetime) else value


class AccountOut(_Moments):
    """An account as administrators see it; `open_sessions` counts logins that were not ended."""

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
    open_sessions: int = 0


class OneAccount(Schema):
    """An account."""

    user: AccountOut


class SessionOwner(Schema):
    """Whose session it is."""

    id: str
    username: str | None
    email: str
    name: str
    user_type: UserType


class AdminSessionOut(_Moments):
    """A session as administrators see it; `current` marks the one that asks."""

    id: UUID
    user: SessionOwner
    created_at: Timestamp
    last_seen: Timestamp
    expires_at: Timestamp
    origin: str
    ip_address: str | None
    user_agent: str | None
    current: bool


class AuditOut(_Moments):
    """One thing that happened; `user` is missing when the account is gone."""

    id: int
    occurred_at: Timestamp
    event: str
    user_id: str | None
    user: str | None
    session_id: UUID | None
    actor: str
    ip_address: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, Any]


class UserFigures(Schema):
    """How many accounts there are."""

    total: int
    active: int
    by_type: dict[str, int]


class SessionFigures(Schema):
    """How many logins were not ended, and how many of those could be used a moment ago.

    `active` counts sessions that were opened or renewed within the life of an access token.
    """

    open: int
    active: int


class LoginFigures(Schema):
    """Logins of the last 24 hours."""

    succeeded: int
    failed: int


class Figures(Schema):
    """What the control room shows of accounts and sessions."""

    users: UserFigures
    sessions: SessionFigures
    logins: LoginFigures
