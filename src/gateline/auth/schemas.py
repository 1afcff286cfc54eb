"""The payloads of the auth service: what it reads and what it answers."""

import json
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from gateline.shared.config.checks import USER_NAME
from gateline.shared.schemas.base import EmailAddress, ErrorBody, Schema, Timestamp, UserId

PASSWORD_LENGTH: Final = 8
_PASSWORD_MAX: Final = 256
_DEVICE_INFO_MAX: Final = 4096
BULK_LIMIT: Final = 100

UserType = Literal["patient", "doctor", "institution", "admin", "customer"]
OpenUserType = Literal["patient", "doctor", "institution", "customer"]
"""The kinds of account that may be made from outside; administrators are made by administrators."""

# A password is taken as it is typed: blanks around it belong to it.
TypedPassword = Annotated[
    str, StringConstraints(strip_whitespace=False, min_length=1, max_length=_PASSWORD_MAX)
]
NewPassword = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=PASSWORD_LENGTH, max_length=_PASSWORD_MAX),
]
Name = Annotated[str, StringConstraints(max_length=100)]
UserName = Annotated[str, StringConstraints(pattern=USER_NAME)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()./-]{3,32}$")]
Token = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


def _web_address(value: str) -> str:
    # Shown as an image by other services: a javascript: address must not get that far.
    scheme, separator, _ = value.partition(":")
    if separator and "/" not in scheme and scheme.lower() not in {"http", "https"}:
        raise ValueError("must be an http or https address")
    return value


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _DEVICE_INFO_MAX:
        msg = f"must not be longer than {_DEVICE_INFO_MAX} characters of JSON"
        raise ValueError(msg)
    return value


Picture = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_web_address)]
DeviceInfo = Annotated[dict[str, Any], AfterValidator(_small)]


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


class OneToken(Schema):
    """An access token."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "eyJhbGciOi…"}]})

    token: Token = Field(repr=False)


class ManyTokens(Schema):
    """Access tokens to validate at once; each is judged by itself, also one that can be none."""

    tokens: list[str] = Field(min_length=1, max_length=BULK_LIMIT, repr=False)


class SessionData(Schema):
    """What another service knows of a session."""

    session_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    device_info: DeviceInfo | None = None
    expires_at: Timestamp | None = None
    is_active: bool | None = None


class SyncSession(Schema):
    """The state of a user's session, as another service sees it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": 123,
                    "token": "eyJhbGciOi…",
                    "session_data": {
                        "session_id": "7f1c2b9e",
                        "device_info": {"device_type": "mobile", "browser": "chrome"},
                        "expires_at": "2026-01-15T09:30:00Z",
                        "is_active": True,
                    },
                    "timestamp": "2026-01-15T09:00:00Z",
                }
            ]
        }
    )

    user_id: UserId
    token: Token | None = Field(None, repr=False)
    session_data: SessionData
    timestamp: Timestamp | None = None


class SyncUser(Schema):
    """The state of an account, as another service sees it; what is left out stays as it is.

    Only an account that is not known yet needs its `email`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 123,
                    "email": "user@example.com",
                    "first_name": "John",
                    "last_name": "Doe",
                    "is_active": True,
                    "is_email_verified": True,
                    "last_sync": "2026-01-15T09:00:00Z",
                }
            ]
        }
    )

    id: UserId
    email: EmailAddress = ""
    first_name: Name | None = None
    last_name: Name | None = None
    profile_picture: Picture | None = None
    phone: Phone | None = None
    is_active: bool = True
    is_email_verified: bool = False
    user_type: OpenUserType | None = None
    last_sync: Timestamp | None = None


# Checked one by one: one that is wrong, whatever it is, must not keep the others out.
_Unchecked = Annotated[Any, WithJsonSchema({"type": "object", "additionalProperties": True})]


class ManyUsers(Schema):
    """Accounts to sync at once; each is taken or refused by itself."""

    users: list[_Unchecked] = Field(min_length=1, max_length=BULK_LIMIT)


class RevokeSessions(Schema):
    """Whose sessions shall end, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": 123, "reason": "user_requested", "timestamp": "2026-01-15T09:00:00Z"}
            ]
        }
    )

    user_id: UserId
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "revoked"
    timestamp: Timestamp | None = None


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


class Renewed(Refreshed):
    """A new access token for a session, and its end."""

    expires_at: Timestamp
    session_id: UUID


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


class TokenOut(Schema):
    """What a valid access token says: the documented four and whose session it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": 123,
                    "exp": 1768471200,
                    "iat": 1768469400,
                    "type": "access",
                    "email": "user@example.com",
                    "user_type": "patient",
                    "name": "John Doe",
                    "session_id": "7f1c2b9e-5d3a-4c56-9a70-2b1f0d9c8e11",
                }
            ]
        }
    )

    user_id: int
    exp: int
    iat: int
    type: str
    email: str
    user_type: str
    name: str
    session_id: str


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


class ValidToken(TokenOut):
    """A token of several that is valid."""

    model_config = ConfigDict(json_schema_extra=None)

    valid: Literal[True] = True


class RefusedToken(ErrorBody):
    """A token of several that is not valid, and why."""

    valid: Literal[False] = False


class TokenResults(Schema):
    """What became of each token, in the order given."""

    results: list[ValidToken | RefusedToken]


class SyncedUser(Success):
    """An account of several that was taken over."""

    id: Any


class RefusedUser(ErrorBody):
    """An account of several that was not, and why."""

    id: Any
    status: Literal["error"] = "error"


class SyncResults(Schema):
    """What became of each account, in the order given."""

    status: Literal["success", "partial"]
    results: list[SyncedUser | RefusedUser]
