"""What services send about tokens, sessions and accounts, and what they are answered."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from gateline.auth.account_schemas import Refreshed, Success
from gateline.auth.fields import DeviceInfo, Name, OpenUserType, Phone, Picture, Token
from gateline.shared.schemas.base import EmailAddress, ErrorBody, Schema, Timestamp, UserId

BULK_LIMIT: Final = 100


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


class Renewed(Refreshed):
    """A new access token for a session, and its end."""

    expires_at: Timestamp
    session_id: UUID


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
