"""Registration: what is asked of each kind of account, and how an account comes about.

The account is made by the auth service, then the session is opened like any other. What the kind's
own service keeps besides (a date of birth, a city) is told to it last: without it the account is
whole all the same, and `complete` says that something is still to be told.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from gateline.shared.errors import ApiError, ValidationFailed
from gateline.shared.middleware.validation import refuse_fields
from gateline.shared.proxy_service import proxy_service
from gateline.shared.schemas.base import EmailAddress, Schema
from gateline.web import service
from gateline.web.navigation import Kind
from gateline.web.service import Ticket, Visitor, json_of

_LOG: Final = logging.getLogger(__name__)
PASSWORD_LENGTH: Final = 8

_EARLIEST: Final = date(1900, 1, 1)
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"
_PHONE: Final = re.compile(r"\+?[0-9 ().-]{5,30}")
_SERVICES: Final[Mapping[Kind, str]] = MappingProxyType(
    {"patient": "patients", "doctor": "doctors", "institution": "institutions"}
)
_PROFILE_SECONDS: Final = 3.0


def _phone(value: str) -> str:
    if not _PHONE.fullmatch(value):
        raise ValueError("must be a telephone number, such as +34 600 000 000")
    return value


def _birthday(value: date) -> date:
    if not _EARLIEST <= value <= datetime.now(UTC).date():
        raise ValueError("must be a day in the past")
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=_PRINTABLE)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PRINTABLE)]
Phone = Annotated[str, AfterValidator(_phone)]
Birthday = Annotated[date, AfterValidator(_birthday)]
# A password is taken as it is typed: blanks around it belong to it.
NewPassword = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=PASSWORD_LENGTH, max_length=256),
]


class RegistrationBody(Schema):
    """What every kind of account begins with."""

    email: EmailAddress
    password: NewPassword = Field(repr=False)
    phone: Phone | None = None

    def names(self) -> tuple[str, str]:
        """Return the account's first and last name."""
        raise NotImplementedError

    def profile(self) -> dict[str, Any]:
        """Return what the kind's own service is told besides."""
        told = {"phone": self.phone}
        return {name: value for name, value in told.items() if value is not None}


class PersonRegistration(RegistrationBody):
    """A person's registration."""

    first_name: Name
    last_name: Name

    def names(self) -> tuple[str, str]:
        """Return the person's names."""
        return self.first_name, self.last_name


class PatientRegistration(PersonRegistration):
    """A patient's registration."""

    date_of_birth: Birthday | None = None

    def profile(self) -> dict[str, Any]:
        """Add the day of birth."""
        born = self.date_of_birth
        return super().profile() | ({"date_of_birth": born.isoformat()} if born else {})


class DoctorRegistration(PersonRegistration):
    """A doctor's registration."""


class InstitutionRegistration(RegistrationBody):
    """An institution's registration."""

    name: Line
    city: Line | None = None

    def names(self) -> tuple[str, str]:
        """Return the name of the house; it has but one."""
        return self.name, ""

    def profile(self) -> dict[str, Any]:
        """Add the city."""
        return super().profile() | ({"city": self.city} if self.city else {})


BODIES: Final[Mapping[Kind, type[RegistrationBody]]] = MappingProxyType(
    {
        "patient": PatientRegistration,
        "doctor": DoctorRegistration,
        "institution": InstitutionRegistration,
    }
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A new account with an open session; `complete` tells that all that was told is kept."""

    ticket: Ticket
    complete: bool


def body_of(kind: Kind, form: Mapping[str, str]) -> RegistrationBody:
    """Return a form's values as a body; empty ones count as not given. Raises ValidationFailed."""
    schema = BODIES[kind]
    given = {name: form[name] for name in schema.model_fields if form.get(name)}
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        refuse_fields(error)


def register(kind: Kind, body: RegistrationBody, visitor: Visitor) -> Registered:
    """Make an account of this kind, open its session and tell its service the rest.

    Raises ApiError: 400 and 409 naming fields, 429, and what the auth service's absence calls for;
    then there is no account.
    """
    first_name, last_name = body.names()
    payload = {
        "email": body.email,
        "password": body.password,
        "user_type": kind,
        "first_name": first_name,
        "last_name": last_name,
        **({"phone": body.phone} if body.phone else {}),
    }
    answer = proxy_service.proxy_post(
        "auth", "/api/auth/register", data=payload, headers=visitor.headers()
    )
    try:
        json_of(answer)
    except ApiError as refused:
        raise _on_our_fields(refused) from refused
    ticket = service.log_in(kind, body.email, body.password, visitor)
    return Registered(ticket, complete=_told(kind, body, ticket))


def _on_our_fields(refused: ApiError) -> ApiError:
    """Return a refusal with what concerns the whole body at the password, its only such rule."""
    whole = refused.fields.pop("body", None)
    if whole is None:
        return refused
    return ValidationFailed(fields={**refused.fields, "password": whole})


def _told(kind: Kind, body: RegistrationBody, ticket: Ticket) -> bool:
    told = body.profile()
    if not told:
        return True
    name = _SERVICES[kind]
    try:
        json_of(
            proxy_service.proxy_patch(
                name,
                f"/api/v1/{name}/me",
                data=told,
                headers={"Authorization": f"Bearer {ticket.token}"},
                timeout=_PROFILE_SECONDS,
            )
        )
    except ApiError as failure:
        _LOG.warning("a new %s could not be told to %s (%s)", kind, name, failure.reason.code)
        return False
    return True
