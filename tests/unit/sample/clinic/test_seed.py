"""The sample clinic."""

import time
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateline.sample.clinic import seed
from gateline.sample.clinic.models import Appointment, Base, Doctor, Institution, Patient

TODAY = date(2025, 3, 12)
ACCOUNTS = {
    "patient@example.com": 101,
    "doctor@example.com": 102,
    "institution@example.com": 103,
    "admin@example.com": 104,
    "customer@example.com": 105,
}


def load(clinic: Any, accounts: dict[str, int] | None = None) -> bool:
    """Load the sample clinic for a fixed day."""
    with Session(clinic.engine) as session, session.begin():
        return seed.load(session, ACCOUNTS if accounts is None else accounts, today=TODAY)


def counts(clinic: Any) -> dict[str, int]:
    """Count the rows of every table."""
    tables = Base.metadata.sorted_tables
    columns = [
        sa.select(sa.func.count()).select_from(table).scalar_subquery().label(table.name)
        for table in tables
    ]
    [row] = clinic.execute(sa.select(*columns))
    return dict(row._mapping)


def test_the_clinic_is_large_enough_to_look_real(empty_clinic: Any) -> None:
    """Hundreds of patients, forty doctors of twelve specialties, five institutions, two admins."""
    assert load(empty_clinic) is True
    found = counts(empty_clinic)
    assert found["patients"] >= 400
    assert found["doctors"] == 40
    assert found["institutions"] == 5
    assert found["admins"] == 2
    assert found["appointments"] > 1000
    assert found["record_entries"] > 2000
    [(specialties,)] = empty_clinic.execute(sa.select(sa.func.count(sa.distinct(Doctor.specialty))))
    assert specialties == 12


def test_a_second_load_adds_nothing(empty_clinic: Any) -> None:
    """It only links the accounts again, whatever was edited in between."""
    load(empty_clinic)
    empty_clinic.execute(sa.update(Doctor).values(email=None, license_number=None))
    before = counts(empty_clinic)
    assert load(empty_clinic, {"patient@example.com": 201}) is False
    assert counts(empty_clinic) == before
    [(name,)] = empty_clinic.execute(sa.select(Patient.name).where(Patient.user_id == 201))
    assert name == "Lucía Herrera"


def test_a_url_will_do(empty_clinic: Any, database_url: str) -> None:
    """Given a URL, the load commits by itself."""
    assert seed.load(database_url, ACCOUNTS, today=TODAY) is True
    assert seed.load(database_url, ACCOUNTS, today=TODAY) is False
    assert counts(empty_clinic)["doctors"] == 40


def test_it_is_fast(empty_clinic: Any) -> None:
    """Starting the platform for the first time does not wait for it."""
    start = time.perf_counter()
    load(empty_clinic)
    assert time.perf_counter() - start < 5


def test_an_earlier_empty_profile_gives_way(empty_clinic: Any) -> None:
    """Somebody who came before the sample data keeps the account and gets the sample row."""
    patient = empty_clinic.login("patient", 101)
    assert patient("GET", "/api/v1/patients/me").json["name"] == "New Comer"
    load(empty_clinic)
    assert patient("GET", "/api/v1/patients/me").json["name"] == "Lucía Herrera"


@pytest.mark.parametrize("email", sorted(seed.SAMPLE_ACCOUNTS))
def test_sample_accounts_find_their_rows(empty_clinic: Any, email: str) -> None:
    """Each sample account is somebody with a name, figures and a full dashboard."""
    load(empty_clinic)
    who = seed.SAMPLE_ACCOUNTS[email]
    caller = empty_clinic.login(who.user_type, ACCOUNTS[email])
    shown = caller("GET", f"/api/v1/{who.user_type}s/me/dashboard").json
    assert shown["profile"]["name"] == f"{who.first_name} {who.last_name}"
    assert shown["profile"]["email"] == email
    assert all(shown["figures"].values()), shown["figures"]


def test_the_sample_people_know_each_other(empty_clinic: Any) -> None:
    """The sample doctor looks after the sample patient, at the sample institution."""
    load(empty_clinic)
    patient = empty_clinic.login("patient", 101)
    assert (
        patient("GET", "/api/v1/patients/me").json["institution"]["name"] == "Hospital San Rafael"
    )
    team = patient("GET", "/api/v1/patients/me/care-team").json["items"]
    assert "Andrés Molina" in [member["name"] for member in team]
    doctor = empty_clinic.login("doctor", 102)
    found = doctor("GET", "/api/v1/patients?q=lucia herrera").json["items"]
    assert [item["email"] for item in found] == ["patient@example.com"]


def test_appointments_lie_around_today(empty_clinic: Any) -> None:
    """What was before today is done, what comes is planned."""
    load(empty_clinic)
    day = sa.func.date(sa.func.timezone("UTC", Appointment.starts_at))
    rows = empty_clinic.execute(
        sa.select(Appointment.status, sa.func.min(day), sa.func.max(day)).group_by(
            Appointment.status
        )
    )
    span = {status: (first, last) for status, first, last in rows}
    assert span["completed"][1] < TODAY <= span["scheduled"][0]
    assert set(span) == {"completed", "cancelled", "missed", "scheduled"}


def test_every_institution_has_doctors(empty_clinic: Any) -> None:
    """No empty house."""
    load(empty_clinic)
    staffed = sa.select(Doctor.institution_id)
    empty = empty_clinic.execute(sa.select(Institution.name).where(Institution.id.not_in(staffed)))
    assert empty == []
