"""/api/v1/patients over HTTP: who sees and does what, and with which answer."""

from typing import Any

import pytest


def reason(answer: Any) -> str:
    """Return the stable reason of an error."""
    return str(answer.json["details"]["reason"])


def names(answer: Any) -> list[str]:
    """Return the names on a page."""
    assert answer.status_code == 200, answer.json
    return [item["name"] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("ana", ["Pat"]),
        ("ben", ["Quin"]),
        ("north", ["Pat", "Quin"]),
        ("south", ["Rob"]),
        ("root", ["Pat", "Quin", "Rob"]),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/patients", "/api/v1/patients/"])
def test_everybody_lists_its_own_patients(
    clinic: Any, who: str, seen: list[str], path: str
) -> None:
    """Lists hold what exists for the viewer, with and without a trailing slash."""
    assert names(clinic.as_(who)("GET", path)) == seen


def test_a_patient_may_not_list(clinic: Any) -> None:
    """A list is refused to patients with 403 role_missing."""
    answer = clinic.as_("pat")("GET", "/api/v1/patients/")
    assert (answer.status_code, reason(answer)) == (403, "role_missing")


def test_without_a_session_nothing_is_answered(clinic: Any) -> None:
    """The service verifies the bearer itself, also behind the gateway."""
    client = clinic.app.test_client()
    answer = client.get("/api/v1/patients/me", headers={"X-User-ID": "11"})
    assert (answer.status_code, reason(answer)) == (401, "session_missing")


def test_a_doctor_creates_a_patient_by_name_alone(clinic: Any) -> None:
    """The new patient joins the doctor's care at the doctor's institution."""
    ana = clinic.as_("ana")
    created = ana("POST", "/api/v1/patients/", json={"name": "John"})
    assert created.status_code == 201
    assert created.json["name"] == "John"
    assert created.json["institution"] == {"id": str(clinic.ids["north"]), "name": "North"}
    place = created.headers["Location"]
    assert place == f"/api/v1/patients/{created.json['id']}"
    assert ana("GET", place).json == created.json
    assert names(ana("GET", "/api/v1/patients")) == ["John", "Pat"]
    assert clinic.as_("ben")("GET", place).status_code == 404
    team = ana("GET", f"{place}/care-team").json["items"]
    assert [(member["name"], member["part"]) for member in team] == [("Ana", "primary")]


def test_an_institution_and_an_admin_create_patients_too(clinic: Any) -> None:
    """They join nobody's care; only an admin chooses the institution."""
    south = clinic.ids["south"]
    by_north = clinic.as_("north")("POST", "/api/v1/patients", json={"name": "Kim"})
    assert by_north.json["institution"]["name"] == "North"
    by_root = clinic.as_("root")(
        "POST", "/api/v1/patients", json={"name": "Lee", "institution_id": str(south)}
    )
    assert by_root.json["institution"]["name"] == "South"
    elsewhere = clinic.as_("ana")(
        "POST", "/api/v1/patients", json={"name": "Max", "institution_id": south}
    )
    assert (elsewhere.status_code, reason(elsewhere)) == (403, "role_missing")
    assert "institution_id" in elsewhere.json["details"]["fields"]


def test_a_patient_may_not_create(clinic: Any) -> None:
    """Patients do not make patients."""
    assert clinic.as_("pat")("POST", "/api/v1/patients", json={"name": "X"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"name": 7}, {"name"}),
        ({"name": "J" * 121}, {"name"}),
        ({"name": "a\nb"}, {"name"}),
        ({"name": "J", "shoe_size": 44, "x": 1}, {"shoe_size", "x"}),
        ({"name": "J", "email": "no", "blood_type": "Z"}, {"email", "blood_type"}),
        ({"name": "J", "date_of_birth": "2025-02-30"}, {"date_of_birth"}),
        ({"name": "J", "date_of_birth": "2025-03-13"}, {"date_of_birth"}),
        ({"name": "J", "phone": "call me"}, {"phone"}),
        ({"name": "J", "emergency_contact": {"name": "M"}}, {"emergency_contact.phone"}),
        ({"name": "J", "status": True}, {"status"}),
        ({"name": "J", "user_id": 2**63}, {"user_id"}),
    ],
)
def test_every_wrong_field_is_named(clinic: Any, body: dict[str, Any], fields: set[str]) -> None:
    """Missing, unknown, oversized and wrongly typed fields are answered with 400 by name."""
    answer = clinic.as_("ana")("POST", "/api/v1/patients/", json=body)
    assert (answer.status_code, reason(answer)) == (400, "validation_failed")
    assert set(answer.json["details"]["fields"]) == fields


