"""From what services say to what people read: accounts, dashboards, rows and figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from gateline.policy.identity import Identity
from gateline.shared.tokens import Claims
from gateline.web.dashboards import Composed
from gateline.web.navigation import Kind
from gateline.web.schemas import (
    AccountOut,
    DashboardOut,
    DoctorDashboardOut,
    InstitutionDashboardOut,
    PatientDashboardOut,
)

DASHBOARDS: Final[Mapping[Kind, type[DashboardOut]]] = {
    "patient": PatientDashboardOut,
    "doctor": DoctorDashboardOut,
    "institution": InstitutionDashboardOut,
}

TITLES: Final[Mapping[str, str]] = {
    "profile": "Profile",
    "figures": "Figures",
    "today": "Today",
    "appointments": "Next appointments",
    "care_team": "Care team",
    "entries": "Lately in the record",
    "vitals": "Latest measurements",
    "specialties": "Specialties",
    "doctors": "Newest doctors",
    "patients": "Newest patients",
}

EMPTY: Final[Mapping[str, str]] = {
    "today": "Nothing is planned for today.",
    "appointments": "No appointment is planned.",
    "care_team": "Nobody is in the care team yet.",
    "entries": "Nothing is written yet.",
    "vitals": "Nothing was measured yet.",
    "specialties": "There are no doctors yet.",
    "doctors": "There are no doctors yet.",
    "patients": "There are no patients yet.",
}

_FACTS: Final = (
    "email",
    "phone",
    "date_of_birth",
    "blood_type",
    "specialty",
    "license_number",
    "kind",
    "city",
    "address",
    "website",
    "institution",
    "insurance_number",
)

_UNITS: Final = {
    "heart_rate": "a minute",
    "temperature": "°C",
    "oxygen_saturation": "%",
    "weight": "kg",
    "height": "cm",
}

_LABELS: Final = {"email": "E-mail", "license_number": "Licence", "insurance_number": "Insurance"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list: what it is, a second line below, and when or which on the right."""

    what: str
    detail: str = ""
    aside: str | date = ""


def account_of(who: Identity | Claims, name: str = "") -> AccountOut:
    """Return the account of a session or of a fresh token."""
    return AccountOut(
        id=str(who.user_id),
        user_id=who.user_id,
        email=who.email,
        user_type=who.user_type,
        name=name or getattr(who, "name", ""),
    )


def dashboard_out(kind: Kind, identity: Identity, composed: Composed) -> DashboardOut:
    """Return the payload of a dashboard."""
    return DASHBOARDS[kind](
        user=account_of(identity),
        **composed.parts,
        errors=dict(composed.errors),
        complete=not composed.errors,
        generated_at=datetime.now(UTC),
    )


def label(name: str) -> str:
    """Return the words for a field's name.

    >>> label("next_appointment_at")
    'Next appointment'
    """
    words = name.removesuffix("_at").removesuffix("_on").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def value(found: Any) -> str | date:
    """Return what stands for a value: moments and days as such, everything else as text."""
    if isinstance(found, bool):
        return "Yes" if found else "No"
    if isinstance(found, Mapping):
        return str(found.get("name") or "")
    if isinstance(found, str):
        return _moment(found) or found
    return (
        "None" if found is None else f"{found:,}" if isinstance(found, int | float) else str(found)
    )


def figures(found: Mapping[str, Any]) -> list[tuple[str, str | date]]:
    """Return the plain figures among the members of a dashboard, with their labels."""
    plain = (str, int, float, type(None))
    return [
        (label(name), value(member))
        for name, member in found.items()
        if isinstance(member, plain) and not isinstance(member, bool)
    ]


def facts(profile: Mapping[str, Any]) -> list[tuple[str, str | date]]:
    """Return what a profile says, in a fixed order and without what is empty."""
    return [
        (_LABELS.get(name, label(name)), _fact(name, profile[name]))
        for name in _FACTS
        if profile.get(name)
    ]


def _fact(name: str, found: Any) -> str | date:
    if name == "kind":
        return label(str(found))
    return str(found).removeprefix("https://") if name == "website" else value(found)


def rows(name: str, items: list[dict[str, Any]], kind: Kind) -> list[Row]:
    """Return the lines of a list, as this kind of account wants to read them."""
    kept = [item for item in items if isinstance(item, dict)]
    if name in ("appointments", "today"):
        # Nobody needs to read its own name on every line.
        others = [role for role in ("doctor", "patient") if role != kind]
        return [_appointment(item, others) for item in kept]
    if name == "entries":
        return [_entry(item) for item in kept]
    return [_specialty(item) if name == "specialties" else _person(item) for item in kept]


def measurements(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was measured, with units: `("Blood pressure", "128/82 mmHg")`."""
    details = found.get("details")
    details = details if isinstance(details, Mapping) else {}
    pressure = [details.get("systolic"), details.get("diastolic")]
    shown = [("Blood pressure", f"{pressure[0]}/{pressure[1]} mmHg")] if all(pressure) else []
    return shown + [
        (label(name), f"{details[name]} {unit}")
        for name, unit in _UNITS.items()
        if details.get(name)
    ]


def _entry(item: Mapping[str, Any]) -> Row:
    person = _name(item.get("doctor")) or _name(item.get("patient"))
    detail = " · ".join(filter(None, (label(str(item.get("kind") or "")), person)))
    moment = value(item.get("recorded_at") or "")
    return Row(
        str(item.get("title") or ""),
        detail,
        moment.date() if isinstance(moment, datetime) else moment,
    )


def _specialty(item: Mapping[str, Any]) -> Row:
    return Row(str(item.get("specialty") or ""), aside=value(item.get("doctors") or 0))


def _appointment(item: Mapping[str, Any], roles: list[str]) -> Row:
    people = [_name(item.get(role)) for role in roles]
    return Row(
        str(item.get("reason") or "Appointment"),
        " · ".join(filter(None, people)),
        value(item.get("starts_at") or ""),
    )


def _person(item: Mapping[str, Any]) -> Row:
    detail = item.get("specialty") or item.get("email") or ""
    aside = item.get("part") or item.get("date_of_birth") or item.get("status") or ""
    shown = value(aside)
    return Row(str(item.get("name") or ""), str(detail), shown if shown != aside else label(aside))


def _name(found: Any) -> str:
    return str(found.get("name") or "") if isinstance(found, Mapping) else ""


def _moment(text: str) -> date | None:
    """Return the moment (a datetime in UTC) or the day that an ISO 8601 string names."""
    if len(text) < len("2026-01-01") or not text[:4].isdigit():
        return None
    try:
        if len(text) == len("2026-01-01"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
