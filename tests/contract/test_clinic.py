"""The clinic through the front door: sample accounts, role rules and data as people meet them."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from running_platform import RunningPlatform

SECONDS = 15


class Caller:
    """An account logged in at the edge."""

    def __init__(self, platform: RunningPlatform, email: str, password: str) -> None:
        self._url = platform.url
        self.session = requests.Session()
        login = self("POST", "/api/auth/login", json={"email": email, "password": password})
        assert login.status_code == 200, login.text
        self.session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; redirects are answers."""
        url = self._url.rstrip("/") + path
        return self.session.request(method, url, timeout=SECONDS, allow_redirects=False, **options)


@pytest.fixture(scope="module")
def as_(platform: RunningPlatform) -> Iterator[Callable[[str], Caller]]:
    """Give a caller for each kind of sample account, logged in once."""
    callers: dict[str, Caller] = {}

    def login(kind: str) -> Caller:
        if kind not in callers:
            email = f"{kind}@example.com"
            callers[kind] = Caller(platform, email, platform.accounts[email])
        return callers[kind]

    yield login
    for caller in callers.values():
        caller.session.close()


def test_the_sample_patient_reads_itself(as_: Callable[[str], Caller]) -> None:
    """`GET /api/v1/patients/me` answers from PostgreSQL what the sample data say."""
    answer = as_("patient")("GET", "/api/v1/patients/me")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Lucía Herrera"
    assert answer.json()["email"] == "patient@example.com"
    assert answer.json()["institution"]["name"] == "Hospital San Rafael"


@pytest.mark.parametrize("path", ["/api/v1/doctors", "/api/v1/doctors/", "/api/v1/patients/"])
def test_a_patient_is_refused_every_list(as_: Callable[[str], Caller], path: str) -> None:
    """403 role_missing in the standard body, from the edge or from the service."""
    answer = as_("patient")("GET", path)
    assert answer.status_code == 403
    assert set(answer.json()) == {"error", "message", "details"}
    assert answer.json()["details"]["reason"] == "role_missing"


def test_without_a_token_the_gate_stays_shut(platform: RunningPlatform) -> None:
    """Identity headers that a client sends count for nothing."""
    spoofed = {"X-User-ID": "1", "X-User-Type": "admin", "X-User-Email": "admin@example.com"}
    for noun in ("doctors", "patients", "institutions", "admins"):
        url = f"{platform.url}/api/v1/{noun}/"
        assert requests.get(url, headers=spoofed, timeout=SECONDS).status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/patients", "/api/v1/patients/"])
def test_a_doctor_lists_its_patients(as_: Callable[[str], Caller], path: str) -> None:
    """With and without the slash, without a redirect."""
    answer = as_("doctor")("GET", path, params={"limit": 100})
    assert answer.status_code == 200
    assert "Lucía Herrera" in [item["name"] for item in answer.json()["items"]]


def test_a_doctor_creates_a_patient_by_name(as_: Callable[[str], Caller]) -> None:
    """`POST /api/v1/patients/` with `{"name": "John"}`: 201, and the place answers."""
    doctor = as_("doctor")
    created = doctor("POST", "/api/v1/patients/", json={"name": "John"})
    assert created.status_code == 201
    assert created.json()["name"] == "John"
    again = doctor("GET", created.headers["Location"])
    assert (again.status_code, again.json()) == (200, created.json())
    assert as_("patient")("GET", created.headers["Location"]).status_code == 404


def test_a_repeated_create_is_made_once(as_: Callable[[str], Caller]) -> None:
    """The Idempotency-Key reaches the service; the same request gives the same patient."""
    doctor, key = as_("doctor"), {"Idempotency-Key": uuid4().hex}
    first = doctor("POST", "/api/v1/patients", json={"name": "Once"}, headers=key)
    second = doctor("POST", "/api/v1/patients", json={"name": "Once"}, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    other = doctor("POST", "/api/v1/patients", json={"name": "Twice"}, headers=key)
    assert other.status_code == 409


def test_cursors_lead_through_the_whole_clinic(as_: Callable[[str], Caller]) -> None:
    """An admin walks over hundreds of patients and meets each once."""
    admin, seen, cursor = as_("admin"), [], ""
    while cursor is not None:
        params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        page = admin("GET", "/api/v1/patients/", params=params).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) >= 400


def test_an_institution_keeps_doctors(as_: Callable[[str], Caller]) -> None:
    """It creates one, changes it with If-Match, and deletes it for good."""
    institution = as_("institution")
    created = institution(
        "POST", "/api/v1/doctors/", json={"name": "Dora Neu", "specialty": "Neurology"}
    )
    assert created.status_code == 201
    place = created.headers["Location"]
    tag = {"If-Match": created.headers["ETag"]}
    changed = institution("PATCH", place, json={"status": "on_leave"}, headers=tag)
    assert changed.json()["status"] == "on_leave"
    assert institution("PATCH", place, json={"name": "X"}, headers=tag).status_code == 412
    assert institution("DELETE", place).status_code == 204
    assert institution("GET", place).status_code == 404


def test_a_doctor_writes_into_the_record(as_: Callable[[str], Caller]) -> None:
    """The patient finds the entry in its own medical record, and its doctor in its care team."""
    patient, doctor = as_("patient"), as_("doctor")
    row_id = patient("GET", "/api/v1/patients/me").json()["id"]
    entry = {"kind": "vitals", "title": "Vital signs", "details": {"heart_rate": 61}}
    created = doctor("POST", f"/api/v1/patients/{row_id}/medical-record", json=entry)
    assert created.status_code == 201
    record = patient("GET", "/api/v1/patients/me/medical-record").json()
    assert created.json() in record["items"]
    team = patient("GET", "/api/v1/patients/me/care-team").json()
    assert "Andrés Molina" in [member["name"] for member in team["items"]]


@pytest.mark.parametrize("kind", ["patient", "doctor", "institution", "admin"])
def test_me_is_chosen_by_the_kind_of_account(as_: Callable[[str], Caller], kind: str) -> None:
    """`/api/v1/me/…` leads each account to its own service, with figures to show."""
    caller = as_(kind)
    shown = caller("GET", "/api/v1/me/dashboard")
    assert shown.status_code == 200
    assert shown.json()["figures"]
    profile = caller("GET", f"/api/v1/{kind}s/me").json()
    assert shown.json()["profile"] == profile


def test_wrong_fields_are_named(as_: Callable[[str], Caller]) -> None:
    """400 in the standard body, each field by its name."""
    answer = as_("doctor")("POST", "/api/v1/patients/", json={"name": 7, "shoe_size": 44})
    assert answer.status_code == 400
    assert set(answer.json()["details"]["fields"]) == {"name", "shoe_size"}
    assert answer.json()["details"]["request_id"]


def test_a_new_patient_has_a_profile_at_once(platform: RunningPlatform) -> None:
    """Whoever registers finds its own, empty profile without anybody's doing."""
    email, password = f"{uuid4().hex}@example.com", "correct horse battery staple"
    body = {
        "email": email,
        "password": password,
        "user_type": "patient",
        "first_name": "Nora",
        "last_name": "Neu",
    }
    made = requests.post(f"{platform.url}/api/auth/register", json=body, timeout=SECONDS)
    assert made.status_code == 201, made.text
    caller = Caller(platform, email, password)
    profile = caller("GET", "/api/v1/patients/me").json()
    assert (profile["name"], profile["email"]) == ("Nora Neu", email)
    assert caller("GET", "/api/v1/patients/me/dashboard").json()["figures"]["care_team"] == 0
    caller.session.close()
