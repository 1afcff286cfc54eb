"""Medical records, care teams and appointments over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gateline.sample.clinic.models import RecordEntry
from gateline.sample.clinic.record_schemas import DETAILS

RECORD = "/api/v1/patients/{pat}/medical-record"


def test_a_patient_reads_its_record(clinic: Any) -> None:
    """Latest entries first, with counts of every kind and the doctor who wrote them."""
    record = clinic.as_("pat")("GET", "/api/v1/patients/me/medical-record")
    assert record.status_code == 200
    assert record.json["patient"] == {"id": str(clinic.ids["pat"]), "name": "Pat"}
    kinds = [entry["kind"] for entry in record.json["items"]]
    assert kinds == ["allergy", "medication", "vitals", "visit"]
    assert record.json["counts"] == dict.fromkeys(DETAILS, 1) | {"diagnosis": 0, "lab_result": 0}
    assert record.json["items"][0]["doctor"] == {
        "id": str(clinic.ids["ana"]),
        "name": "Ana",
        "specialty": "Cardiology",
    }
    same = clinic.as_("pat")("GET", RECORD.format(**clinic.ids))
    assert same.json == record.json


@pytest.mark.parametrize(
    ("who", "status"),
    [("ana", 200), ("north", 200), ("root", 200), ("ben", 404), ("quin", 404), ("south", 404)],
)
def test_a_record_exists_for_those_who_see_the_patient(clinic: Any, who: str, status: int) -> None:
    """For everybody else there is no such patient."""
    assert clinic.as_(who)("GET", RECORD.format(**clinic.ids)).status_code == status


def test_a_record_is_paged_and_filtered(clinic: Any) -> None:
    """A cursor leads through all entries once; `kind` picks one kind."""
    ana, path = clinic.as_("ana"), RECORD.format(**clinic.ids)
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = ana("GET", f"{path}?limit=3&cursor={cursor}" if cursor else f"{path}?limit=3").json
        seen += [entry["kind"] for entry in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["allergy", "medication", "vitals", "visit"]
    visits = ana("GET", f"{path}?kind=visit").json["items"]
    assert [entry["title"] for entry in visits] == ["A visit"]
    assert ana("GET", f"{path}?kind=rumour").status_code == 400


ENTRIES = {
    "visit": {"reason": "Cough", "summary": "Lungs clear."},
    "diagnosis": {"code": "J45.909", "severity": "mild", "resolved_on": "2025-01-01"},
    "medication": {"dose": "50 mg", "frequency": "once a day"},
    "allergy": {"substance": "Latex"},
    "vitals": {"systolic": 120, "diastolic": 80, "temperature": 36.6},
    "lab_result": {"test": "TSH", "value": 2.5, "unit": "mIU/L", "low": 0.4, "high": 4.0},
}


@pytest.mark.parametrize("kind", sorted(ENTRIES))
def test_a_doctor_adds_entries_of_every_kind(clinic: Any, kind: str) -> None:
    """The entry is answered with its place and stands in the record under the doctor's name."""
    ana, path = clinic.as_("ana"), RECORD.format(**clinic.ids)
    created = ana("POST", path, json={"kind": kind, "title": "New", "details": ENTRIES[kind]})
    assert created.status_code == 201, created.json
    assert created.json["details"] == ENTRIES[kind]
    assert created.json["recorded_at"] == "2025-03-12T12:00:00Z"
    assert created.json["doctor"]["name"] == "Ana"
    assert ana("GET", created.headers["Location"]).json == created.json
    own = clinic.as_("pat")("GET", "/api/v1/patients/me/medical-record").json
    assert own["items"][0] == created.json


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({}, {"kind", "title"}),
        ({"kind": "rumour", "title": "x"}, {"kind"}),
        ({"kind": "visit", "title": "x"}, {"details.reason"}),
        ({"kind": "visit", "title": "x", "details": {"reason": 1, "z": 1}},
         {"details.reason", "details.z"}),
        ({"kind": "diagnosis", "title": "x", "details": {"code": "flu"}}, {"details.code"}),
        ({"kind": "vitals", "title": "x", "details": {"systolic": "120"}}, {"details.systolic"}),
        ({"kind": "vitals", "title": "x", "details": {"systolic": 900}}, {"details.systolic"}),
        ({"kind": "vitals", "title": "x", "details": []}, {"details"}),
        ({"kind": "vitals", "title": "x", "recorded_at": "2025-03-12T12:00:00"}, {"recorded_at"}),
        ({"kind": "vitals", "title": "x", "recorded_at": "2025-03-12T13:00:00Z"}, {"recorded_at"}),
        ({"kind": "vitals", "title": "x", "recorded_at": "0001-01-01T00:00:00+14:00"},
         {"recorded_at"}),
    ],
)  # fmt: skip
def test_wrong_entries_are_refused_by_field(
    clinic: Any, entry: dict[str, Any], fields: set[str]
) -> None:
    """Details are checked against the schema of their kind."""
    answer = clinic.as_("ana")("POST", RECORD.format(**clinic.ids), json=entry)
    assert answer.status_code == 400
    assert set(answer.json["details"]["fields"]) == fields


