"""Payloads of the clinic's people and places: what comes in, what goes out, what lists accept.

Ids are strings in answers; input takes a number or its digits. A `PUT` sends the whole body
schema, a `PATCH` any part of it (`partial`).
"""

from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, create_model

from gateline.shared.schemas.base import MAX_ID, EmailAddress, PageQuery, Schema, Timestamp

_MAX_DIGITS: Final = 19


def _digits(value: object) -> object:
    return str(value) if isinstance(value, int) else value


def _number(value: object) -> object:
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdecimal()
        and len(value) <= _MAX_DIGITS
    ):
        return int(value)
    return value


RowId = Annotated[int, BeforeValidator(_number), Field(strict=True, ge=1, le=MAX_ID)]
IdText = Annotated[str, BeforeValidator(_digits)]
Line = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9 ().-]{5,30}$")]
Website = Annotated[str, Field(max_length=300, pattern=r"^https?://[^\s\x00-\x1f]+$")]
Specialty = Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]

Gender = Literal["female", "male", "other"]
BloodType = Literal["A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"]
InstitutionKind = Literal["hospital", "clinic", "laboratory"]
PatientStatus = Literal["active", "inactive", "discharged"]
DoctorStatus = Literal["active", "on_leave", "inactive"]
PlainStatus = Literal["active", "inactive"]
CarePart = Literal["primary", "specialist", "consulting"]
Sort = Literal["name", "-name", "created_at", "-created_at"]


def partial(model: type[Schema], name: str) -> type[Schema]:
    """Make the `PATCH` form of a body: the same fields and rules, none of them required."""
    fields: dict[str, Any] = {}
    for field, info in model.model_fields.items():
        parts = info.asdict()
        annotation, metadata = parts["annotation"], parts["metadata"]
        kept = {k: v for k, v in parts["attributes"].items() if not k.startswith("default")}
        # The default stands for "not sent"; it is never read, only what was set is.
        fields[field] = (Annotated[annotation, *metadata, Field(**kept)], None)
    return create_model(name, __base__=Schema, __doc__=f"Part of a {model.__name__}.", **fields)


class EmergencyContact(Schema):
    """Whom to call."""

    name: Line
    phone: Phone
    relation: Line | None = None


class PatientBody(Schema):
    """A patient as written by staff; `{"name": …}` is enough."""

    name: Line
    email: EmailAddress | None = None
    phone: Phone | None = None
    date_of_birth: date | None = None
    gender: Gender | None = None
    blood_type: BloodType | None = None
    address: Line | None = None
    insurance_number: Line | None = None
    emergency_contact: EmergencyContact | None = None
    institution_id: RowId | None = None
    user_id: RowId | None = None
    status: PatientStatus = "active"


class DoctorBody(Schema):
    """A doctor as written by an institution or an admin."""

    name: Line
    specialty: Specialty
    email: EmailAddress | None = None
    phone: Phone | None = None
    license_number: Line | None = None
    biography: Text | None = None
    accepting_patients: bool = True
    institution_id: RowId | None = None
    user_id: RowId | None = None
    status: DoctorStatus = "active"


class InstitutionBody(Schema):
    """An institution as written by an admin."""

    name: Line
    kind: InstitutionKind = "clinic"
    email: EmailAddress | None = None
    phone: Phone | None = None
    address: Line | None = None
    city: Line | None = None
    website: Website | None = None
    user_id: RowId | None = None
    status: PlainStatus = "active"


class AdminBody(Schema):
    """An admin as written by another."""

    name: Line
    email: EmailAddress | None = None
    phone: Phone | None = None
    department: Line | None = None
    user_id: RowId | None = None
    status: PlainStatus = "active"


PatientPatch = partial(PatientBody, "PatientPatch")
DoctorPatch = partial(DoctorBody, "DoctorPatch")
InstitutionPatch = partial(InstitutionBody, "InstitutionPatch")
AdminPatch = partial(AdminBody, "AdminPatch")


class Shown(Schema):
    """What every answer about a row has in common; built from the row itself."""

    id: IdText


class NamedRef(Shown):
    """A row as others mention it."""

    name: str


class DoctorRef(NamedRef):
    """A doctor as records and appointments mention one."""

    specialty: str


class _Kept(NamedRef):
    user_id: IdText | None
    email: str | None
    phone: str | None
    status: str
    created_at: Timestamp
    updated_at: Timestamp


class PatientOut(_Kept):
    """A patient."""

    date_of_birth: date | None
    gender: str | None
    blood_type: str | None
    address: str | None
    insurance_number: str | None
    emergency_contact: dict[str, Any] | None
    institution: NamedRef | None


class DoctorOut(_Kept):
    """A doctor."""

    specialty: str
    license_number: str | None
    biography: str | None
    accepting_patients: bool
    institution: NamedRef | None


class InstitutionOut(_Kept):
    """An institution."""

    kind: str
    address: str | None
    city: str | None
    website: str | None


class AdminOut(_Kept):
    """An admin."""

    department: str | None


class CareMember(Shown):
    """A doctor of a patient's care team."""

    name: str
    specialty: str
    email: str | None
    phone: str | None
    institution: NamedRef | None
    part: str
    since: date


class CareBody(Schema):
    """The part that a doctor takes in a patient's care."""

    part: CarePart = "consulting"


class AppointmentOut(Shown):
    """An appointment."""

    starts_at: Timestamp
    minutes: int
    reason: str
    status: str
    patient: NamedRef
    doctor: DoctorRef


class PeopleQuery(PageQuery):
    """What every list of people and places accepts."""

    q: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    sort: Sort = "name"


class PatientQuery(PeopleQuery):
    """Filters of the patients' list."""

    institution: RowId | None = None
    doctor: RowId | None = None
    gender: Gender | None = None
    status: PatientStatus | None = None


class DoctorQuery(PeopleQuery):
    """Filters of the doctors' list."""

    institution: RowId | None = None
    specialty: Specialty | None = None
    accepting_patients: bool | None = None
    status: DoctorStatus | None = None


class InstitutionQuery(PeopleQuery):
    """Filters of the institutions' list."""

    kind: InstitutionKind | None = None
    city: Line | None = None
    status: PlainStatus | None = None


class AdminQuery(PeopleQuery):
    """Filters of the admins' list."""

    status: PlainStatus | None = None


class AppointmentQuery(PageQuery):
    """Filters of an appointments' list."""

    status: Literal["scheduled", "completed", "cancelled", "missed"] | None = None
    starting: Literal["upcoming", "past"] | None = None
