"""Plan the clinic's sample rows as plain values: pure, given a seed and a day.

Rows refer to each other by their place in the plan's lists, starting at zero. Row 0 of patients,
doctors, institutions and admins belongs to the sample account of its kind.
"""

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from gateline.sample.clinic import seed_words as words

Row = dict[str, Any]

DOCTORS: Final = 40
PATIENTS: Final = 432
_CLINICAL: Final = 4  # the last institution is a laboratory, where nobody is a patient


@dataclass(frozen=True, slots=True)
class Plan:
    """Every row of the sample clinic, in insertion order."""

    today: date
    institutions: list[Row]
    admins: list[Row]
    doctors: list[Row]
    patients: list[Row]
    care_links: list[Row]
    appointments: list[Row]
    record_entries: list[Row]


def plan(seed: int, today: date) -> Plan:
    """Plan all rows; the same arguments give the same plan."""
    chance = random.Random(seed)  # noqa: S311 - sample data, nothing to guess
    doctors = [_doctor(chance, number) for number in range(DOCTORS)]
    patients = [_patient(chance, number, today) for number in range(PATIENTS)]
    care_links = list(_care_links(chance, doctors, patients, today))
    return Plan(
        today=today,
        institutions=[_institution(number) for number in range(len(words.INSTITUTIONS))],
        admins=_admins(),
        doctors=doctors,
        patients=patients,
        care_links=care_links,
        appointments=list(_appointments(chance, care_links, today)),
        record_entries=[
            entry for link in care_links for entry in _entries(chance, link, patients, today)
        ],
    )


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain.lower().replace(" ", ".")


def _phone(number: int) -> str:
    return f"+1 555 01{number // 100:02d} {number % 100:02d}{(number * 37) % 100:02d}"


def _institution(number: int) -> Row:
    name, kind, city = words.INSTITUTIONS[number]
    email = "institution@example.com" if number == 0 else f"{_slug(name)}@example.org"
    return {
        "name": name,
        "kind": kind,
        "city": city,
        "email": email,
        "phone": _phone(9000 + number),
        "address": f"{words.STREETS[number]} {10 + 7 * number}",
        "website": f"https://{_slug(name).replace('.', '-')}.example.org",
    }


def _admins() -> list[Row]:
    people = (("Carmen Ortega", "admin@example.com", "Operations"),
              ("Walter Shaw", "walter.shaw@example.org", "Records"))  # fmt: skip
    return [
        {"name": name, "email": email, "department": department, "phone": _phone(9500 + number)}
        for number, (name, email, department) in enumerate(people)
    ]


def _person(chance: random.Random, gender: str) -> str:
    first = chance.choice(words.FEMALE_NAMES if gender == "female" else words.MALE_NAMES)
    return f"{first} {' '.join(chance.sample(words.SURNAMES, 2))}"


def _doctor(chance: random.Random, number: int) -> Row:
    name = _person(chance, chance.choice(("female", "male")))
    specialty = words.SPECIALTIES[number % len(words.SPECIALTIES)]
    years = chance.randint(3, 32)
    row: Row = {
        "name": name,
        "email": f"{_slug(name)}.{number}@example.org",
        "phone": _phone(8000 + number),
        "institution_id": number % len(words.INSTITUTIONS),
        "specialty": specialty,
        "license_number": f"CL-{20000 + 131 * number}",
        "biography": f"{years} years in {specialty.lower()}.",
        "accepting_patients": chance.random() < 0.8,
        "status": "on_leave" if chance.random() < 0.07 else "active",
    }
    if number == 0:
        row |= {"name": "Andrés Molina", "email": "doctor@example.com", "status": "active"}
        row |= {"accepting_patients": True}
    return row


def _patient(chance: random.Random, number: int, today: date) -> Row:
    gender = chance.choice(("female", "male"))
    name = _person(chance, gender)
    created = datetime.combine(today - timedelta(days=chance.randint(0, 900)), time(8), UTC)
    row: Row = {
        "name": name,
        "email": f"{_slug(name)}.{number}@example.org",
        "phone": _phone(number),
        "institution_id": 0 if number == 0 else chance.randrange(_CLINICAL),
        "date_of_birth": today - timedelta(days=chance.randint(300, 33000)),
        "gender": gender,
        "blood_type": chance.choices(words.BLOOD_TYPES, words.BLOOD_WEIGHTS)[0],
        "address": f"{chance.choice(words.STREETS)} {chance.randint(1, 240)}",
        "insurance_number": f"INS-{100000 + 7919 * number % 900000}",
        "emergency_contact": {
            "name": _person(chance, chance.choice(("female", "male"))),
            "phone": _phone(5000 + number),
            "relation": chance.choice(words.RELATIONS),
        },
        "status": chance.choices(("active", "inactive", "discharged"), (90, 6, 4))[0],
        "created_at": created,
        "updated_at": created,
    }
    if number == 0:
        row |= {"name": "Lucía Herrera", "email": "patient@example.com", "gender": "female"}
        row |= {"status": "active", "date_of_birth": today - timedelta(days=12700)}
    return row


