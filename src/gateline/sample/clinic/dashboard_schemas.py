"""What the dashboards show: the viewer's own row, figures and short lists."""

from gateline.sample.clinic.record_schemas import EntryOut, WrittenEntry
from gateline.sample.clinic.schemas import (
    AdminOut,
    AppointmentOut,
    CareMember,
    DoctorOut,
    InstitutionOut,
    NamedRef,
    PatientOut,
)
from gateline.shared.schemas.base import Schema


class PatientFigures(Schema):
    """A patient in numbers."""

    upcoming_appointments: int
    active_medications: int
    care_team: int
    allergies: int
    visits: int
    record_entries: int


class PatientDashboard(Schema):
    """What a patient sees first."""

    profile: PatientOut
    figures: PatientFigures
    next_appointment: AppointmentOut | None
    upcoming_appointments: list[AppointmentOut]
    care_team: list[CareMember]
    latest_vitals: EntryOut | None
    recent_entries: list[EntryOut]


class _Load(Schema):
    patients: int
    new_patients: int
    appointments_today: int
    appointments_this_week: int


class DoctorFigures(_Load):
    """A doctor's work in numbers."""

    entries_this_month: int


class DoctorDashboard(Schema):
    """What a doctor sees first."""

    profile: DoctorOut
    figures: DoctorFigures
    today: list[AppointmentOut]
    upcoming_appointments: list[AppointmentOut]
    recent_entries: list[WrittenEntry]


class SpecialtyCount(Schema):
    """How many doctors have a specialty."""

    specialty: str
    doctors: int


class InstitutionFigures(_Load):
    """An institution in numbers."""

    doctors: int
    doctors_accepting_patients: int


class InstitutionDashboard(Schema):
    """What an institution sees first."""

    profile: InstitutionOut
    figures: InstitutionFigures
    specialties: list[SpecialtyCount]
    upcoming_appointments: list[AppointmentOut]


class AdminFigures(_Load):
    """The whole clinic in numbers."""

    doctors: int
    institutions: int
    admins: int


class InstitutionCount(NamedRef):
    """How many people an institution has."""

    doctors: int
    patients: int


class AdminDashboard(Schema):
    """What an admin sees first."""

    profile: AdminOut
    figures: AdminFigures
    institutions: list[InstitutionCount]
    specialties: list[SpecialtyCount]
