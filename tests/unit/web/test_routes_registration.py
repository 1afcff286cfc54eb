"""Registration pages and the endpoint behind them."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from tests.unit.web.conftest import ORIGIN, Open, Stub
from tests.unit.web.test_registration import FORMS
from tests.unit.web.test_routes_pages import page_of

from gateline.shared.cookies import SESSION_COOKIE
from gateline.web.navigation import KINDS, Kind

LOGINS = Callable[[Kind], None]


@pytest.fixture
def auth(stub: Stub, open_session: Open) -> LOGINS:
    """Let the stand-in make accounts of a kind."""

    def answer(kind: Kind) -> None:
        stub.put("POST /api/auth/register", {"user": {"id": "7"}}, 201)
        stub.put("POST /api/v1/auth/login", {"access_token": open_session(kind), "user": {}})
        stub.put(f"PATCH /api/v1/{kind}s/me", {"id": "4"})

    return answer


def test_choice(client: FlaskClient) -> None:
    """The first page leads to the form of each kind."""
    links = [tag.get("href") for tag in page_of(client.get("/register")).all("a")]
    assert {f"/register/{kind}" for kind in KINDS} <= set(links)


@pytest.mark.parametrize("kind", KINDS)
def test_form(client: FlaskClient, kind: Kind) -> None:
    """Each field has a label, and what is wrong has a place that the field names."""
    page = page_of(client.get(f"/register/{kind}"))
    inputs = page.all("input")
    labels = {tag["for"] for tag in page.all("label")}
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {tag["id"] for tag in inputs} == labels
    for tag in inputs:
        assert set((tag["aria-describedby"] or "").split()) <= ids
    passwords = [tag for tag in inputs if tag["type"] == "password"]
    assert [tag["autocomplete"] for tag in passwords] == ["new-password"]


def test_unknown_kind(client: FlaskClient) -> None:
    """There are no forms for other kinds, administrators above all."""
    assert client.get("/register/admin").status_code == 404
    assert client.post("/register/admin", data={}, headers={"Origin": ORIGIN}).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_send_form(client: FlaskClient, auth: LOGINS, kind: Kind) -> None:
    """The form makes the account, gives the cookie and leads to the dashboard."""
    auth(kind)
    response = client.post(f"/register/{kind}", data=FORMS[kind], headers={"Origin": ORIGIN})
    assert response.status_code == 303
    assert response.location == f"/{kind}/dashboard?notice=welcome"
    assert client.get_cookie(SESSION_COOKIE) is not None


def test_details_that_could_not_be_kept(client: FlaskClient, auth: LOGINS, stub: Stub) -> None:
    """The dashboard is told that something is missing."""
    auth("patient")
    stub.refuse("PATCH /api/v1/patients/me", 503, "database_unavailable")
    response = client.post("/register/patient", data=FORMS["patient"], headers={"Origin": ORIGIN})
    assert response.location.endswith("?notice=welcome-incomplete")


def test_refused_form(client: FlaskClient, stub: Stub) -> None:
    """A refused form comes back as it was filled in, without the password."""
    form = {**FORMS["doctor"], "phone": "none"}
    response = client.post("/register/doctor", data=form, headers={"Origin": ORIGIN})
    page = page_of(response)
    assert response.status_code == 400
    values = {tag["name"]: tag.get("value") for tag in page.all("input")}
    assert values["first_name"] == "Nora"
    assert values["password"] is None
    wrong = [tag["name"] for tag in page.all("input") if tag.get("aria-invalid")]
    assert wrong == ["phone"]
    assert stub.asked == []


def test_without_auth_service(client: FlaskClient, stub: Stub) -> None:
    """With the auth service away the form says so and keeps what was typed."""
    stub.refuse("POST /api/auth/register", 503, "database_unavailable", "Not just now.")
    response = client.post("/register/doctor", data=FORMS["doctor"], headers={"Origin": ORIGIN})
    assert response.status_code == 503
    assert "Not just now." in page_of(response).text
    assert client.get_cookie(SESSION_COOKIE) is None


def test_other_sites_may_not_register(client: FlaskClient, stub: Stub) -> None:
    """A form on another site makes no account here (login CSRF)."""
    headers = {"Origin": "https://evil.example"}
    assert client.post("/register/doctor", data=FORMS["doctor"], headers=headers).status_code == 403
    answer = client.post("/api/web/auth/doctor/register", json=FORMS["doctor"], headers=headers)
    assert answer.status_code == 403
    assert stub.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_endpoint(client: FlaskClient, auth: LOGINS, kind: Kind) -> None:
    """The endpoint answers 201 with whose account it is and where to go, the token in a cookie."""
    auth(kind)
    body = {name: value for name, value in FORMS[kind].items() if value}
    response = client.post(f"/api/web/auth/{kind}/register", json=body)
    answer = response.get_json()
    assert response.status_code == 201
    assert answer["user"]["user_type"] == kind
    assert answer["redirect"] == f"/{kind}/dashboard?notice=welcome"
    assert answer["complete"] is True
    assert "access_token" not in response.text
    assert client.get_cookie(SESSION_COOKIE) is not None


def test_endpoint_refuses_what_it_does_not_know(client: FlaskClient, stub: Stub) -> None:
    """No field beyond the form is taken, a user type above all."""
    body = {**FORMS["institution"], "user_type": "admin"}
    response = client.post("/api/web/auth/institution/register", json=body)
    assert response.status_code == 400
    assert list(response.get_json()["details"]["fields"]) == ["user_type"]
    assert stub.asked == []
