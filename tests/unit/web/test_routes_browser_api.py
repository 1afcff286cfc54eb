"""The browser API: logins, logout and dashboards as JSON."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.unit.web.conftest import Open, Stub, refusal
from werkzeug.wrappers import Request, Response

from gateline.shared.app import Parts
from gateline.shared.cookies import SECURE_SESSION_COOKIE, SESSION_COOKIE

LOGIN = {"email": "patient@example.com", "password": " a password "}


@pytest.fixture
def auth(stub: Stub, open_session: Open) -> Stub:
    """Let the stand-in log in as the auth service would."""

    def log_in(request: Request) -> Response:
        asked = json.loads(request.get_data())
        if asked["password"] != LOGIN["password"]:
            return refusal(401, "credentials_invalid", "The name or the password is wrong.")
        answer = {
            "access_token": open_session("patient"),
            "refresh_token": "r",
            "token_type": "bearer",
            "expires_in": 1800,
            "user": {"id": "7", "name": "Ana Gil"},
        }
        return Response(json.dumps(answer), mimetype="application/json")

    stub.answers["POST /api/v1/auth/login"] = log_in
    stub.put("POST /api/v1/auth/logout", {"message": "Logged out"})
    return stub


def body_of(response: Any) -> Any:
    """Return the JSON of an answer."""
    return json.loads(response.data)


def reason_of(response: Any) -> str:
    """Return the stable reason of a refusal."""
    return str(body_of(response)["details"]["reason"])


def test_login_sets_the_cookie(client: FlaskClient, auth: Stub) -> None:
    """A login answers whose it is and where to go, and hands the token over in a cookie only."""
    response = client.post("/api/web/auth/patient/login", json=LOGIN)
    assert response.status_code == 200
    answer = body_of(response)
    assert answer["user"] == {
        "id": "7",
        "user_id": 7,
        "email": "patient@example.com",
        "user_type": "patient",
        "name": "Ana Gil",
    }
    assert answer["redirect"] == "/patient/dashboard"
    assert 1790 <= answer["expires_in"] <= 1800
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    assert cookie.value not in response.text
    assert (cookie.http_only, cookie.same_site, cookie.secure, cookie.path) == (
        True,
        "Lax",
        False,
        "/",
    )
    assert response.headers["Cache-Control"] == "no-store"


def test_login_over_tls_sets_a_host_cookie(client: FlaskClient, auth: Stub) -> None:
    """Under TLS the cookie is Secure and carries the __Host- prefix."""
    response = client.post("/api/web/auth/patient/login", json=LOGIN, base_url="https://localhost")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(f"{SECURE_SESSION_COOKIE}=")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    assert "Domain" not in cookie


def test_login_passes_credentials_as_typed(client: FlaskClient, auth: Stub) -> None:
    """The password goes on with its blanks, the address in lower case, with the kind wanted."""
    client.post("/api/web/auth/patient/login", json=LOGIN | {"email": " Patient@Example.com"})
    asked = json.loads(auth.asked[-1].get_data())
    assert asked == LOGIN | {"user_type": "patient"}


def test_login_tells_whose_browser_it_is(client: FlaskClient, auth: Stub) -> None:
    """Auth learns the browser's address and name: it limits logins by the one, lists the other."""
    client.post(
        "/api/web/auth/patient/login",
        json=LOGIN,
        headers={"User-Agent": "Firefox/150", "X-Forwarded-For": "203.0.113.9"},
    )
    headers = auth.asked[-1].headers
    assert headers["X-Forwarded-For"] == "203.0.113.9"
    assert headers["User-Agent"] == "Firefox/150"


def test_wrong_password(client: FlaskClient, auth: Stub) -> None:
    """A wrong password is 401, says no more than that, and sets no cookie."""
    response = client.post("/api/web/auth/patient/login", json=LOGIN | {"password": "x"})
    assert response.status_code == 401
    assert reason_of(response) == "credentials_invalid"
    assert "Set-Cookie" not in response.headers