def _care_links(
    chance: random.Random, doctors: list[Row], patients: list[Row], today: date
) -> Iterator[Row]:
    """Give every patient a primary doctor and up to two others of the same institution."""
    staff = {
        place: [n for n, row in enumerate(doctors) if row["institution_id"] == place]
        for place in range(_CLINICAL)
    }
    for number, patient in enumerate(patients):
        team = chance.sample(staff[patient["institution_id"]], chance.randint(1, 3))
        if number == 0:
            team = staff[0][:3]
        for part, doctor in zip(("primary", "specialist", "consulting"), team, strict=False):
            since = max(patient["created_at"].date(), today - timedelta(days=700))
            yield {"patient_id": number, "doctor_id": doctor, "part": part, "since": since}


def _appointments(chance: random.Random, care_links: list[Row], today: date) -> Iterator[Row]:
    taken: set[tuple[int, datetime]] = set()
    for link in care_links:
        sample = link["patient_id"] == 0
        days = [chance.randint(-240, -1) for _ in range(chance.randint(0, 2) + 2 * sample)]
        if sample or chance.random() < 0.55:
            days.append(chance.randint(1, 45))
        if chance.random() < (0.25 if link["doctor_id"] == 0 else 0.06):
            days.append(0)
        for day in days:
            slot = datetime.combine(today + timedelta(days=day), time(8 + chance.randrange(9)), UTC)
            slot += timedelta(minutes=chance.choice((0, 30)))
            if (link["doctor_id"], slot) not in taken:
                taken.add((link["doctor_id"], slot))
                yield _appointment(chance, link, slot, past=day < 0)


def _appointment(chance: random.Random, link: Row, slot: datetime, *, past: bool) -> Row:
    past_status = chance.choices(("completed", "cancelled", "missed"), (88, 8, 4))[0]
    next_status = "cancelled" if chance.random() < 0.05 else "scheduled"
    return {
        "patient_id": link["patient_id"],
        "doctor_id": link["doctor_id"],
        "starts_at": slot,
        "minutes": 30,
        "reason": chance.choice(words.APPOINTMENT_REASONS),
        "status": past_status if past else next_status,
    }


def _entries(chance: random.Random, link: Row, patients: list[Row], today: date) -> Iterator[Row]:
    """Plan what one doctor wrote into one record: the primary doctor writes the most."""
    if link["part"] == "primary":
        kinds = ["visit", "vitals", "lab_result", *chance.choices(_KINDS, k=chance.randint(1, 5))]
        if link["patient_id"] == 0:
            kinds = [kind for kind in _KINDS for _ in range(3)]
    else:
        kinds = chance.choices(_KINDS, k=chance.randint(0, 2))
    opened = patients[link["patient_id"]]["created_at"].date()
    for kind in kinds:
        day = today - timedelta(days=chance.randint(1, max(1, min(600, (today - opened).days))))
        title, details = _MAKERS[kind](chance)
        yield {
            "patient_id": link["patient_id"],
            "doctor_id": link["doctor_id"],
            "kind": kind,
            "title": title,
            "notes": "Discussed with the patient." if chance.random() < 0.2 else None,
            "details": details,
            "recorded_at": datetime.combine(day, time(9 + chance.randrange(8)), UTC),
        }


def _visit(chance: random.Random) -> tuple[str, Row]:
    reason, summary = chance.choice(words.VISITS)
    return reason, {"reason": reason, "summary": summary}


def _diagnosis(chance: random.Random) -> tuple[str, Row]:
    title, code = chance.choice(words.DIAGNOSES)
    return title, {"code": code, "severity": chance.choice(("mild", "moderate"))}


def _medication(chance: random.Random) -> tuple[str, Row]:
    title, dose, frequency = chance.choice(words.MEDICATIONS)
    return title, {"dose": dose, "frequency": frequency}


def _allergy(chance: random.Random) -> tuple[str, Row]:
    substance, reaction, severity = chance.choice(words.ALLERGIES)
    return f"Allergy: {substance}", {
        "substance": substance,
        "reaction": reaction,
        "severity": severity,
    }


def _vitals(chance: random.Random) -> tuple[str, Row]:
    systolic = chance.randint(98, 152)
    return "Vital signs", {
        "systolic": systolic,
        "diastolic": systolic - chance.randint(35, 55),
        "heart_rate": chance.randint(54, 98),
        "temperature": round(chance.uniform(36.1, 37.4), 1),
        "oxygen_saturation": chance.randint(94, 100),
        "weight": round(chance.uniform(48, 105), 1),
    }


def _lab_result(chance: random.Random) -> tuple[str, Row]:
    test, unit, low, high = chance.choice(words.LAB_TESTS)
    value = round(chance.uniform(low * 0.8, high * 1.2), 1)
    return test, {"test": test, "value": value, "unit": unit, "low": low, "high": high}


_MAKERS: Final = {
    "visit": _visit,
    "diagnosis": _diagnosis,
    "medication": _medication,
    "allergy": _allergy,
    "vitals": _vitals,
    "lab_result": _lab_result,
}
_KINDS: Final = tuple(_MAKERS)
