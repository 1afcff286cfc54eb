"""How the clinic answers creates: once for each `Idempotency-Key`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gateline.sample.clinic.models import KeptAnswer, Patient
from gateline.shared.idempotency import LIFE

PATH = "/api/v1/patients"
KEY = {"Idempotency-Key": "a3f1-77"}


def johns(clinic: Any) -> int:
    """Count the patients called John."""
    [(number,)] = clinic.execute(
        sa.select(sa.func.count()).select_from(Patient).where(Patient.name == "John")
    )
    return int(number)


def test_the_same_key_and_request_create_once(clinic: Any) -> None:
    """The second answer is the first one, and says so."""
    ana = clinic.as_("ana")
    first = ana("POST", PATH, json={"name": "John"}, headers=KEY)
    second = ana("POST", f"{PATH}/", json={"name": "John"}, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert first.headers["Location"] == second.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert johns(clinic) == 1


def test_the_same_key_with_another_body_conflicts(clinic: Any) -> None:
    """409: the client mixed up its keys."""
    ana = clinic.as_("ana")
    ana("POST", PATH, json={"name": "John"}, headers=KEY)
    other = ana("POST", PATH, json={"name": "Jane"}, headers=KEY)
    assert other.status_code == 409
    assert other.json["details"]["reason"] == "conflict"


def test_keys_belong_to_accounts(clinic: Any) -> None:
    """Two accounts may use the same key."""
    for who in ("ana", "ben"):
        answer = clinic.as_(who)("POST", PATH, json={"name": "John"}, headers=KEY)
        assert answer.status_code == 201
    assert johns(clinic) == 2


def test_a_refused_create_leaves_the_key_free(clinic: Any) -> None:
    """After a 400 the corrected request may use the key again."""
    ana = clinic.as_("ana")
    assert ana("POST", PATH, json={"name": ""}, headers=KEY).status_code == 400
    late = ana("POST", PATH, json={"name": "J", "date_of_birth": "2099-01-01"}, headers=KEY)
    assert late.status_code == 400
    assert ana("POST", PATH, json={"name": "John"}, headers=KEY).status_code == 201


def test_a_key_expires(clinic: Any) -> None:
    """After a day the key creates again, and old answers are swept away."""
    ana = clinic.as_("ana")
    ana("POST", PATH, json={"name": "John"}, headers=KEY)
    ana("POST", PATH, json={"name": "John"}, headers={"Idempotency-Key": "other"})
    clinic.clock.now += (LIFE + timedelta(seconds=1)).total_seconds()
    ana = clinic.as_("ana")
    assert ana("POST", PATH, json={"name": "John"}, headers=KEY).status_code == 201
    assert johns(clinic) == 3
    assert [row.key for row in clinic.execute(sa.select(KeptAnswer.key))] == ["a3f1-77"]


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "clé"])
def test_a_key_is_visible_ascii(clinic: Any, key: str) -> None:
    """Anything else is 400 and names the header."""
    headers = {"Idempotency-Key": key}
    answer = clinic.as_("ana")("POST", PATH, json={"name": "John"}, headers=headers)
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == ["Idempotency-Key"]


def test_simultaneous_repeats_create_once(clinic: Any) -> None:
    """The later requests wait for the first and get its answer."""
    ana = clinic.as_("ana")

    def create(_: int) -> Any:
        return ana("POST", PATH, json={"name": "John"}, headers=KEY)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(create, range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert johns(clinic) == 1


def test_record_entries_are_written_once(clinic: Any) -> None:
    """The key works for every create."""
    ana, path = clinic.as_("ana"), f"{PATH}/{clinic.ids['pat']}/medical-record"
    body = {"kind": "vitals", "title": "x", "details": {"heart_rate": 70}}
    first = ana("POST", path, json=body, headers=KEY)
    second = ana("POST", path, json=body, headers=KEY)
    assert first.json == second.json
    assert ana("GET", path).json["counts"]["vitals"] == 2