def test_wrong_kind_said_by_auth(client: FlaskClient, stub: Stub) -> None:
    """A right password for another kind of account is 403, and says where to log in instead."""
    stub.refuse("POST /api/v1/auth/login", 403, "wrong_user_type", "Another kind.")
    response = client.post("/api/web/auth/doctor/login", json=LOGIN)
    assert response.status_code == 403
    assert reason_of(response) == "wrong_user_type"
    assert "choose yours" in response.text
    assert "/admin" in response.text


def test_wrong_kind_that_auth_let_through(client: FlaskClient, auth: Stub, here: Parts) -> None:
    """An auth service that ignores the kind does not open the wrong door; its session is ended."""
    here.sessions.drop_user(7)
    response = client.post("/api/web/auth/doctor/login", json=LOGIN)
    assert response.status_code == 403
    assert reason_of(response) == "wrong_user_type"
    assert "Set-Cookie" not in response.headers
    assert here.sessions.of_user(7) == []


@pytest.mark.parametrize("kind", ["admin", "customer", "Patient", "x"])
def test_other_kinds_have_no_login_here(client: FlaskClient, auth: Stub, kind: str) -> None:
    """Only patients, doctors and institutions log in here."""
    response = client.post(f"/api/web/auth/{kind}/login", json=LOGIN)
    assert response.status_code == 404
    assert auth.asked == []


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"password": "x"}, "email"),
        ({"email": "a@example.com"}, "password"),
        ({"email": "nobody", "password": "x"}, "email"),
        ({"email": "a@example.com", "password": 1}, "password"),
        ({"email": "a@example.com", "password": ""}, "password"),
        ({"email": "a@example.com", "password": "x" * 257}, "password"),
        ({"email": "a@example.com", "password": "x", "user_type": "doctor"}, "user_type"),
    ],
)
def test_bad_login(client: FlaskClient, auth: Stub, payload: Any, field: str) -> None:
    """Missing, malformed, oversized and unknown fields are named; auth is not troubled."""
    response = client.post("/api/web/auth/patient/login", json=payload)
    assert response.status_code == 400
    assert list(body_of(response)["details"]["fields"]) == [field]
    assert auth.asked == []


def test_form_login_is_no_json(client: FlaskClient) -> None:
    """A form from anywhere is not a JSON login (415)."""
    assert client.post("/api/web/auth/patient/login", data=LOGIN).status_code == 415


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_cross_site_login(client: FlaskClient, auth: Stub, headers: dict[str, str]) -> None:
    """Another site cannot log a browser in (login CSRF)."""
    response = client.post("/api/web/auth/patient/login", json=LOGIN, headers=headers)
    assert response.status_code == 403
    assert reason_of(response) == "cross_site"
    assert auth.asked == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}]
)
def test_own_login(client: FlaskClient, auth: Stub, headers: dict[str, str]) -> None:
    """Our own page, and a client that is no browser, may log in."""
    response = client.post("/api/web/auth/patient/login", json=LOGIN, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, "<html>"), (200, "[]"), (200, '{"access_token": "x"}'), (200, '{"access_token": 1}')],
)
def test_login_with_rubbish_from_auth(
    client: FlaskClient, stub: Stub, status: int, answer: str
) -> None:
    """An auth service that answers rubbish is a bad gateway, not a login."""
    stub.answers["POST /api/v1/auth/login"] = lambda _: Response(answer, status)
    response = client.post("/api/web/auth/patient/login", json=LOGIN)
    assert response.status_code == 502
    assert reason_of(response) == "upstream_invalid"


def test_login_limit_is_passed_on(client: FlaskClient, stub: Stub) -> None:
    """What auth says about its login limit reaches the browser."""

    def spent(_: Request) -> Response:
        response = refusal(429, "limit_spent")
        response.headers["Retry-After"] = "17"
        return response

    stub.answers["POST /api/v1/auth/login"] = spent
    response = client.post("/api/web/auth/patient/login", json=LOGIN)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "17"


