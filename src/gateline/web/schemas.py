"""Payloads of the browser API."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from gateline.shared.schemas.base import EmailAddress, Schema, Timestamp

Record = dict[str, Any]


class LoginBody(Schema):
    """What the login of one kind of account takes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "doctor@example.com", "password": "a long sentence"}]
        }
    )

    email: EmailAddress
    # A password is taken as it is typed: blanks around it belong to it.
    password: Annotated[
        str, StringConstraints(strip_whitespace=False, min_length=1, max_length=256)
    ] = Field(repr=False)


class AccountOut(Schema):
    """Whose session it is."""

    id: str
    user_id: int
    email: str
    user_type: str
    name: str = ""


class LoginOut(Schema):
    """A login that worked; the token itself travels in a cookie that scripts cannot read."""

    message: str = "You are logged in."
    user: AccountOut
    expires_in: int
    redirect: str


class RegistrationOut(Schema):
    """A new account, already logged in; `complete` says that all details could be kept."""

    message: str = "Your account is ready."
    user: AccountOut
    expires_in: int
    redirect: str
    complete: bool


class LogoutOut(Schema):
    """A logout; also said to somebody who had no session."""

    message: str = "You are logged out."


class PartFailure(Schema):
    """Why one part of a dashboard is missing."""

    status: int
    reason: str
    message: str


class DashboardOut(Schema):
    """A dashboard, put together from several calls to services.

    A part that could not be had is null, and `errors` says under its name why.
    """

    user: AccountOut
    profile: Record | None
    figures: Record | None
    errors: dict[str, PartFailure]
    complete: bool
    generated_at: Timestamp


class PatientDashboardOut(DashboardOut):
    """What a patient sees first."""

    appointments: list[Record] | None
    care_team: list[Record] | None
    entries: list[Record] | None
    vitals: Record | None


class DoctorDashboardOut(DashboardOut):
    """What a doctor sees first."""

    today: list[Record] | None
    appointments: list[Record] | None
    entries: list[Record] | None
    patients: list[Record] | None


class InstitutionDashboardOut(DashboardOut):
    """What an institution sees first."""

    appointments: list[Record] | None
    specialties: list[Record] | None
    doctors: list[Record] | None
    patients: list[Record] | None
