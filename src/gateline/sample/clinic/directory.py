"""Doctors, patients, institutions and admins: find, list, create, change and remove them.

Every function takes the viewer and does only what `access` lets it do. The caller holds the
transaction when it writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.interfaces import ORMOption

from gateline.policy.reasons import ROLE_MISSING
from gateline.sample.clinic.access import (
    ADMIN_FIELDS,
    Noun,
    Viewer,
    locked_fields,
    may_place_at,
)
from gateline.sample.clinic.listing import people_order
from gateline.sample.clinic.models import (
    Admin,
    CareLink,
    Doctor,
    Institution,
    Patient,
    fold,
)
from gateline.sample.clinic.schemas import (
    AdminQuery,
    DoctorQuery,
    InstitutionQuery,
    PatientQuery,
    PeopleQuery,
)
from gateline.sample.clinic.visibility import Condition, in_care_of, visible
from gateline.shared.database import db
from gateline.shared.errors import Conflict, Forbidden, NotFound, ValidationFailed
from gateline.shared.paging import Found, page

Person = Patient | Doctor | Institution | Admin


@dataclass(frozen=True, slots=True)
class _Resource:
    table: type[Person]
    options: tuple[ORMOption, ...] = ()


_RESOURCES: Final[Mapping[Noun, _Resource]] = MappingProxyType(
    {
        "patients": _Resource(Patient, (joinedload(Patient.institution),)),
        "doctors": _Resource(Doctor, (joinedload(Doctor.institution),)),
        "institutions": _Resource(Institution),
        "admins": _Resource(Admin),
    }
)
# Which field a violated rule of the database is about.
_ONCE: Final[Mapping[str, str]] = MappingProxyType(
    {"doctors_license_once": "license_number"}
    | {f"uq_{noun}_user_id": "user_id" for noun in _RESOURCES}
)


def find(noun: Noun, viewer: Viewer, row_id: int, *, lock: bool = False) -> Any:
    """Return a row that exists for `viewer`, locked for a change if so asked; else NotFound."""
    resource = _RESOURCES[noun]
    statement = (
        sa.select(resource.table)
        .where(resource.table.id == row_id, visible(noun, viewer))
        .options(*resource.options)
    )
    if lock:
        statement = statement.with_for_update(of=resource.table)
        statement = statement.execution_options(populate_existing=True)
    row = db.session.scalar(statement)
    if row is None:
        raise NotFound
    return row


def find_page(noun: Noun, viewer: Viewer, query: PeopleQuery) -> Found:
    """Return a page of the rows that exist for `viewer` and pass the query's filters."""
    resource = _RESOURCES[noun]
    statement = (
        sa.select(resource.table)
        .where(visible(noun, viewer), *_filters(resource.table, query))
        .options(*resource.options)
    )
    return page(statement, people_order(resource.table, query.sort), query)


def create(noun: Noun, viewer: Viewer, values: Mapping[str, Any], now: datetime) -> Any:
    """Add a row; where it belongs is the viewer's institution unless an admin says otherwise."""
    fields = dict(values)
    if noun in ("patients", "doctors"):
        _place(viewer, fields)
    if fields.get("user_id") is not None and viewer.user_type != "admin":
        raise _locked(["user_id"])
    _check_references(fields, now.date())
    row = _RESOURCES[noun].table(**fields, created_at=now, updated_at=now)
    db.session.add(row)
    _flush()
    if noun == "patients" and viewer.user_type == "doctor":
        link = CareLink(patient_id=row.id, doctor_id=viewer.row_id, since=now.date())
        db.session.add(link)
        _flush()
    return find(noun, viewer, row.id, lock=True)


def change(noun: Noun, viewer: Viewer, row: Any, values: Mapping[str, Any], now: datetime) -> Any:
    """Write the values that differ to a locked row; Forbidden names those the viewer may not."""
    fields = {name: value for name, value in values.items() if getattr(row, name) != value}
    locked = locked_fields(viewer, noun, row.id, fields)
    if locked:
        raise _locked(locked)
    if not fields:
        return row
    _check_references(fields, now.date())
    for name, value in fields.items():
        setattr(row, name, value)
    _touch(row, now)
    _flush()
    db.session.expire(row)
    return find(noun, viewer, row.id)