def test_an_unknown_institution_is_a_wrong_field(clinic: Any) -> None:
    """A reference to nothing is refused by name, not by the database."""
    body = {"name": "J", "institution_id": 987654}
    answer = clinic.as_("root")("POST", "/api/v1/patients", json=body)
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == ["institution_id"]


def test_a_patient_sees_itself_and_nobody_else(clinic: Any) -> None:
    """Other patients answer 404, as if they were not there."""
    pat = clinic.as_("pat")
    mine = pat("GET", "/api/v1/patients/me")
    assert mine.json["name"] == "Pat"
    assert mine.json["user_id"] == "11"
    assert pat("GET", f"/api/v1/patients/{clinic.ids['pat']}").json == mine.json
    other = pat("GET", f"/api/v1/patients/{clinic.ids['quin']}")
    assert (other.status_code, reason(other)) == (404, "not_found")
    assert pat("PATCH", f"/api/v1/patients/{clinic.ids['quin']}", json={}).status_code == 404


@pytest.mark.parametrize(
    "row_id", ["0", "-1", "999999", "9223372036854775808", "9" * 5000, "abc", "1e3"]
)
def test_an_id_that_nobody_has_is_not_found(clinic: Any, row_id: str) -> None:
    """Whatever stands in the path, it is 404 and never a crash."""
    root, path = clinic.as_("root"), f"/api/v1/patients/{row_id}"
    assert root("GET", path).status_code == 404
    assert root("PUT", path, json={"name": "N"}).status_code == 404
    assert root("DELETE", path).status_code == 404


def test_only_patients_have_a_patients_me(clinic: Any) -> None:
    """A doctor has no profile among the patients: 403."""
    assert clinic.as_("ana")("GET", "/api/v1/patients/me").status_code == 403


def test_a_patient_changes_its_contact_data(clinic: Any) -> None:
    """PATCH /me writes what was sent and leaves the rest."""
    pat = clinic.as_("pat")
    changed = pat(
        "PATCH", "/api/v1/patients/me", json={"phone": "+1 555 0100", "email": "Pat@Example.com"}
    )
    assert changed.status_code == 200
    assert (changed.json["phone"], changed.json["email"]) == ("+1 555 0100", "pat@example.com")
    assert changed.json["name"] == "Pat"
    cleared = pat("PATCH", "/api/v1/patients/me", json={"phone": None})
    assert cleared.json["phone"] is None


def test_a_patient_cannot_move_itself(clinic: Any) -> None:
    """Fields that are not its own are refused with 403 by name, and nothing is written."""
    body = {"phone": "+1 555 0100", "status": "inactive", "institution_id": clinic.ids["south"]}
    answer = clinic.as_("pat")("PATCH", "/api/v1/patients/me", json=body)
    assert (answer.status_code, reason(answer)) == (403, "role_missing")
    assert set(answer.json["details"]["fields"]) == {"status", "institution_id"}
    assert clinic.as_("pat")("GET", "/api/v1/patients/me").json["phone"] is None


def test_null_is_no_name(clinic: Any) -> None:
    """A required field can be left out of a PATCH but not emptied."""
    answer = clinic.as_("ana")(
        "PATCH", f"/api/v1/patients/{clinic.ids['pat']}", json={"name": None}
    )
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == ["name"]


def test_put_writes_the_row_anew(clinic: Any) -> None:
    """What PUT leaves out becomes empty, but nobody loses its place or account by it."""
    path = f"/api/v1/patients/{clinic.ids['pat']}"
    answer = clinic.as_("ana")("PUT", path, json={"name": "Patricia", "gender": "female"})
    assert answer.status_code == 200
    shown = answer.json
    assert (shown["name"], shown["gender"], shown["email"]) == ("Patricia", "female", None)
    assert (shown["user_id"], shown["institution"]["name"]) == ("11", "North")
    assert clinic.as_("ana")("PUT", path, json={"gender": "other"}).status_code == 400


def test_a_patient_puts_itself(clinic: Any) -> None:
    """Fields that are not the patient's stay as they are when it leaves them out."""
    path = f"/api/v1/patients/{clinic.ids['pat']}"
    assert clinic.as_("ana")("PATCH", path, json={"blood_type": "0+"}).status_code == 400
    assert clinic.as_("ana")("PATCH", path, json={"blood_type": "O+"}).status_code == 200
    answer = clinic.as_("pat")("PUT", path, json={"name": "Patricia"})
    assert answer.status_code == 200
    assert (answer.json["name"], answer.json["blood_type"]) == ("Patricia", "O+")