def test_logout(browse: Callable[..., FlaskClient], auth: Stub) -> None:
    """A logout asks auth to end the session and takes the cookie."""
    client = browse("patient")
    token = client.get_cookie(SESSION_COOKIE).value  # type: ignore[union-attr]  # just set
    response = client.post("/api/web/auth/logout")
    assert response.status_code == 200
    assert auth.asked[-1].path == "/api/v1/auth/logout"
    assert auth.asked[-1].headers["Authorization"] == f"Bearer {token}"
    assert client.get_cookie(SESSION_COOKIE) is None


def test_logout_without_auth(browse: Callable[..., FlaskClient], stub: Stub, here: Parts) -> None:
    """While auth is away a logout still ends the session everywhere, at once."""
    stub.refuse("POST /api/v1/auth/logout", 500, "internal_error")
    client = browse("doctor", user_id=80_011)  # nobody else's
    assert client.post("/api/web/auth/logout").status_code == 200
    assert here.sessions.of_user(80_011) == []


def test_logout_without_session(client: FlaskClient, stub: Stub) -> None:
    """Logging out twice is no error."""
    assert client.post("/api/web/auth/logout").status_code == 200
    assert stub.asked == []


def test_cross_site_logout(browse: Callable[..., FlaskClient], auth: Stub) -> None:
    """Another site cannot log a browser out."""
    response = browse().post("/api/web/auth/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert auth.asked == []


@pytest.mark.parametrize("kind", ["patient", "doctor", "institution"])
def test_dashboard(browse: Callable[..., FlaskClient], clinic: Stub, kind: str) -> None:
    """A dashboard is put together from what the clinic says, in the name of the session."""
    response = browse(kind).get(f"/api/web/{kind}/dashboard")
    assert response.status_code == 200
    answer = body_of(response)
    assert answer["complete"] is True
    assert answer["errors"] == {}
    assert answer["user"]["user_type"] == kind
    assert answer["profile"]["name"] == "Ana Gil"
    assert answer["figures"] == {"upcoming_appointments": 2, "visits": 31}
    assert answer["appointments"][0]["reason"] == "Check-up"
    assert answer["generated_at"].endswith("Z")
    assert all(request.headers["X-User-Type"] == kind for request in clinic.asked)
    assert all(request.headers["Authorization"].startswith("Bearer ") for request in clinic.asked)
    assert response.headers["Cache-Control"] == "no-store"


def test_dashboard_with_a_part_missing(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """A part that could not be had is null and says why; the rest is there."""
    clinic.refuse("GET /api/v1/patients", 403, "role_missing", "You may not.")
    answer = body_of(browse("doctor").get("/api/web/doctor/dashboard"))
    assert answer["patients"] is None
    assert answer["complete"] is False
    assert answer["errors"] == {
        "patients": {"status": 403, "reason": "role_missing", "message": "You may not."}
    }
    assert answer["figures"]["visits"] == 31


def test_dashboard_with_nothing(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """When nothing at all could be had, the first failure is the answer."""
    clinic.answers.clear()
    response = browse("patient").get("/api/web/patient/dashboard")
    assert response.status_code == 404
    assert reason_of(response) == "not_found"


def test_dashboard_needs_a_session(client: FlaskClient) -> None:
    """Without a session a dashboard is 401."""
    response = client.get("/api/web/patient/dashboard")
    assert response.status_code == 401
    assert reason_of(response) == "session_missing"


def test_dashboard_of_another_kind(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """A patient does not get a doctor's dashboard (403)."""
    response = browse("patient").get("/api/web/doctor/dashboard")
    assert response.status_code == 403
    assert reason_of(response) == "role_missing"
    assert clinic.asked == []
