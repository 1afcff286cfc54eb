"""The figures of every kind of dashboard, and what they cost."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from gateline.sample.clinic import seed

HOME = {"pat": "patients", "ana": "doctors", "north": "institutions", "root": "admins"}


@pytest.mark.parametrize(
    ("who", "figures"),
    [
        (
            "pat",
            {
                "upcoming_appointments": 2,
                "active_medications": 1,
                "care_team": 1,
                "allergies": 1,
                "visits": 1,
                "record_entries": 4,
            },
        ),
        (
            "ana",
            {
                "patients": 1,
                "new_patients": 1,
                "appointments_today": 1,
                "appointments_this_week": 2,
                "entries_this_month": 4,
            },
        ),
        (
            "north",
            {
                "patients": 2,
                "new_patients": 2,
                "appointments_today": 1,
                "appointments_this_week": 2,
                "doctors": 2,
                "doctors_accepting_patients": 2,
            },
        ),
        (
            "root",
            {
                "patients": 3,
                "new_patients": 3,
                "appointments_today": 1,
                "appointments_this_week": 2,
                "doctors": 3,
                "institutions": 2,
                "admins": 2,
            },
        ),
    ],
)
def test_figures_count_what_the_viewer_sees(clinic: Any, who: str, figures: dict[str, int]) -> None:
    """Each kind of account has figures of its own, over its own part of the clinic."""
    answer = clinic.as_(who)("GET", f"/api/v1/{HOME[who]}/me/dashboard")
    assert answer.status_code == 200
    assert answer.json["figures"] == figures
    assert answer.json["profile"]["name"] == who.title()


def test_a_patient_sees_what_is_next(clinic: Any) -> None:
    """The next appointment, the latest vitals and who cares."""
    shown = clinic.as_("pat")("GET", "/api/v1/patients/me/dashboard").json
    assert shown["next_appointment"]["starts_at"] == "2025-03-12T14:00:00Z"
    assert shown["next_appointment"]["doctor"]["name"] == "Ana"
    assert shown["latest_vitals"]["kind"] == "vitals"
    assert shown["recent_entries"][0]["kind"] == "allergy"
    assert [member["name"] for member in shown["care_team"]] == ["Ana"]


def test_a_doctor_sees_its_day(clinic: Any) -> None:
    """Today's appointments and what it wrote last, with the patient's name."""
    shown = clinic.as_("ana")("GET", "/api/v1/doctors/me/dashboard").json
    assert [item["starts_at"] for item in shown["today"]] == ["2025-03-12T14:00:00Z"]
    assert len(shown["upcoming_appointments"]) == 2
    assert shown["recent_entries"][0]["patient"]["name"] == "Pat"


def test_an_admin_sees_every_institution(clinic: Any) -> None:
    """With its doctors and patients counted, and doctors by specialty."""
    shown = clinic.as_("root")("GET", "/api/v1/admins/me/dashboard").json
    assert [(one["name"], one["doctors"], one["patients"]) for one in shown["institutions"]] == [
        ("North", 2, 2),
        ("South", 1, 1),
    ]
    assert shown["specialties"][0] == {"specialty": "Cardiology", "doctors": 2}


def test_an_empty_dashboard_is_one_too(empty_clinic: Any) -> None:
    """A patient who registered a second ago sees zeros, not an error."""
    shown = empty_clinic.login("patient", 900)("GET", "/api/v1/patients/me/dashboard").json
    assert set(shown["figures"].values()) == {0}
    assert shown["next_appointment"] is None
    assert shown["latest_vitals"] is None


COSTS = (
    ("patient", "/api/v1/patients/me/dashboard", 8),
    ("doctor", "/api/v1/doctors/me/dashboard", 6),
    ("institution", "/api/v1/institutions/me/dashboard", 5),
    ("admin", "/api/v1/admins/me/dashboard", 5),
    ("doctor", "/api/v1/patients?limit=100", 2),
    ("admin", "/api/v1/patients?limit=100", 2),
    ("institution", "/api/v1/patients?limit=100", 2),
    ("institution", "/api/v1/doctors?limit=100", 2),
    ("patient", "/api/v1/patients/me/care-team", 3),
    ("patient", "/api/v1/patients/me/medical-record?limit=100", 4),
    ("doctor", "/api/v1/doctors/me/appointments?limit=100", 2),
)


def test_no_answer_costs_a_statement_per_row(empty_clinic: Any) -> None:
    """Over the whole sample clinic every answer takes a few statements, however many rows."""
    accounts = {email: number for number, email in enumerate(seed.SAMPLE_ACCOUNTS, 1)}
    with Session(empty_clinic.engine) as session, session.begin():
        seed.load(session, accounts, today=datetime(2025, 3, 12, tzinfo=UTC).date())
    for who, path, most in COSTS:
        caller = empty_clinic.login(who, accounts[f"{who}@example.com"])
        with empty_clinic.statements() as sent:
            answer = caller("GET", path)
        assert answer.status_code == 200
        assert len(sent) <= most, (who, path, sent)
