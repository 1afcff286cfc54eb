"""Payloads of the control room's API."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from gateline.shared.config.checks import USER_NAME
from gateline.shared.schemas.base import EmailAddress, PageQuery, Schema, Timestamp
from gateline.web.schemas import AccountOut, PartFailure

UserType = Literal["patient", "doctor", "institution", "admin", "customer"]
Level = Literal["debug", "info", "warning", "error", "critical"]

# Passwords are taken as they are typed: blanks around them belong to them.
TypedPassword = Annotated[
    str, StringConstraints(strip_whitespace=False, min_length=1, max_length=256)
]
NewPassword = Annotated[
    str, StringConstraints(strip_whitespace=False, min_length=8, max_length=256)
]
Name = Annotated[str, StringConstraints(max_length=100)]
UserName = Annotated[str, StringConstraints(pattern=USER_NAME)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()./-]{3,32}$")]
AccountName = Annotated[str, StringConstraints(min_length=1, max_length=254)]
"""How an account is named: user name, e-mail address or `id:123`."""


class AdminLogin(Schema):
    """An administrator's user name or e-mail address, and the password."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "admin", "password": "a long sentence"}]}
    )

    username: AccountName
    password: TypedPassword = Field(repr=False)


class AdminGranted(Schema):
    """An access token; a browser also gets it as its cookie."""

    access_token: str = Field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the RFC 6750 name, no secret
    expires_in: int
    user: AccountOut


class UserQuery(PageQuery):
    """Which accounts are wanted: administrators unless another kind, or `all`, is named."""

    user_type: UserType | Literal["all"] = "admin"
    is_active: bool | None = None
    q: str | None = Field(None, max_length=100, description="Part of a name or e-mail address.")


class NewUser(Schema):
    """An account to make, an administrator's by default."""

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
        return self


class UserChange(Schema):
    """What to change of an account; what is left out stays as it is."""

    is_active: bool | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None


class PasswordReset(Schema):
    """The new password of somebody who lost the old one."""

    password: NewPassword = Field(repr=False)


class SessionsQuery(PageQuery):
    """Whose sessions are wanted; all by default."""

    user: AccountName | None = None


class AuditQuery(PageQuery):
    """Which audit events are wanted: of one kind, about one account."""

    event: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")] | None = None
    user: AccountName | None = None


class LogsQuery(Schema):
    """Which log entries are wanted; `level` is the least grave one."""

    service: str = Field("", max_length=64)
    level: Level | None = None
    q: str = Field("", max_length=200, description="Part of a message or path.")
    request_id: str = Field("", max_length=128)
    since: Timestamp | None = None
    after: str | None = Field(
        None, max_length=64, description="The `id` of an entry: only what arrived later."
    )
    cursor: str | None = Field(None, max_length=64)
    limit: int = Field(100, ge=1, le=500)


class LogsOut(Schema):
    """Log entries of all processes, newest first."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class TrafficSum(Schema):
    """Requests of a while: `errors` are answers of status 500 and more, the share is 0 to 1."""

    requests: int
    errors: int
    errors_4xx: int
    error_share: float
    mean_ms: float | None
    p50_ms: float | None
    p99_ms: float | None


class TrafficPoint(TrafficSum):
    """One second or one minute; `at` is its start."""

    at: Timestamp


class Traffic(Schema):
    """What all edges did; a second without a request is left out of `seconds`."""

    last_minute: TrafficSum
    last_hour: TrafficSum
    in_flight: int
    edges: list[str]
    by_service: dict[str, TrafficSum]
    seconds: list[TrafficPoint]
    minutes: list[TrafficPoint]


class ServiceState(Schema):
    """How a service is: `healthy`, `unhealthy` (it says so) or `unreachable`."""

    name: str
    status: Literal["healthy", "unhealthy", "unreachable"]
    latency_ms: float | None = None
    database: str | None = None
    redis: str | None = None
    version: str | None = None


class Stats(Schema):
    """The state of the platform. A part that could not be had is null; `errors` says why."""

    users: dict[str, Any] | None
    sessions: dict[str, Any] | None
    logins: dict[str, Any] | None
    traffic: Traffic | None
    services: list[ServiceState]
    retail: dict[str, Any] | None
    errors: dict[str, PartFailure]
    generated_at: Timestamp