def replaceable(
    noun: Noun,
    viewer: Viewer,
    row_id: int,
    values: Mapping[str, Any],
    sent: frozenset[str] | set[str],
) -> dict[str, Any]:
    """Return the values of a whole new row; what was not sent and is not the viewer's stays."""
    kept = set(locked_fields(viewer, noun, row_id, values)) - sent
    kept |= ADMIN_FIELDS - sent
    return {name: value for name, value in values.items() if name not in kept}


def remove(noun: Noun, viewer: Viewer, row: Any, now: datetime) -> None:
    """Delete a locked row softly; Conflict when somebody would be left without it."""
    if noun == "admins" and row.id == viewer.row_id:
        raise Conflict("An admin cannot delete itself.")
    if noun == "institutions" and _has_people(row.id):
        raise Conflict("The institution still has doctors or patients.")
    row.deleted_at = now
    _touch(row, now)
    _flush()


def _touch(row: Any, now: datetime) -> None:
    row.version += 1
    row.updated_at = now


def _place(viewer: Viewer, fields: dict[str, Any]) -> None:
    if fields.get("institution_id") is None and viewer.user_type != "admin":
        fields["institution_id"] = viewer.institution_id
    if not may_place_at(viewer, fields.get("institution_id")):
        raise _locked(["institution_id"])


def _check_references(fields: Mapping[str, Any], today: date) -> None:
    """Check what a schema cannot: that a place exists and that a birth is not yet to come."""
    problems: dict[str, list[str]] = {}
    place = fields.get("institution_id")
    if place is not None and not _exists(
        Institution, Institution.id == place, Institution.deleted_at.is_(None)
    ):
        problems["institution_id"] = ["is no institution here"]
    born = fields.get("date_of_birth")
    if born is not None and not date(1880, 1, 1) <= born <= today:
        problems["date_of_birth"] = ["must be from 1880 until today"]
    if problems:
        raise ValidationFailed(fields=problems)


def _has_people(institution_id: int) -> bool:
    return any(
        _exists(table, table.institution_id == institution_id, table.deleted_at.is_(None))
        for table in (Doctor, Patient)
    )


def _exists(table: type[Person], *conditions: Condition) -> bool:
    return bool(db.session.scalar(sa.select(sa.exists(sa.select(table.id).where(*conditions)))))


def _flush() -> None:
    try:
        db.session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        field = _ONCE.get(name or "")
        if field is None:
            raise
        taken = {field: ["is taken"]}
        raise Conflict(f"The {field} is taken.", fields=taken) from error


def _locked(fields: list[str]) -> Forbidden:
    return Forbidden(
        f"Your kind of account may not set: {', '.join(fields)}.",
        reason=ROLE_MISSING,
        fields={field: ["is not yours to set"] for field in fields},
    )


def _filters(table: type[Any], query: PeopleQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.q is not None:
        # Each word must occur, in any order: "herrera lucia" finds Lucía Herrera.
        found += [table.search.contains(word, autoescape=True) for word in fold(query.q).split()]
    status = getattr(query, "status", None)
    if status is not None:
        found.append(table.status == status)
    match query:
        case PatientQuery():
            found += _patient_filters(query)
        case DoctorQuery():
            found += _doctor_filters(query)
        case InstitutionQuery():
            found += _institution_filters(query)
        case AdminQuery() | _:
            pass
    return found


def _patient_filters(query: PatientQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.institution is not None:
        found.append(Patient.institution_id == query.institution)
    if query.doctor is not None:
        found.append(in_care_of(query.doctor))
    if query.gender is not None:
        found.append(Patient.gender == query.gender)
    return found


def _doctor_filters(query: DoctorQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.institution is not None:
        found.append(Doctor.institution_id == query.institution)
    if query.specialty is not None:
        found.append(sa.func.lower(Doctor.specialty) == query.specialty.lower())
    if query.accepting_patients is not None:
        found.append(Doctor.accepting_patients == query.accepting_patients)
    return found


def _institution_filters(query: InstitutionQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.kind is not None:
        found.append(Institution.kind == query.kind)
    if query.city is not None:
        found.append(sa.func.lower(Institution.city) == query.city.lower())
    return found
