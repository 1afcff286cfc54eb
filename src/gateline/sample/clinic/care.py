"""A patient's care: who looks after it, its appointments and its medical record.

The functions take a patient that the caller has found for the viewer (`directory.find`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload, load_only

from gateline.sample.clinic import directory
from gateline.sample.clinic.access import Viewer
from gateline.sample.clinic.listing import RECORD_ORDER, appointment_order
from gateline.sample.clinic.models import Appointment, CareLink, Doctor, Patient, RecordEntry
from gateline.sample.clinic.record_schemas import DETAILS, EntryBody, EntryQuery
from gateline.sample.clinic.schemas import AppointmentQuery, CareMember
from gateline.shared.database import db
from gateline.shared.errors import NotFound, ValidationFailed
from gateline.shared.middleware.validation import refuse_fields
from gateline.shared.paging import Found, page

# Also keeps out what PostgreSQL stores but Python cannot read back: the years before Christ.
_FIRST_RECORD: Final = datetime(1900, 1, 1, tzinfo=UTC)

_DOCTOR_REF = load_only(Doctor.name, Doctor.specialty)
_AUTHOR = joinedload(RecordEntry.doctor).options(_DOCTOR_REF)
_BOTH = (
    joinedload(Appointment.patient).load_only(Patient.name),
    joinedload(Appointment.doctor).options(_DOCTOR_REF),
)


def team(patient_id: int) -> list[CareMember]:
    """Return who looks after a patient, those longest in its care first."""
    statement = (
        sa.select(CareLink)
        .join(CareLink.doctor)
        .where(CareLink.patient_id == patient_id, Doctor.deleted_at.is_(None))
        .order_by(CareLink.since, CareLink.doctor_id)
        .options(joinedload(CareLink.doctor).joinedload(Doctor.institution))
    )
    return [_member(link) for link in db.session.scalars(statement)]


def join_team(viewer: Viewer, patient_id: int, doctor_id: int, part: str, today: date) -> None:
    """Let a doctor that exists for `viewer` take a part in a patient's care, or another part."""
    directory.find("doctors", viewer, doctor_id)
    link = insert(CareLink).values(
        patient_id=patient_id, doctor_id=doctor_id, part=part, since=today
    )
    db.session.execute(
        link.on_conflict_do_update(
            index_elements=["patient_id", "doctor_id"], set_={"part": link.excluded.part}
        )
    )


def leave_team(patient_id: int, doctor_id: int) -> None:
    """End a doctor's part in a patient's care; NotFound when it had none."""
    left = db.session.scalars(
        sa.delete(CareLink)
        .where(CareLink.patient_id == patient_id, CareLink.doctor_id == doctor_id)
        .returning(CareLink.doctor_id)
    )
    if left.one_or_none() is None:
        raise NotFound


def appointments(condition: Any, query: AppointmentQuery, now: datetime) -> Found:
    """Return a page of the appointments that meet `condition` and the query's filters."""
    statement = sa.select(Appointment).where(condition).options(*_BOTH)
    if query.status is not None:
        statement = statement.where(Appointment.status == query.status)
    if query.starting is not None:
        upcoming = query.starting == "upcoming"
        starts = Appointment.starts_at
        statement = statement.where(starts >= now if upcoming else starts < now)
    return page(statement, appointment_order(query.starting), query)


def next_appointments(condition: Any, start: datetime, limit: int) -> Sequence[Appointment]:
    """Return the first scheduled appointments from `start` on."""
    statement = (
        sa.select(Appointment)
        .where(condition, Appointment.starts_at >= start, Appointment.status == "scheduled")
        .order_by(Appointment.starts_at, Appointment.id)
        .limit(limit)
        .options(*_BOTH)
    )
    return db.session.scalars(statement).all()


def record_page(patient_id: int, query: EntryQuery) -> Found:
    """Return a page of a medical record, latest entries first."""
    statement = sa.select(RecordEntry).where(RecordEntry.patient_id == patient_id)
    if query.kind is not None:
        statement = statement.where(RecordEntry.kind == query.kind)
    return page(statement.options(_AUTHOR), RECORD_ORDER, query)


def record_counts(patient_id: int) -> dict[str, int]:
    """Count a record's entries of every kind, those without any included."""
    statement = (
        sa.select(RecordEntry.kind, sa.func.count())
        .where(RecordEntry.patient_id == patient_id)
        .group_by(RecordEntry.kind)
    )
    return dict.fromkeys(DETAILS, 0) | dict(db.session.execute(statement).all())


def entry(patient_id: int, entry_id: int) -> RecordEntry:
    """Return one entry of a patient's record; else NotFound."""
    found = db.session.scalar(
        sa.select(RecordEntry)
        .where(RecordEntry.id == entry_id, RecordEntry.patient_id == patient_id)
        .options(_AUTHOR)
    )
    if found is None:
        raise NotFound
    return found


def add_entry(viewer: Viewer, patient_id: int, body: EntryBody, now: datetime) -> RecordEntry:
    """Write an entry into a record, by the doctor who is the viewer."""
    recorded = body.recorded_at or now
    if not _FIRST_RECORD <= recorded <= now:
        raise ValidationFailed(fields={"recorded_at": ["must be from 1900 until now"]})
    row = RecordEntry(
        patient_id=patient_id,
        doctor_id=viewer.row_id,
        kind=body.kind,
        title=body.title,
        notes=body.notes,
        details=_checked_details(body.kind, body.details),
        recorded_at=recorded,
    )
    db.session.add(row)
    db.session.flush()
    return entry(patient_id, row.id)


def _checked_details(kind: str, details: Mapping[str, Any]) -> dict[str, Any]:
    try:
        checked = DETAILS[kind].model_validate_json(json.dumps(details), strict=True)
    except ValidationError as error:
        raise _inside_details(error) from None
    return checked.model_dump(mode="json", exclude_none=True)


def _inside_details(error: ValidationError) -> ValidationFailed:
    try:
        refuse_fields(error)
    except ValidationFailed as refusal:
        fields = {f"details.{name}": texts for name, texts in refusal.fields.items()}
        return ValidationFailed(fields=fields)


def _member(link: CareLink) -> CareMember:
    doctor = link.doctor
    return CareMember.model_validate(
        {
            "id": doctor.id,
            "name": doctor.name,
            "specialty": doctor.specialty,
            "email": doctor.email,
            "phone": doctor.phone,
            "institution": doctor.institution,
            "part": link.part,
            "since": link.since,
        }
    )
