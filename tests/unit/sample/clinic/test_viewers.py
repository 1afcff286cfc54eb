"""Accounts that the clinic has not met yet."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gateline.sample.clinic.models import Patient


@pytest.mark.parametrize("noun", ["patients", "doctors", "institutions", "admins"])
def test_me_makes_a_row_from_the_identity(clinic: Any, noun: str) -> None:
    """A freshly registered account finds its own profile, the same one each time."""
    new = clinic.login(noun.removesuffix("s"), 900, "Nora Neu")
    first = new("GET", f"/api/v1/{noun}/me")
    assert first.status_code == 200
    assert (first.json["name"], first.json["user_id"]) == ("Nora Neu", "900")
    assert first.json["email"] == "account900@example.com"
    assert new("GET", f"/api/v1/{noun}/me").json["id"] == first.json["id"]


def test_a_nameless_account_is_called_by_its_address(clinic: Any) -> None:
    """The name is never empty."""
    shown = clinic.login("patient", 901, " ")("GET", "/api/v1/patients/me").json
    assert shown["name"] == "account901"


def test_two_first_requests_make_one_row(clinic: Any) -> None:
    """Simultaneous first requests meet in the database."""
    new = clinic.login("patient", 902)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: new("GET", "/api/v1/patients/me"), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    rows = clinic.execute(sa.select(Patient.id).where(Patient.user_id == 902))
    assert len(rows) == 1


def test_a_new_doctor_may_create_its_first_patient(clinic: Any) -> None:
    """Without institution or patients it starts with empty lists and its own care."""
    new = clinic.login("doctor", 903)
    assert new("GET", "/api/v1/patients").json == {"items": [], "next_cursor": None}
    created = new("POST", "/api/v1/patients", json={"name": "John"})
    assert created.status_code == 201
    assert created.json["institution"] is None
    assert [item["name"] for item in new("GET", "/api/v1/patients").json["items"]] == ["John"]


def test_a_customer_is_turned_away(clinic: Any) -> None:
    """Kinds of account without business in the clinic get 403 and no row."""
    answer = clinic.login("customer", 904)("GET", "/api/v1/patients/me")
    assert (answer.status_code, answer.json["details"]["reason"]) == (403, "role_missing")
