"""How an account comes about."""

import json
from typing import Any

import pytest
from flask import Flask
from tests.unit.web.conftest import Open, Stub

from gateline.shared.errors import ApiError
from gateline.web.navigation import Kind
from gateline.web.registration import Registered, body_of, register
from gateline.web.service import Visitor

PERSON = {
    "first_name": "Nora",
    "last_name": "Vidal",
    "email": "Nora@Example.com",
    "password": " a good sentence ",
}
FORMS: dict[Kind, dict[str, str]] = {
    "patient": {**PERSON, "date_of_birth": "1990-02-03", "phone": "+34 600 000 000"},
    "doctor": {**PERSON, "phone": ""},
    "institution": {
        "name": "Clínica del Puerto",
        "email": "house@example.com",
        "password": "a good sentence",
        "city": "Valle Alto",
    },
}


@pytest.fixture
def auth(stub: Stub, open_session: Open) -> Stub:
    """Let the stand-in make accounts and open sessions for patients."""
    stub.put("POST /api/auth/register", {"user": {"id": "7"}}, 201)
    stub.put("POST /api/v1/auth/login", {"access_token": open_session("patient"), "user": {}})
    stub.put("PATCH /api/v1/patients/me", {"id": "4"})
    return stub


def sent(stub: Stub, path: str) -> Any:
    """Return the body of the first request to a path."""
    return json.loads(next(asked.data for asked in stub.asked if asked.path == path))


def signed_up(app: Flask, **changes: str) -> Registered:
    """Register a patient."""
    with app.test_request_context():
        body = body_of("patient", {**FORMS["patient"], **changes})
        return register("patient", body, Visitor("192.0.2.7", "curl/8"))


def test_register(app: Flask, auth: Stub) -> None:
    """The account is made, its session opened, and its service told the rest in its name."""
    made = signed_up(app)
    assert made.complete
    assert made.ticket.claims.user_type == "patient"
    assert sent(auth, "/api/auth/register") == {
        "email": "nora@example.com",
        "password": " a good sentence ",
        "user_type": "patient",
        "first_name": "Nora",
        "last_name": "Vidal",
        "phone": "+34 600 000 000",
    }
    assert sent(auth, "/api/v1/patients/me") == {
        "phone": "+34 600 000 000",
        "date_of_birth": "1990-02-03",
    }
    told = auth.asked[-1]
    assert told.headers["Authorization"] == f"Bearer {made.ticket.token}"
    assert auth.asked[0].headers["X-Forwarded-For"].startswith("192.0.2.7")


def test_nothing_to_tell(app: Flask, auth: Stub) -> None:
    """Without details the kind's own service is not asked at all."""
    made = signed_up(app, phone="", date_of_birth="")
    assert made.complete
    assert all(asked.path != "/api/v1/patients/me" for asked in auth.asked)


def test_details_that_could_not_be_kept(app: Flask, auth: Stub) -> None:
    """With the kind's own service away the account is whole, and says that something is missing."""
    auth.refuse("PATCH /api/v1/patients/me", 503, "database_unavailable")
    assert not signed_up(app).complete


def test_taken_address(app: Flask, auth: Stub) -> None:
    """A refusal of the auth service names its field, and no session is opened."""
    body = {
        "error": "Conflict",
        "message": "There is one.",
        "details": {"reason": "conflict", "fields": {"email": ["There is one."]}},
    }
    auth.put("POST /api/auth/register", body, 409)
    with pytest.raises(ApiError) as refused:
        signed_up(app)
    assert refused.value.status == 409
    assert refused.value.fields == {"email": ["There is one."]}
    assert len(auth.asked) == 1


def test_password_that_is_the_name(app: Flask, auth: Stub) -> None:
    """What the auth service refuses of the whole body is said at the password."""
    details = {"reason": "validation_failed", "fields": {"body": ["must differ"]}}
    body = {"error": "Validation failed", "message": "No.", "details": details}
    auth.put("POST /api/auth/register", body, 400)
    with pytest.raises(ApiError) as refused:
        signed_up(app)
    assert refused.value.fields == {"password": ["must differ"]}


def test_institution_has_one_name() -> None:
    """The name of a house is not cut into two."""
    body = body_of("institution", FORMS["institution"])
    assert body.names() == ("Clínica del Puerto", "")
    assert body.profile() == {"city": "Valle Alto"}


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        ("patient", {"first_name": " "}, "first_name"),
        ("patient", {"email": "nobody"}, "email"),
        ("patient", {"password": "1234567"}, "password"),
        ("patient", {"phone": "none"}, "phone"),
        ("patient", {"date_of_birth": "2999-01-01"}, "date_of_birth"),
        ("patient", {"date_of_birth": "1899-12-31"}, "date_of_birth"),
        ("patient", {"date_of_birth": "yesterday"}, "date_of_birth"),
        ("doctor", {"last_name": "a\nb"}, "last_name"),
        ("institution", {"name": ""}, "name"),
        ("institution", {"city": "x" * 101}, "city"),
    ],
)
def test_wrong_values(kind: Kind, changes: dict[str, str], field: str) -> None:
    """Each wrong value is refused by the name of its field."""
    with pytest.raises(ApiError) as refused:
        body_of(kind, FORMS[kind] | changes)
    assert list(refused.value.fields) == [field]


def test_fields_of_no_form_are_left_out() -> None:
    """A browser may send more than the form has; it is not taken."""
    body = body_of("doctor", {**FORMS["doctor"], "user_type": "admin", "city": "X"})
    assert "user_type" not in body.model_dump()