def test_a_change_may_depend_on_what_was_read(clinic: Any) -> None:
    """With If-Match the second of two writers gets 412 instead of overwriting the first."""
    ana, path = clinic.as_("ana"), f"/api/v1/patients/{clinic.ids['pat']}"
    read = ana("GET", path).headers["ETag"]
    first = ana("PATCH", path, json={"phone": "555 0101"}, headers={"If-Match": read})
    assert first.status_code == 200
    assert first.headers["ETag"] != read
    second = ana("PATCH", path, json={"phone": "555 0102"}, headers={"If-Match": read})
    assert (second.status_code, reason(second)) == (412, "precondition_failed")
    again = ana("PUT", path, json={"name": "P"}, headers={"If-Match": "*"})
    assert again.status_code == 200


def test_a_change_that_changes_nothing_keeps_the_version(clinic: Any) -> None:
    """Writing what is there leaves the ETag alone."""
    pat = clinic.as_("pat")
    before = pat("GET", "/api/v1/patients/me").headers["ETag"]
    same = pat("PATCH", "/api/v1/patients/me", json={"name": "Pat", "status": "active"})
    assert (same.status_code, same.headers["ETag"]) == (200, before)


def test_deleting_is_for_offices_and_final(clinic: Any) -> None:
    """A deleted patient is 404 for everybody and its account is inactive; the row stays."""
    path = f"/api/v1/patients/{clinic.ids['pat']}"
    assert clinic.as_("ana")("DELETE", path).status_code == 403
    assert clinic.as_("south")("DELETE", path).status_code == 404
    gone = clinic.as_("north")("DELETE", path)
    assert (gone.status_code, gone.data) == (204, b"")
    for who in ("north", "root", "ana"):
        assert clinic.as_(who)("GET", path).status_code == 404
    assert clinic.as_("north")("DELETE", path).status_code == 404
    assert names(clinic.as_("root")("GET", "/api/v1/patients")) == ["Quin", "Rob"]
    own = clinic.as_("pat")("GET", "/api/v1/patients/me")
    assert (own.status_code, reason(own)) == (403, "account_inactive")


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("q=PAT", ["Pat"]),
        ("q=pat@example.com", ["Pat"]),
        ("q=%25", []),
        ("gender=female", ["Quin"]),
        ("status=discharged", ["Rob"]),
        ("institution={north}", ["Pat", "Quin"]),
        ("doctor={eve}", ["Rob"]),
        ("sort=-name", ["Rob", "Quin", "Pat"]),
        ("sort=created_at&limit=2", ["Pat", "Quin"]),
    ],
)
def test_lists_are_filtered(clinic: Any, query: str, seen: list[str]) -> None:
    """Every filter narrows the list, the search as plain text."""
    answer = clinic.as_("root")("GET", f"/api/v1/patients?{query.format(**clinic.ids)}")
    assert names(answer) == seen


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("page=2", "page"),
        ("gender=cat", "gender"),
        ("institution=0", "institution"),
        ("institution=9999999999999999999", "institution"),
        ("q=%00", "q"),
        ("q=a&q=b", "q"),
        ("cursor=nonsense", "cursor"),
        ("cursor=eyJhIjoxfQ", "cursor"),
        ("sort=age", "sort"),
    ],
)
def test_wrong_queries_are_named(clinic: Any, query: str, field: str) -> None:
    """A query parameter that is unknown or wrong is 400 by name."""
    answer = clinic.as_("root")("GET", f"/api/v1/patients?{query}")
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == [field]


def test_the_search_ignores_accents_and_order(clinic: Any) -> None:
    """`herrera lucia` finds Lucía Herrera."""
    clinic.as_("ana")("POST", "/api/v1/patients", json={"name": "Lucía Herrera"})
    found = clinic.as_("ana")("GET", "/api/v1/patients?q=herrera lucia")
    assert names(found) == ["Lucía Herrera"]


def test_the_body_must_be_json(clinic: Any) -> None:
    """Another content type is 415, broken JSON 400 malformed_json."""
    ana = clinic.as_("ana")
    form = ana("POST", "/api/v1/patients", data={"name": "John"})
    assert (form.status_code, reason(form)) == (415, "unsupported_media_type")
    broken = ana("POST", "/api/v1/patients", data="{", content_type="application/json")
    assert (broken.status_code, reason(broken)) == (400, "malformed_json")


def test_an_unknown_method_is_405(clinic: Any) -> None:
    """The answer names what the address knows."""
    answer = clinic.as_("root")("DELETE", "/api/v1/patients")
    assert (answer.status_code, reason(answer)) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
