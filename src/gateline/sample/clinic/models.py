"""Tables of the clinic, in the schema `clinic`.

People and institutions are linked to accounts by `user_id` alone: accounts live in another
service, so there is no foreign key. Rows are deleted softly; `version` counts their changes.
"""

from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

from gateline.shared.database import COLUMN_TYPES, metadata_for
from gateline.shared.idempotency import KeptAnswerColumns

SCHEMA: Final = "clinic"

_ACCENTED: Final = "áàäâéèëêíìïîóòöôúùüûñç"
_PLAIN: Final = "aaaaeeeeiiiioooouuuunc"
_FOLD: Final = str.maketrans(_ACCENTED, _PLAIN)

_BORN_AT_INSERT = sa.text("now()")


def fold(text: str) -> str:
    """Write `text` as the `search` columns hold it: lower case, common accents dropped."""
    return text.lower().translate(_FOLD)


def _folded(expression: str) -> str:
    return f"translate(lower({expression}), '{_ACCENTED}', '{_PLAIN}')"


class Base(DeclarativeBase):
    """Base of every table of the clinic."""

    metadata = metadata_for(SCHEMA)
    type_annotation_map = COLUMN_TYPES


class Kept:
    """What every resource row has: id, times, soft deletion, a change counter and search text."""

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(sa.BigInteger, unique=True)
    name: Mapped[str] = mapped_column(sa.Text)
    email: Mapped[str | None] = mapped_column(sa.Text)
    phone: Mapped[str | None] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.Text, default="active", server_default="active")
    version: Mapped[int] = mapped_column(sa.Integer, default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=_BORN_AT_INSERT
    )
    updated_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=_BORN_AT_INSERT
    )
    deleted_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))

    @declared_attr
    def search(cls) -> Mapped[str]:  # noqa: N805 - declared_attr hands in the class
        """Hold name and e-mail folded, so that a search needs no extension of PostgreSQL."""
        text = sa.Computed(_folded("name || ' ' || coalesce(email, '')"), persisted=True)
        return mapped_column(sa.Text, text, deferred=True)


class Institution(Kept, Base):
    """A hospital, clinic or laboratory."""

    __tablename__ = "institutions"
    __table_args__ = (sa.Index("institutions_by_name", "name", "id"),)

    kind: Mapped[str] = mapped_column(sa.Text, default="clinic", server_default="clinic")
    address: Mapped[str | None] = mapped_column(sa.Text)
    city: Mapped[str | None] = mapped_column(sa.Text)
    website: Mapped[str | None] = mapped_column(sa.Text)


class Doctor(Kept, Base):
    """A doctor, working at one institution or at none."""

    __tablename__ = "doctors"
    __table_args__ = (
        sa.Index("doctors_by_name", "name", "id"),
        sa.Index("doctors_by_institution", "institution_id"),
        sa.Index(
            "doctors_license_once",
            "license_number",
            unique=True,
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
    )

    institution_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Institution.id))
    specialty: Mapped[str] = mapped_column(sa.Text)
    license_number: Mapped[str | None] = mapped_column(sa.Text)
    biography: Mapped[str | None] = mapped_column(sa.Text)
    accepting_patients: Mapped[bool] = mapped_column(default=True, server_default=sa.true())

    institution: Mapped[Institution | None] = relationship(lazy="raise")


class Patient(Kept, Base):
    """A patient, looked after by an institution, by doctors, or by nobody yet."""

    __tablename__ = "patients"
    __table_args__ = (
        sa.Index("patients_by_name", "name", "id"),
        sa.Index("patients_by_creation", "created_at", "id"),
        sa.Index("patients_by_institution", "institution_id"),
    )

    institution_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Institution.id))
    date_of_birth: Mapped[date | None]
    gender: Mapped[str | None] = mapped_column(sa.Text)
    blood_type: Mapped[str | None] = mapped_column(sa.Text)
    address: Mapped[str | None] = mapped_column(sa.Text)
    insurance_number: Mapped[str | None] = mapped_column(sa.Text)
    emergency_contact: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    institution: Mapped[Institution | None] = relationship(lazy="raise")


class Admin(Kept, Base):
    """Somebody who runs the clinic."""

    __tablename__ = "admins"
    __table_args__ = (sa.Index("admins_by_name", "name", "id"),)

    department: Mapped[str | None] = mapped_column(sa.Text)


class CareLink(Base):
    """That a doctor looks after a patient, and in which part."""

    __tablename__ = "care_links"
    __table_args__ = (sa.Index("care_links_by_doctor", "doctor_id", "patient_id"),)

    patient_id: Mapped[int] = mapped_column(sa.ForeignKey(Patient.id), primary_key=True)
    doctor_id: Mapped[int] = mapped_column(sa.ForeignKey(Doctor.id), primary_key=True)
    part: Mapped[str] = mapped_column(sa.Text, default="primary", server_default="primary")
    since: Mapped[date]

    doctor: Mapped[Doctor] = relationship(lazy="raise")


class Appointment(Base):
    """A patient's time with a doctor."""

    __tablename__ = "appointments"
    __table_args__ = (
        sa.Index("appointments_by_patient", "patient_id", "starts_at", "id"),
        sa.Index("appointments_by_doctor", "doctor_id", "starts_at", "id"),
        sa.Index("appointments_by_start", "starts_at", "id"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    patient_id: Mapped[int] = mapped_column(sa.ForeignKey(Patient.id))
    doctor_id: Mapped[int] = mapped_column(sa.ForeignKey(Doctor.id))
    starts_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    minutes: Mapped[int] = mapped_column(sa.Integer, default=30, server_default="30")
    reason: Mapped[str] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.Text, default="scheduled", server_default="scheduled")

    patient: Mapped[Patient] = relationship(lazy="raise")
    doctor: Mapped[Doctor] = relationship(lazy="raise")


class RecordEntry(Base):
    """One entry of a patient's medical record; entries are added, never changed."""

    __tablename__ = "record_entries"
    __table_args__ = (
        sa.Index("record_entries_by_patient", "patient_id", "recorded_at", "id"),
        sa.Index("record_entries_by_doctor", "doctor_id", "recorded_at", "id"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    patient_id: Mapped[int] = mapped_column(sa.ForeignKey(Patient.id))
    doctor_id: Mapped[int] = mapped_column(sa.ForeignKey(Doctor.id))
    kind: Mapped[str] = mapped_column(sa.Text)
    title: Mapped[str] = mapped_column(sa.Text)
    notes: Mapped[str | None] = mapped_column(sa.Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    recorded_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))

    patient: Mapped[Patient] = relationship(lazy="raise")
    doctor: Mapped[Doctor] = relationship(lazy="raise")


class KeptAnswer(KeptAnswerColumns, Base):
    """The answer to a create with an `Idempotency-Key`, kept to be given again."""


class SampleRow(Base):
    """Which row stands behind a sample account; any entry tells that sample data were loaded."""

    __tablename__ = "sample_rows"

    email: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    row_id: Mapped[int] = mapped_column(sa.BigInteger)
