"""/api/v1/doctors over HTTP: colleagues, employers and admins."""

from typing import Any

import pytest


def names(answer: Any) -> list[str]:
    """Return the names on a page."""
    assert answer.status_code == 200, answer.json
    return [item["name"] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("ana", ["Ana", "Ben"]),
        ("eve", ["Eve"]),
        ("north", ["Ana", "Ben"]),
        ("root", ["Ana", "Ben", "Eve"]),
    ],
)
def test_everybody_lists_its_own_doctors(clinic: Any, who: str, seen: list[str]) -> None:
    """A doctor sees its colleagues, an institution its doctors, an admin all."""
    assert names(clinic.as_(who)("GET", "/api/v1/doctors/")) == seen


def test_patients_have_no_access(clinic: Any) -> None:
    """Patients meet doctors in their care team only."""
    for path in ("/api/v1/doctors", f"/api/v1/doctors/{clinic.ids['ana']}", "/api/v1/doctors/me"):
        assert clinic.as_("pat")("GET", path).status_code == 403


def test_an_institution_creates_its_doctors(clinic: Any) -> None:
    """They work at the institution that creates them, and nowhere else."""
    north = clinic.as_("north")
    body = {"name": "Dora", "specialty": "Neurology", "license_number": "L-1"}
    created = north("POST", "/api/v1/doctors", json=body)
    assert created.status_code == 201
    assert created.json["institution"]["name"] == "North"
    assert north("GET", created.headers["Location"]).json == created.json
    elsewhere = north("POST", "/api/v1/doctors", json={**body, "institution_id": 999})
    assert elsewhere.status_code == 403
    assert clinic.as_("ana")("POST", "/api/v1/doctors", json=body).status_code == 403


def test_a_license_is_held_once(clinic: Any) -> None:
    """A second doctor with the license is 409 by field, until the first is gone."""
    root = clinic.as_("root")
    body = {"name": "Dora", "specialty": "Neurology", "license_number": "L-1"}
    first = root("POST", "/api/v1/doctors", json=body)
    again = root("POST", "/api/v1/doctors", json=body)
    assert again.status_code == 409
    assert list(again.json["details"]["fields"]) == ["license_number"]
    assert root("DELETE", first.headers["Location"]).status_code == 204
    assert root("POST", "/api/v1/doctors", json=body).status_code == 201


def test_an_account_has_one_row(clinic: Any) -> None:
    """An admin links accounts; one that is linked already is 409 by field."""
    root = clinic.as_("root")
    body = {"name": "Dora", "specialty": "Neurology", "user_id": 21}
    answer = root("POST", "/api/v1/doctors", json=body)
    assert answer.status_code == 409
    assert list(answer.json["details"]["fields"]) == ["user_id"]
    linked = root("POST", "/api/v1/doctors", json={**body, "user_id": "77"})
    assert linked.json["user_id"] == "77"
    assert clinic.login("doctor", 77)("GET", "/api/v1/doctors/me").json["name"] == "Dora"
    assert clinic.as_("north")("POST", "/api/v1/doctors", json=body).status_code == 403


def test_a_doctor_changes_itself_but_no_colleague(clinic: Any) -> None:
    """Its biography is its own; specialty and status are its institution's."""
    ana, ben = clinic.as_("ana"), f"/api/v1/doctors/{clinic.ids['ben']}"
    own = ana("PATCH", "/api/v1/doctors/me", json={"biography": "Hearts.\nOnly hearts."})
    assert own.json["biography"] == "Hearts.\nOnly hearts."
    assert ana("PATCH", "/api/v1/doctors/me", json={"specialty": "Magic"}).status_code == 403
    assert ana("GET", ben).status_code == 200
    assert ana("PATCH", ben, json={"name": "Bob"}).status_code == 403
    assert ana("DELETE", ben).status_code == 403
    north = clinic.as_("north")
    assert north("PATCH", ben, json={"status": "on_leave"}).json["status"] == "on_leave"
    assert names(north("GET", "/api/v1/doctors?status=on_leave")) == ["Ben"]


def test_only_an_admin_moves_a_doctor(clinic: Any) -> None:
    """Moving decides who sees whom, so it is nobody else's."""
    ben, south = f"/api/v1/doctors/{clinic.ids['ben']}", clinic.ids["south"]
    move = {"institution_id": south}
    assert clinic.as_("north")("PATCH", ben, json=move).status_code == 403
    moved = clinic.as_("root")("PATCH", ben, json=move)
    assert moved.json["institution"] == {"id": str(south), "name": "South"}
    assert clinic.as_("north")("GET", ben).status_code == 404


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("specialty=cardiology", ["Ana", "Eve"]),
        ("institution={south}", ["Eve"]),
        ("accepting_patients=false", []),
        ("q=be", ["Ben"]),
        ("sort=-created_at&limit=1", ["Eve"]),
    ],
)
def test_lists_are_filtered(clinic: Any, query: str, seen: list[str]) -> None:
    """Every filter narrows the list."""
    answer = clinic.as_("root")("GET", f"/api/v1/doctors?{query.format(**clinic.ids)}")
    assert names(answer) == seen


def test_a_doctor_lists_its_appointments(clinic: Any) -> None:
    """Upcoming ones come next first, all of them latest first."""
    ana = clinic.as_("ana")
    coming = ana("GET", "/api/v1/doctors/me/appointments?starting=upcoming").json["items"]
    assert [item["starts_at"] for item in coming] == [
        "2025-03-12T14:00:00Z",
        "2025-03-13T14:00:00Z",
    ]
    assert coming[0]["patient"] == {"id": str(clinic.ids["pat"]), "name": "Pat"}
    done = ana("GET", "/api/v1/doctors/me/appointments?status=completed").json["items"]
    assert [item["starts_at"] for item in done] == ["2025-03-10T12:00:00Z"]


def test_a_deleted_doctor_leaves_the_care_team(clinic: Any) -> None:
    """Its patients lose sight of it, and it of them."""
    assert clinic.as_("north")("DELETE", f"/api/v1/doctors/{clinic.ids['ana']}").status_code == 204
    team = clinic.as_("pat")("GET", "/api/v1/patients/me/care-team")
    assert team.json["items"] == []
    assert clinic.as_("ana")("GET", "/api/v1/patients").status_code == 403
