"""Which rows exist for a viewer, as conditions of SQL: the rules themselves are `access`'s."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa

from gateline.sample.clinic.access import (
    Noun,
    Scope,
    Viewer,
    admins_seen_by,
    doctors_seen_by,
    institutions_seen_by,
    patients_seen_by,
)
from gateline.sample.clinic.models import Admin, CareLink, Doctor, Institution, Patient

Condition = sa.ColumnElement[bool]


def visible(noun: Noun, viewer: Viewer) -> Condition:
    """Return the condition that a row of `noun` is there, and is there for `viewer`."""
    return _CONDITIONS[noun](viewer)


def in_care_of(doctor_id: int) -> Condition:
    """Return the condition that a patient is looked after by a doctor."""
    return Patient.id.in_(sa.select(CareLink.patient_id).where(CareLink.doctor_id == doctor_id))


def _patients(viewer: Viewer) -> Condition:
    scope = patients_seen_by(viewer)
    match scope.reach:
        case "doctor":
            seen = in_care_of(scope.id)
        case "institution":
            seen = sa.or_(Patient.institution_id == scope.id, _in_care_at(scope.id))
        case _:
            seen = _plain(scope, Patient)
    return sa.and_(Patient.deleted_at.is_(None), seen)


def _in_care_at(institution_id: int) -> Condition:
    return Patient.id.in_(
        sa.select(CareLink.patient_id)
        .join(Doctor, Doctor.id == CareLink.doctor_id)
        .where(Doctor.institution_id == institution_id, Doctor.deleted_at.is_(None))
    )


def _doctors(viewer: Viewer) -> Condition:
    scope = doctors_seen_by(viewer)
    if scope.reach == "institution":
        seen: Condition = Doctor.institution_id == scope.id
    else:
        seen = _plain(scope, Doctor)
    return sa.and_(Doctor.deleted_at.is_(None), seen)


def _institutions(viewer: Viewer) -> Condition:
    seen = _plain(institutions_seen_by(viewer), Institution)
    return sa.and_(Institution.deleted_at.is_(None), seen)


def _admins(viewer: Viewer) -> Condition:
    return sa.and_(Admin.deleted_at.is_(None), _plain(admins_seen_by(viewer), Admin))


def _plain(scope: Scope, table: type[Patient | Doctor | Institution | Admin]) -> Condition:
    if scope.reach == "everything":
        return sa.true()
    return table.id == scope.id if scope.reach == "row" else sa.false()


_CONDITIONS: Final[Mapping[Noun, Callable[[Viewer], Condition]]] = MappingProxyType(
    {
        "patients": _patients,
        "doctors": _doctors,
        "institutions": _institutions,
        "admins": _admins,
    }
)
