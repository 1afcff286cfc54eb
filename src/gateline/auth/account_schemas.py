"""What people send about their accounts and sessions, and what they are answered."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from gateline.auth.fields import (
    DeviceInfo,
    Name,
    NewPassword,
    OpenUserType,
    Phone,
    Token,
    TypedPassword,
    UserName,
    UserType,
)
from gateline.shared.schemas.base import EmailAddress, Schema, Timestamp


class Register(Schema):
    """A new account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "ana@example.com",
                    "password": "a long sentence",
                    "user_type": "patient",
                    "first_name": "Ana",
                    "last_name": "Soler",
                }
            ]
        }
    )

    email: EmailAddress
    password: NewPassword = Field(repr=False)
    user_type: OpenUserType = "customer"
    first_name: Name = ""
    last_name: Name = ""
    username: UserName | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _not_the_name(self) -> Self:
        names = {self.email, self.email.partition("@")[0], (self.username or "").lower()}
        if self.password.lower() in names:
            raise ValueError("the password must not be the e-mail address or user name")
        return self


class Login(Schema):
    """A name and a password; `user_type` admits only that kind of account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "user@example.com", "password": "a long sentence"}]
        }
    )

    email: EmailAddress | None = None
    username: UserName | None = None
    password: TypedPassword = Field(repr=False)
    user_type: UserType | None = None
    device_info: DeviceInfo | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.email is None) == (self.username is None):
            raise ValueError("give either email or username")
        return self

    @property
    def name(self) -> str:
        """The e-mail address or user name that was given, in lower case."""
        return (self.email or self.username or "").lower()


class Refresh(Schema):
    """A refresh token."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "eyJhbGciOi…"}]})

    refresh_token: Token = Field(repr=False)


class Logout(Schema):
    """Optionally the refresh token, for a client whose access token has expired already."""

    refresh_token: Token | None = Field(None, repr=False)


class ChangePassword(Schema):
    """The password that is, and the one that shall be."""

    current_password: TypedPassword = Field(repr=False)
    new_password: NewPassword = Field(repr=False)

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.current_password == self.new_password:
            raise ValueError("the new password must differ from the current one")
        return self


class UserOut(Schema):
    """An account as its owner sees it."""

    id: str
    email: str
    username: str | None
    user_type: UserType
    name: str
    first_name: str
    last_name: str
    profile_picture: str | None
    phone: str | None
    is_active: bool
    is_email_verified: bool
    created_at: Timestamp
    updated_at: Timestamp


class Granted(Schema):
    """An access token and, after a login, the refresh token that gives the next one."""

    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the RFC 6750 name, no secret
    expires_in: int
    user: UserOut


class Refreshed(Schema):
    """A new access token."""

    access_token: str = Field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - as above
    expires_in: int


class SessionOut(Schema):
    """A session as its owner sees it; `current` marks the one that asks."""

    id: UUID
    created_at: Timestamp
    last_seen: Timestamp
    expires_at: Timestamp
    device_info: dict[str, Any]
    ip_address: str | None
    user_agent: str | None
    current: bool


class CurrentUser(Schema):
    """Who a session belongs to."""

    id: str
    user_id: int
    email: str
    user_type: UserType
    name: str
    session_id: str


class Validated(Schema):
    """A session that is alive, and until when its access token is."""

    valid: Literal[True] = True
    user: CurrentUser
    expires_at: Timestamp


class Success(Schema):
    """It was done."""

    status: Literal["success"] = "success"


class SessionsEnded(Success):
    """It was done, and that many sessions were ended by it."""

    sessions_ended: int


class Account(Schema):
    """An account."""

    user: UserOut


class KeySet(Schema):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, Any]]