def test_infinity_is_no_laboratory_value(clinic: Any) -> None:
    """1e400 is valid JSON and no number that PostgreSQL could keep."""
    body = '{"kind":"lab_result","title":"x","details":{"test":"T","value":1e400,"unit":"u"}}'
    answer = clinic.as_("ana")(
        "POST", RECORD.format(**clinic.ids), data=body, content_type="application/json"
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("who", "status"), [("pat", 403), ("north", 403), ("root", 403), ("ben", 404)]
)
def test_only_a_doctor_in_charge_writes(clinic: Any, who: str, status: int) -> None:
    """Others than doctors may not write; for other doctors there is no such patient."""
    body = {"kind": "vitals", "title": "x"}
    assert clinic.as_(who)("POST", RECORD.format(**clinic.ids), json=body).status_code == status


def test_an_entry_belongs_to_one_record(clinic: Any) -> None:
    """An entry's id under another patient is 404."""
    [(entry,)] = clinic.execute(sa.select(sa.func.min(RecordEntry.id)))
    root = clinic.as_("root")
    right = f"/api/v1/patients/{clinic.ids['pat']}/medical-record/{entry}"
    wrong = f"/api/v1/patients/{clinic.ids['quin']}/medical-record/{entry}"
    assert root("GET", right).status_code == 200
    assert root("GET", wrong).status_code == 404


def test_a_patient_reads_its_care_team(clinic: Any) -> None:
    """With what it needs to reach them."""
    [member] = clinic.as_("pat")("GET", "/api/v1/patients/me/care-team").json["items"]
    assert (member["name"], member["specialty"]) == ("Ana", "Cardiology")
    assert (member["part"], member["since"]) == ("primary", "2025-01-02")
    assert member["institution"]["name"] == "North"


def test_joining_the_care_team_opens_the_patient(clinic: Any) -> None:
    """Ana brings Ben in, once and in one part at a time; then Ben sees Pat until he leaves."""
    ana, ben = clinic.as_("ana"), clinic.as_("ben")
    patient = f"/api/v1/patients/{clinic.ids['pat']}"
    seat = f"{patient}/care-team/{clinic.ids['ben']}"
    assert ben("GET", patient).status_code == 404
    for part in ("consulting", "specialist"):
        team = ana("PUT", seat, json={"part": part})
        assert [member["part"] for member in team.json["items"]] == ["primary", part]
    assert ben("GET", patient).status_code == 200
    assert ana("DELETE", seat).status_code == 204
    assert ana("DELETE", seat).status_code == 404
    assert ben("GET", patient).status_code == 404


@pytest.mark.parametrize(
    ("who", "doctor", "status"),
    [("pat", "ben", 403), ("ana", "eve", 404), ("ben", "ben", 404), ("root", "eve", 200)],
)
def test_who_may_bring_whom_into_care(clinic: Any, who: str, doctor: str, status: int) -> None:
    """Both the patient and the doctor must exist for whoever asks."""
    seat = f"/api/v1/patients/{clinic.ids['pat']}/care-team/{clinic.ids[doctor]}"
    assert clinic.as_(who)("PUT", seat, json={}).status_code == status


def test_an_institution_sees_the_patients_of_its_doctors(clinic: Any) -> None:
    """Also those that are registered elsewhere, while one of its doctors looks after them."""
    seat = f"/api/v1/patients/{clinic.ids['pat']}/care-team/{clinic.ids['eve']}"
    clinic.as_("root")("PUT", seat, json={"part": "consulting"})
    listed = clinic.as_("south")("GET", "/api/v1/patients").json["items"]
    assert [item["name"] for item in listed] == ["Pat", "Rob"]


def test_a_patient_lists_its_appointments(clinic: Any) -> None:
    """All of them latest first, past ones on demand; others' do not exist."""
    pat = clinic.as_("pat")
    assert len(pat("GET", "/api/v1/patients/me/appointments").json["items"]) == 3
    past = pat("GET", "/api/v1/patients/me/appointments?starting=past").json["items"]
    assert [item["status"] for item in past] == ["completed"]
    other = f"/api/v1/patients/{clinic.ids['pat']}/appointments"
    assert clinic.as_("quin")("GET", other).status_code == 404


def test_the_past_moves_with_the_clock(clinic: Any) -> None:
    """What is upcoming is told by the app's clock."""
    clinic.clock.now += timedelta(days=1).total_seconds()
    pat = clinic.as_("pat")
    assert len(pat("GET", "/api/v1/patients/me/appointments?starting=past").json["items"]) == 2
