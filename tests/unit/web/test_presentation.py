"""From what services say to what people read."""

from datetime import UTC, date, datetime

import pytest

from gateline.web.presentation import Row, facts, figures, label, rows, value


@pytest.mark.parametrize(
    ("name", "words"),
    [("patients", "Patients"), ("date_of_birth", "Date of birth"), ("next_visit_at", "Next visit")],
)
def test_names_become_words(name: str, words: str) -> None:
    """A field's name reads like words."""
    assert label(name) == words


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (True, "Yes"),
        (False, "No"),
        (None, "None"),
        (12345, "12,345"),
        ({"id": "1", "name": "St. Anne"}, "St. Anne"),
        ("O+", "O+"),
        ("1980-02-30", "1980-02-30"),
        ("2026", "2026"),
        ("1980-02-03", date(1980, 2, 3)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_values_are_read(found: object, shown: object) -> None:
    """Moments and days become such, numbers are grouped, everything else is text."""
    assert value(found) == shown


def test_figures_are_plain() -> None:
    """Only plain members of a dashboard are figures; deeper ones are left to lists."""
    found = {"patients": 1200, "next": {"id": 1}, "busy": True, "next_at": None}
    assert figures(found) == [("Patients", "1,200"), ("Next", "None")]


def test_facts_leave_out_what_is_empty() -> None:
    """A profile shows what it holds, in a fixed order."""
    profile = {"phone": None, "blood_type": "A+", "email": "a@example.com", "version": 3}
    assert facts(profile) == [("E-mail", "a@example.com"), ("Blood type", "A+")]


def test_appointments_are_rows() -> None:
    """An appointment is its reason, who else takes part, and when."""
    item = {
        "reason": "Check-up",
        "starts_at": "2026-01-02T03:04:05Z",
        "doctor": {"name": "Dr. Ruiz"},
        "patient": {"name": "Ana Gil"},
    }
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    both = Row("Check-up", "Dr. Ruiz · Ana Gil", moment)
    assert rows("appointments", [item], "institution") == [both]
    assert rows("today", [item], "doctor") == [Row("Check-up", "Ana Gil", moment)]
    assert rows("appointments", [item], "patient") == [Row("Check-up", "Dr. Ruiz", moment)]


def test_people_are_rows() -> None:
    """A person is a name, what it does or where it is reached, and one word more."""
    doctor = {"name": "Dr. Ruiz", "specialty": "Cardiology", "part": "primary"}
    patient = {"name": "Ana Gil", "email": "ana@example.com", "date_of_birth": "1980-02-03"}
    assert rows("care_team", [doctor], "patient") == [Row("Dr. Ruiz", "Cardiology", "Primary")]
    assert rows("patients", [patient], "doctor") == [
        Row("Ana Gil", "ana@example.com", date(1980, 2, 3))
    ]


def test_rubbish_in_a_list_is_left_out() -> None:
    """A member of a list that is no object is not shown and breaks nothing."""
    assert rows("patients", ["x", None], "doctor") == []  # type: ignore[list-item]  # what a service may send
