"""The plan of the sample clinic, without any database."""

from datetime import date, timedelta

from gateline.sample.clinic.record_schemas import DETAILS
from gateline.sample.clinic.schemas import DoctorBody, InstitutionBody, PatientBody
from gateline.sample.clinic.seed_rows import plan

TODAY = date(2025, 3, 12)


def test_the_same_seed_gives_the_same_rows() -> None:
    """Nothing depends on the process, the clock or another random source."""
    assert plan(7, TODAY) == plan(7, TODAY)
    assert plan(7, TODAY).patients != plan(8, TODAY).patients


def test_dates_move_with_the_day() -> None:
    """A day later everything lies a day later."""
    today, tomorrow = plan(7, TODAY), plan(7, TODAY + timedelta(days=1))
    for before, after in zip(today.appointments, tomorrow.appointments, strict=True):
        assert after["starts_at"] - before["starts_at"] == timedelta(days=1)


def test_rows_obey_the_schemas() -> None:
    """What is sampled could have been sent through the API."""
    rows = plan(7, TODAY)
    for schema, people in (
        (PatientBody, rows.patients),
        (DoctorBody, rows.doctors),
        (InstitutionBody, rows.institutions),
    ):
        for row in people:
            known = {k: v for k, v in row.items() if k in schema.model_fields}
            schema.model_validate(
                {**known, "institution_id": 1} if "institution_id" in row else known
            )
    for entry in rows.record_entries:
        DETAILS[entry["kind"]].model_validate(entry["details"])


def test_unique_things_are_unique() -> None:
    """License numbers, addresses and slots of one doctor occur once."""
    rows = plan(7, TODAY)
    for values in (
        [row["license_number"] for row in rows.doctors],
        [row["email"] for row in rows.patients + rows.doctors],
        [(row["doctor_id"], row["starts_at"]) for row in rows.appointments],
        [(row["patient_id"], row["doctor_id"]) for row in rows.care_links],
    ):
        assert len(values) == len(set(values))


def test_nothing_was_written_in_the_future() -> None:
    """Records and care began before today."""
    rows = plan(7, TODAY)
    assert max(entry["recorded_at"].date() for entry in rows.record_entries) < TODAY
    assert max(link["since"] for link in rows.care_links) <= TODAY
