"""Figures for the dashboards: a fixed, small number of statements for each kind of account."""

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from gateline.sample.clinic import care
from gateline.sample.clinic.access import Viewer
from gateline.sample.clinic.models import (
    Admin,
    Appointment,
    Doctor,
    Institution,
    Patient,
    RecordEntry,
)
from gateline.sample.clinic.record_schemas import EntryOut, EntryQuery, WrittenEntry
from gateline.sample.clinic.schemas import AppointmentOut
from gateline.sample.clinic.visibility import Condition, visible
from gateline.shared.database import db
from gateline.shared.schemas.base import Schema, json_dump

_SHOWN: Final = 5
_TODAY_SHOWN: Final = 50
_NEW: Final = timedelta(days=30)

Counts = dict[str, sa.Select[int]]


def dashboard(viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Return the figures and short lists that this kind of account wants to see first."""
    return _DASHBOARDS[viewer.user_type](viewer, now)


def _of_patient(viewer: Viewer, now: datetime) -> dict[str, Any]:
    mine = Appointment.patient_id == viewer.row_id
    team = care.team(viewer.row_id)
    entries = care.record_counts(viewer.row_id)
    coming = _dumped(AppointmentOut, care.next_appointments(mine, now, _SHOWN))
    vitals = care.record_page(viewer.row_id, EntryQuery(kind="vitals", limit=1)).rows
    recent = care.record_page(viewer.row_id, EntryQuery(limit=_SHOWN)).rows
    counted = {
        "upcoming_appointments": _scheduled(mine).where(Appointment.starts_at >= now),
        "active_medications": _active_medications(viewer.row_id, now),
    }
    return {
        "figures": {
            **_counted(counted),
            "care_team": len(team),
            "allergies": entries["allergy"],
            "visits": entries["visit"],
            "record_entries": sum(entries.values()),
        },
        "next_appointment": coming[0] if coming else None,
        "upcoming_appointments": coming,
        "care_team": [json_dump(member) for member in team],
        "latest_vitals": next(iter(_dumped(EntryOut, vitals)), None),
        "recent_entries": _dumped(EntryOut, recent),
    }


def _of_doctor(viewer: Viewer, now: datetime) -> dict[str, Any]:
    mine = Appointment.doctor_id == viewer.row_id
    written = RecordEntry.doctor_id == viewer.row_id
    recently = _count(RecordEntry, written, RecordEntry.recorded_at >= now - _NEW)
    counted = _patients(viewer, now) | _agenda(mine, now) | {"entries_this_month": recently}
    midnight = _midnight(now)
    today = care.next_appointments(
        sa.and_(mine, Appointment.starts_at < midnight + timedelta(days=1)), midnight, _TODAY_SHOWN
    )
    return {
        "figures": _counted(counted),
        "today": _dumped(AppointmentOut, today),
        "upcoming_appointments": _upcoming(mine, now),
        "recent_entries": _dumped(WrittenEntry, _latest_entries(written)),
    }


def _of_institution(viewer: Viewer, now: datetime) -> dict[str, Any]:
    ours = visible("doctors", viewer)
    here = Appointment.doctor_id.in_(sa.select(Doctor.id).where(ours))
    counted = _patients(viewer, now) | _agenda(here, now)
    counted["doctors"] = _count(Doctor, ours)
    counted["doctors_accepting_patients"] = _count(
        Doctor, ours, Doctor.accepting_patients.is_(True)
    )
    return {
        "figures": _counted(counted),
        "specialties": _specialties(ours),
        "upcoming_appointments": _upcoming(here, now),
    }


def _of_admin(viewer: Viewer, now: datetime) -> dict[str, Any]:
    everyone = visible("doctors", viewer)
    counted = _patients(viewer, now) | _agenda(sa.true(), now)
    counted["doctors"] = _count(Doctor, everyone)
    counted["institutions"] = _count(Institution, visible("institutions", viewer))
    counted["admins"] = _count(Admin, visible("admins", viewer))
    return {
        "figures": _counted(counted),
        "institutions": _institutions(),
        "specialties": _specialties(everyone),
    }


_DASHBOARDS: Final[Mapping[str, Callable[[Viewer, datetime], dict[str, Any]]]] = MappingProxyType(
    {
        "patient": _of_patient,
        "doctor": _of_doctor,
        "institution": _of_institution,
        "admin": _of_admin,
    }
)


def _counted(counts: Counts) -> dict[str, int]:
    """Run all counts in one statement."""
    columns = [count.scalar_subquery().label(name) for name, count in counts.items()]
    return dict(db.session.execute(sa.select(*columns)).one()._mapping)  # noqa: SLF001 - public API


def _count(table: type[Any], *conditions: Condition) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table).where(*conditions)


def _scheduled(condition: Condition) -> sa.Select[int]:
    return _count(Appointment, condition, Appointment.status == "scheduled")


def _patients(viewer: Viewer, now: datetime) -> Counts:
    seen = visible("patients", viewer)
    return {
        "patients": _count(Patient, seen),
        "new_patients": _count(Patient, seen, Patient.created_at >= now - _NEW),
    }


def _agenda(condition: Condition, now: datetime) -> Counts:
    start = _midnight(now)
    scheduled = _scheduled(condition).where(Appointment.starts_at >= start)
    return {
        "appointments_today": scheduled.where(Appointment.starts_at < start + timedelta(days=1)),
        "appointments_this_week": scheduled.where(
            Appointment.starts_at < start + timedelta(days=7)
        ),
    }


def _active_medications(patient_id: int, now: datetime) -> sa.Select[int]:
    ends = RecordEntry.details["ends_on"].astext
    # Dates in ISO 8601 compare as text.
    going_on = sa.or_(ends.is_(None), ends >= now.date().isoformat())
    return _count(
        RecordEntry,
        RecordEntry.patient_id == patient_id,
        RecordEntry.kind == "medication",
        going_on,
    )


def _upcoming(condition: Condition, now: datetime) -> list[dict[str, Any]]:
    return _dumped(AppointmentOut, care.next_appointments(condition, now, _SHOWN))


def _latest_entries(condition: Condition) -> Any:
    statement = (
        sa.select(RecordEntry)
        .where(condition)
        .order_by(RecordEntry.recorded_at.desc(), RecordEntry.id.desc())
        .limit(_SHOWN)
        .options(joinedload(RecordEntry.patient).load_only(Patient.name))
    )
    return db.session.scalars(statement)


def _specialties(condition: Condition) -> list[dict[str, Any]]:
    number = sa.func.count()
    statement = (
        sa.select(Doctor.specialty, number)
        .where(condition)
        .group_by(Doctor.specialty)
        .order_by(number.desc(), Doctor.specialty)
    )
    rows = db.session.execute(statement)
    return [{"specialty": specialty, "doctors": doctors} for specialty, doctors in rows]


def _institutions() -> list[dict[str, Any]]:
    def people(table: type[Doctor | Patient]) -> sa.ScalarSelect[int]:
        here = _count(table, table.institution_id == Institution.id, table.deleted_at.is_(None))
        return here.scalar_subquery()

    statement = (
        sa.select(Institution.id, Institution.name, people(Doctor), people(Patient))
        .where(Institution.deleted_at.is_(None))
        .order_by(Institution.name)
        .limit(_TODAY_SHOWN)
    )
    rows = db.session.execute(statement)
    return [
        {"id": str(row_id), "name": name, "doctors": doctors, "patients": patients}
        for row_id, name, doctors, patients in rows
    ]


def _dumped(schema: type[Schema], rows: Any) -> list[dict[str, Any]]:
    return [json_dump(schema.model_validate(row)) for row in rows]


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.date(), time(), now.tzinfo)
