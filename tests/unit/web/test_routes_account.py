"""The account page and its forms."""

import json
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from tests.unit.web.conftest import ORIGIN, Stub
from tests.unit.web.test_account import ROWS
from tests.unit.web.test_routes_pages import page_of

SID = "6f1c2a34-5b7d-4e8f-9a0b-1c2d3e4f5a6b"
FORMS = {
    "/account/profile": {"name": "Nora", "phone": ""},
    "/account/password": {"current_password": "one", "new_password": "another one"},
    f"/account/sessions/{SID}/end": {},
    "/account/sessions/end": {},
}


@pytest.fixture
def services(stub: Stub) -> Stub:
    """Let the stand-in do everything that the page asks for."""
    rows = [{**row, "id": SID if row["id"] == "new" else row["id"]} for row in ROWS]
    stub.put("GET /api/users/me", {"name": "Nora <b>", "phone": None, "email": "n@example.com"})
    stub.put("GET /api/auth/sessions", {"items": rows})
    stub.put("PATCH /api/users/me", {"name": "Nora"})
    stub.put("POST /api/auth/change-password", {"sessions_ended": 2})
    stub.put("DELETE /api/auth/sessions", {"sessions_ended": 2})
    stub.put(f"DELETE /api/auth/sessions/{SID}", None, 204)
    return stub


@pytest.fixture
def owner(browse: Callable[..., FlaskClient], services: Stub) -> FlaskClient:
    """Give the browser of somebody who is logged in."""
    return browse("patient")


def test_page(owner: FlaskClient) -> None:
    """The page shows the profile, escaped, and each session with what ends it."""
    response = owner.get("/account")
    page = page_of(response)
    assert response.status_code == 200
    assert "Nora <b>" not in response.text
    actions = [tag.get("action") for tag in page.all("form")]
    assert f"/account/sessions/{SID}/end" in actions
    assert "/account/sessions/end" in actions
    assert actions.count("/logout") == 2
    assert "This one" in page.text


@pytest.mark.parametrize("kind", ["admin", "customer", "doctor", "institution"])
def test_everybody_has_one(browse: Callable[..., FlaskClient], services: Stub, kind: str) -> None:
    """The page is there for every kind of account."""
    assert browse(kind).get("/account").status_code == 200


def test_strangers_log_in_first(client: FlaskClient, stub: Stub) -> None:
    """Without a session the page and its forms lead to the login."""
    assert client.get("/account").location == "/?login=1&next=/account"
    for path, form in FORMS.items():
        assert client.post(path, data=form, headers={"Origin": ORIGIN}).status_code == 302
    assert stub.asked == []


@pytest.mark.parametrize(
    ("path", "done"), list(zip(FORMS, ("profile", "password", "session", "others"), strict=True))
)
def test_form(owner: FlaskClient, path: str, done: str) -> None:
    """A form that was taken leads back to the page, which says so."""
    response = owner.post(path, data=FORMS[path], headers={"Origin": ORIGIN})
    assert response.status_code == 303
    assert response.location == f"/account?done={done}"
    assert "status" in [tag.get("role") for tag in page_of(owner.get(response.location)).all("p")]


def test_empty_telephone_removes_it(owner: FlaskClient, services: Stub) -> None:
    """An empty field is no number, it is none."""
    owner.post("/account/profile", data=FORMS["/account/profile"], headers={"Origin": ORIGIN})
    assert json.loads(services.asked[-1].data) == {"name": "Nora", "phone": None}


@pytest.mark.parametrize("path", FORMS)
def test_other_sites_change_nothing(owner: FlaskClient, services: Stub, path: str) -> None:
    """A form on another site changes nothing, although the browser sends the cookie."""
    response = owner.post(path, data=FORMS[path], headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert services.asked == []


def test_wrong_password(owner: FlaskClient, services: Stub) -> None:
    """A refusal is said at its field, and no password comes back in the page."""
    details = {"reason": "validation_failed", "fields": {"current_password": ["is not yours"]}}
    body = {"error": "Validation failed", "message": "No.", "details": details}
    services.put("POST /api/auth/change-password", body, 400)
    form = FORMS["/account/password"]
    response = owner.post("/account/password", data=form, headers={"Origin": ORIGIN})
    page = page_of(response)
    assert response.status_code == 400
    assert "Is not yours." in page.text
    assert "another one" not in response.text


def test_refusal_of_no_field(owner: FlaskClient, services: Stub) -> None:
    """What concerns no field is said above the form, and what was typed is kept."""
    services.refuse("PATCH /api/users/me", 503, "database_unavailable", "Not just now.")
    form = {"name": "Typed Name", "phone": "1234"}
    response = owner.post("/account/profile", data=form, headers={"Origin": ORIGIN})
    page = page_of(response)
    assert response.status_code == 503
    assert "Not just now." in page.text
    assert "Typed Name" in [tag.get("value") for tag in page.all("input")]


def test_session_that_ends_on_the_way(owner: FlaskClient, services: Stub) -> None:
    """A session that a service no longer knows leads to the login."""
    services.refuse("PATCH /api/users/me", 401, "session_revoked")
    form = FORMS["/account/profile"]
    response = owner.post("/account/profile", data=form, headers={"Origin": ORIGIN})
    assert response.location == "/?login=1&next=/account"


def test_parts_that_are_away(owner: FlaskClient, services: Stub) -> None:
    """Each part of the page says that it is missing; the other is there."""
    services.refuse("GET /api/users/me", 503, "database_unavailable", "Profiles rest.")
    text = page_of(owner.get("/account")).text
    assert "Profiles rest." in text
    assert "This one" in text
