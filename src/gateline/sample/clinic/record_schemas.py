"""Payloads of the medical record: one schema of details for each kind of entry."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, JsonValue

from gateline.sample.clinic.schemas import DoctorRef, Line, NamedRef, Shown, Text
from gateline.shared.schemas.base import PageQuery, Schema, Timestamp

EntryKind = Literal["visit", "diagnosis", "medication", "allergy", "vitals", "lab_result"]
Severity = Literal["mild", "moderate", "severe"]


def _between(low: float, high: float) -> Any:
    return Field(ge=low, le=high)


class VisitDetails(Schema):
    """What a visit was about."""

    reason: Line
    summary: Text | None = None


class DiagnosisDetails(Schema):
    """A diagnosis by its ICD-10 code."""

    code: Annotated[str, Field(pattern=r"^[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?$")]
    severity: Severity | None = None
    resolved_on: date | None = None


class MedicationDetails(Schema):
    """A prescription; without `ends_on` it goes on."""

    dose: Line
    frequency: Line
    ends_on: date | None = None


class AllergyDetails(Schema):
    """An allergy and what it does."""

    substance: Line
    reaction: Line | None = None
    severity: Severity | None = None


class VitalsDetails(Schema):
    """Measurements: mmHg, beats a minute, °C, %, kg and cm."""

    systolic: Annotated[int, _between(40, 300)] | None = None
    diastolic: Annotated[int, _between(20, 200)] | None = None
    heart_rate: Annotated[int, _between(20, 300)] | None = None
    temperature: Annotated[float, _between(25, 45)] | None = None
    oxygen_saturation: Annotated[int, _between(30, 100)] | None = None
    weight: Annotated[float, _between(0.2, 500)] | None = None
    height: Annotated[float, _between(20, 280)] | None = None


class LabResultDetails(Schema):
    """One value from a laboratory with its reference range."""

    test: Line
    value: Annotated[float, _between(-1e9, 1e9)]
    unit: Annotated[str, Field(min_length=1, max_length=20)]
    low: Annotated[float, _between(-1e9, 1e9)] | None = None
    high: Annotated[float, _between(-1e9, 1e9)] | None = None


DETAILS: Final[Mapping[str, type[Schema]]] = MappingProxyType(
    {
        "visit": VisitDetails,
        "diagnosis": DiagnosisDetails,
        "medication": MedicationDetails,
        "allergy": AllergyDetails,
        "vitals": VitalsDetails,
        "lab_result": LabResultDetails,
    }
)


class EntryBody(Schema):
    """A new entry; `details` must fit the schema that `DETAILS` holds for its kind."""

    kind: EntryKind
    title: Line
    notes: Text | None = None
    recorded_at: AwareDatetime | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict, max_length=20)


class EntryOut(Shown):
    """An entry of the record."""

    kind: str
    title: str
    notes: str | None
    details: dict[str, Any]
    recorded_at: Timestamp
    doctor: DoctorRef


class WrittenEntry(Shown):
    """An entry as its author's dashboard shows it."""

    kind: str
    title: str
    recorded_at: Timestamp
    patient: NamedRef


class EntryQuery(PageQuery):
    """Filters of a medical record."""

    kind: EntryKind | None = None


class RecordOut(Schema):
    """A page of a medical record with what one wants to see at once."""

    patient: NamedRef
    counts: dict[str, int]
    items: list[EntryOut]
    next_cursor: str | None
