"""The control room over HTTP: who gets in, what is asked of auth, and the page itself."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.unit.web.conftest import ORIGIN, Stub

from gateline.shared.app import Parts
from gateline.shared.cookies import SESSION_COOKIE

AUTH = "/api/auth/admin"
NEW = {"username": "olga", "password": "a password of some length"}

ENDPOINTS = [
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("GET", "/admin/users/olga"),
    ("PATCH", "/admin/users/olga"),
    ("DELETE", "/admin/users/olga"),
    ("PUT", "/admin/users/olga/password"),
    ("DELETE", "/admin/users/olga/sessions"),
    ("GET", "/admin/sessions"),
    ("DELETE", "/admin/sessions/6f1f9b0e-5f0c-4a52-b0b5-0f0f0f0f0f0f"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/dashboard/stats"),
    ("GET", "/admin/logs"),
]


@pytest.fixture
def admin(browse: Callable[..., FlaskClient]) -> FlaskClient:
    """Give an administrator's browser."""
    return browse("admin")


@pytest.fixture
def granting(stub: Stub, here: Parts) -> Callable[..., str]:
    """Give a function that lets auth grant the next login to a kind of account."""

    def grant(user_type: str = "admin") -> str:
        token, _ = here.tokens.issue("access", 7, "olga@example.com", user_type, "sid", 1800)
        answer = {"access_token": token, "token_type": "bearer", "user": {"name": "Olga"}}
        stub.put("POST /api/v1/auth/login", answer)
        return token

    return grant


# Who gets in


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_nobody_without_a_session_gets_in(client: FlaskClient, method: str, path: str) -> None:
    """Every endpoint but the login answers 401 without a session."""
    assert client.open(path, method=method).status_code == 401


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("kind", ["patient", "customer"])
def test_nobody_of_another_kind_gets_in(
    browse: Callable[..., FlaskClient], stub: Stub, method: str, path: str, kind: str
) -> None:
    """Every endpoint answers 403 to other kinds of accounts, and asks no service."""
    answer = browse(kind).open(path, method=method, headers={"Origin": ORIGIN})
    assert answer.status_code == 403
    assert answer.get_json()["details"]["reason"] == "role_missing"
    assert stub.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [*(one for one in ENDPOINTS if one[0] != "GET"), ("POST", "/admin/login"), ("POST", "/admin")],
)
def test_another_site_makes_no_browser_act(
    admin: FlaskClient, stub: Stub, method: str, path: str
) -> None:
    """What a browser sends unsafely must come from our own pages, the login included."""
    answer = admin.open(path, method=method, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert answer.get_json()["details"]["reason"] == "cross_site"
    assert stub.asked == []


def test_a_bearer_token_is_enough(client: FlaskClient, stub: Stub, open_session: Any) -> None:
    """A program without cookies gets in with its token, which auth is shown too."""
    stub.put(f"GET {AUTH}/users", {"items": [], "next_cursor": None})
    token = open_session("admin")
    answer = client.get("/admin/users", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert stub.asked[-1].headers["Authorization"] == f"Bearer {token}"


# Login and logout


@pytest.mark.parametrize(
    ("name", "field"), [("olga", "username"), ("olga@example.com", "email"), ("Olga.9", "username")]
)
def test_login_by_user_name_or_address(
    client: FlaskClient, stub: Stub, granting: Callable[..., str], name: str, field: str
) -> None:
    """Either name opens an administrator's session: token in the body and in the cookie."""
    token = granting()
    answer = client.post("/admin/login", json={"username": name, "password": "secret words"})
    body = answer.get_json()
    assert answer.status_code == 200
    assert (body["access_token"], body["token_type"]) == (token, "bearer")
    assert 1790 <= body["expires_in"] <= 1800
    asked = stub.asked[-1].get_json()
    assert asked == {field: name, "password": "secret words", "user_type": "admin"}
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    assert cookie.value == token
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_login_that_auth_grants_to_another_kind_is_refused(
    client: FlaskClient, granting: Callable[..., str]
) -> None:
    """An auth service that does not mind the kind of account must not open the control room."""
    granting("doctor")
    answer = client.post("/admin/login", json={"username": "olga", "password": "secret words"})
    assert answer.status_code == 403
    assert client.get_cookie(SESSION_COOKIE) is None


@pytest.mark.parametrize(
    ("status", "reason", "shown"),
    [(401, "credentials_invalid", 401), (403, "wrong_user_type", 403), (429, "limit_spent", 429)],
)
def test_a_refused_login_keeps_its_reason(
    client: FlaskClient, stub: Stub, status: int, reason: str, shown: int
) -> None:
    """What auth refuses is refused for the same reason, without a cookie."""
    stub.refuse("POST /api/v1/auth/login", status, reason)
    answer = client.post("/admin/login", json={"username": "olga", "password": "wrong"})
    assert (answer.status_code, answer.get_json()["details"]["reason"]) == (shown, reason)
    assert client.get_cookie(SESSION_COOKIE) is None


def test_an_impossible_name_is_a_wrong_one(client: FlaskClient, stub: Stub) -> None:
    """A name that auth finds malformed is answered like any other wrong name."""
    stub.refuse("POST /api/v1/auth/login", 400, "validation_failed")
    answer = client.post("/admin/login", json={"username": "a b", "password": "wrong"})
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [{}, {"username": "x"}, {"username": "", "password": "y"}])
def test_an_incomplete_login_is_refused_by_field(client: FlaskClient, body: Any) -> None:
    """Both fields are needed."""
    answer = client.post("/admin/login", json=body)
    assert answer.status_code == 400
    assert answer.get_json()["details"]["fields"]


def test_logout_ends_the_session(admin: FlaskClient, stub: Stub) -> None:
    """The session ends at auth, the cookie goes; once more is no error."""
    stub.put("POST /api/v1/auth/logout", {"status": "success"})
    answer = admin.post("/admin/logout", headers={"Origin": ORIGIN})
    assert answer.status_code == 200
    assert admin.get_cookie(SESSION_COOKIE) is None
    assert admin.post("/admin/logout", headers={"Origin": ORIGIN}).status_code == 200


# The page


def test_the_page_is_a_login_for_strangers(client: FlaskClient) -> None:
    """Without a session the page shows its login and nothing of the platform."""
    answer = client.get("/admin")
    assert answer.status_code == 200
    assert 'action="/admin"' in answer.text
    assert "data-figures" not in answer.text


def test_the_page_tells_others_who_they_are(browse: Callable[..., FlaskClient]) -> None:
    """Somebody else's session is named, so that nobody wonders where it went."""
    answer = browse("patient").get("/admin/")
    assert "Ana Gil" in answer.text
    assert "data-figures" not in answer.text


def test_the_page_of_an_administrator(admin: FlaskClient) -> None:
    """The control room allows only its own scripts and styles, and holds none inline."""
    answer = admin.get("/admin")
    assert "data-figures" in answer.text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_login_by_form(client: FlaskClient, granting: Callable[..., str]) -> None:
    """The form works without scripts: it leads to the control room with a cookie."""
    granting()
    form = {"username": "olga", "password": "secret words"}
    answer = client.post("/admin", data=form, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin")
    assert client.get_cookie(SESSION_COOKIE) is not None


def test_a_refused_form_says_why(client: FlaskClient, stub: Stub) -> None:
    """The form comes back with the reason and the name, never with the password."""
    stub.refuse("POST /api/v1/auth/login", 401, "credentials_invalid", "Wrong name or password.")
    form = {"username": '"olga"', "password": "secret words"}
    answer = client.post("/admin", data=form)
    assert answer.status_code == 401
    assert "Wrong name or password." in answer.text
    assert "&#34;olga&#34;" in answer.text
    assert "secret words" not in answer.text
    assert client.post("/admin", data={"username": "olga"}).status_code == 400


def test_logout_by_form_leads_back(admin: FlaskClient, stub: Stub) -> None:
    """A browser that asks for a page gets one."""
    stub.put("POST /api/v1/auth/logout", {"status": "success"})
    answer = admin.post("/admin/logout", headers={"Origin": ORIGIN, "Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin")


# Accounts, sessions and the audit trail


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", {"user_type": "admin"}),
        ("?user_type=all&q=ol%25", {"q": "ol%"}),
        ("?user_type=doctor&limit=5", {"user_type": "doctor", "limit": "5"}),
    ],
)
def test_users_are_administrators_unless_asked(
    admin: FlaskClient, stub: Stub, query: str, asked: dict[str, str]
) -> None:
    """The list is that of administrators; other kinds and all are there for the asking."""
    page = {"items": [{"id": "7"}], "next_cursor": None}
    stub.put(f"GET {AUTH}/users", page)
    assert admin.get(f"/admin/users{query}").get_json() == page
    assert stub.asked[-1].args.to_dict() == asked


def test_a_user_is_made(admin: FlaskClient, stub: Stub) -> None:
    """What was given goes to auth as it is, and its answer comes back."""
    stub.put(f"POST {AUTH}/users", {"user": {"username": "olga"}}, 201)
    answer = admin.post("/admin/users", json=NEW, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.get_json()) == (201, {"user": {"username": "olga"}})
    assert stub.asked[-1].get_json() == NEW


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "olga"},
        {**NEW, "password": "short"},
        {**NEW, "root": True},
        {"password": "x" * 9},
    ],
)
def test_a_malformed_user_is_refused_here(admin: FlaskClient, stub: Stub, body: Any) -> None:
    """What cannot be right does not reach auth."""
    assert admin.post("/admin/users", json=body, headers={"Origin": ORIGIN}).status_code == 400
    assert stub.asked == []


def test_auths_refusal_is_passed_on_by_field(admin: FlaskClient, stub: Stub) -> None:
    """A taken name is a conflict that names its field."""
    body = {
        "error": "Conflict",
        "message": "Taken.",
        "details": {"reason": "conflict", "request_id": "r", "fields": {"username": ["Taken."]}},
    }
    stub.put(f"POST {AUTH}/users", body, 409)
    answer = admin.post("/admin/users", json=NEW, headers={"Origin": ORIGIN})
    assert answer.status_code == 409
    assert answer.get_json()["details"]["fields"] == {"username": ["Taken."]}


@pytest.mark.parametrize(
    ("method", "path", "body", "asked"),
    [
        ("GET", "/admin/users/olga", None, f"GET {AUTH}/users/olga"),
        ("GET", "/admin/users/id:7", None, f"GET {AUTH}/users/id:7"),
        ("GET", "/admin/users/o@example.com", None, f"GET {AUTH}/users/o@example.com"),
        ("PATCH", "/admin/users/olga", {"is_active": False}, f"PATCH {AUTH}/users/olga"),
        (
            "PUT",
            "/admin/users/olga/password",
            {"password": "x" * 9},
            f"PUT {AUTH}/users/olga/password",
        ),
        ("DELETE", "/admin/users/olga/sessions", None, f"DELETE {AUTH}/users/olga/sessions"),
        ("GET", "/admin/sessions?user=olga", None, f"GET {AUTH}/sessions"),
        ("GET", "/admin/audit?event=login", None, f"GET {AUTH}/audit"),
    ],
)
def test_auth_is_asked_in_the_administrators_name(
    admin: FlaskClient, stub: Stub, method: str, path: str, body: Any, asked: str
) -> None:
    """Each endpoint asks its counterpart at auth, and says from where it was asked."""
    stub.put(asked, {"said": "so"})
    answer = admin.open(path, method=method, json=body, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.get_json()) == (200, {"said": "so"})
    sent = stub.asked[-1].headers
    assert sent["Authorization"].startswith("Bearer ")
    assert sent["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/users/olga", "/sessions/6f1f9b0e-5f0c-4a52-b0b5-0f0f0f0f0f0f"])
def test_deleting_answers_with_nothing(admin: FlaskClient, stub: Stub, path: str) -> None:
    """What is gone needs no words (204); what was not there is 404."""
    assert admin.delete(f"/admin{path}", headers={"Origin": ORIGIN}).status_code == 404
    stub.put(f"DELETE {AUTH}{path}", None, 204)
    answer = admin.delete(f"/admin{path}", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.data) == (204, b"")


# Logs


def test_logs_are_read_from_all_processes(admin: FlaskClient, here: Parts) -> None:
    """Entries of the shared stream come newest first, filtered and in pages."""
    here.kv.delete("gateline:logs")
    for number in range(5):
        level = "error" if number % 2 else "info"
        entry = (
            f'{{"at":"2026-01-02T03:04:0{number}.000Z","service":"auth","level":"{level}",'
            f'"logger":"x","message":"number {number}","request_id":"request-{number}"}}'
        )
        here.kv.xadd("gateline:logs", {"entry": entry}, id=f"{1767323040 + number}000-0")
    page = admin.get("/admin/logs?service=auth&level=info&limit=3").get_json()
    assert [item["message"] for item in page["items"]] == ["number 4", "number 3", "number 2"]
    rest = admin.get(f"/admin/logs?limit=3&cursor={page['next_cursor']}").get_json()
    assert [item["message"] for item in rest["items"]] == ["number 1", "number 0"]
    assert rest["next_cursor"] is None
    grave = admin.get("/admin/logs?level=error&q=NUMBER").get_json()
    assert [item["message"] for item in grave["items"]] == ["number 3", "number 1"]
    one = admin.get("/admin/logs?request_id=request-2").get_json()
    assert [item["message"] for item in one["items"]] == ["number 2"]


@pytest.mark.parametrize(
    "query",
    ["level=loud", "limit=0", "limit=501", "since=once", "cursor=x", "after=x", "colour=red"],
)
def test_wrong_log_filters_are_refused(admin: FlaskClient, query: str) -> None:
    """A filter that means nothing is 400 and says which."""
    answer = admin.get(f"/admin/logs?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.get_json()["details"]["fields"]


# Statistics


def test_stats_are_put_together(app: Flask, admin: FlaskClient, stub: Stub) -> None:
    """Figures of auth, traffic of all edges and the state of every service come in one answer."""
    figures = {"users": {"total": 3}, "sessions": {"open": 2}, "logins": {"failed": 1}}
    stub.put(f"GET {AUTH}/figures", figures)
    stub.put("GET /health", {"status": "healthy", "database": "connected", "version": "1"})
    stats = admin.get("/admin/dashboard/stats").get_json()
    assert {name: stats[name] for name in figures} == figures
    assert len(stats["traffic"]["minutes"]) == 60
    states = {state["name"]: state["status"] for state in stats["services"]}
    assert states["auth"] == states["doctors"] == states["web"] == "healthy"
    assert "jwt" not in states
    assert (stats["retail"], stats["errors"]) == (None, {})
    health = [asked for asked in stub.asked if asked.path == "/health"]
    assert len(health) == 1
    assert "Authorization" not in health[0].headers


def test_stats_do_without_an_absent_part(admin: FlaskClient, stub: Stub) -> None:
    """Auth being unwell costs its figures, not the page."""
    stub.refuse(f"GET {AUTH}/figures", 503, "database_unavailable")
    stats = admin.get("/admin/dashboard/stats").get_json()
    assert stats["users"] is None
    assert stats["errors"]["accounts"]["reason"] == "database_unavailable"
    assert stats["traffic"] is not None
    assert {state["status"] for state in stats["services"] if state["name"] != "web"} == {
        "unhealthy"
    }


@pytest.mark.parametrize(
    ("page", "cameras"),
    [
        ({"items": [{"id": "a"}], "next_cursor": "more", "total": 42}, 42),
        ({"items": [{"id": "a"}, {"id": "b"}], "next_cursor": None}, 2),
        ([{"id": "a"}, {"id": "b"}], 2),
        ({"items": [{"id": "a"}], "next_cursor": "more"}, None),
    ],
)
def test_stats_count_the_shop_where_there_is_one(
    build: Callable[..., Flask],
    stub: Stub,
    open_session: Callable[..., str],
    page: Any,
    cameras: int | None,
) -> None:
    """Its alerts and all its cameras, also those beyond the first page; no number is guessed."""
    client = build(edge_processor_url=stub.url).test_client()
    stub.put(f"GET {AUTH}/figures", {})
    stub.put("GET /alerts/count", {"open": 4, "total": 9})
    stub.put("GET /cameras", page)
    bearer = {"Authorization": f"Bearer {open_session('admin')}"}
    stats = client.get("/admin/dashboard/stats", headers=bearer).get_json()
    assert stats["retail"] == {"alerts": {"open": 4, "total": 9}, "cameras": cameras}


def test_a_session_that_auth_ended_ends_the_stats(admin: FlaskClient, stub: Stub) -> None:
    """A refusal for want of a session is the answer, not a missing part."""
    stub.refuse(f"GET {AUTH}/figures", 401, "session_revoked")
    assert admin.get("/admin/dashboard/stats").status_code == 401


def test_traffic_of_two_edges_is_added_up(admin: FlaskClient, stub: Stub, here: Parts) -> None:
    """The last minute is the sum of what every edge told."""
    stub.put(f"GET {AUTH}/figures", {})
    here.kv.delete("gateline:seconds")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for edge in ("one", "two"):
        event = (
            f'{{"type":"traffic","at":"{at}","edge":"{edge}","requests":3,"in_flight":2,'
            '"counts":{"requests":3,"errors_5xx":1,"duration_us_sum":30000,"bucket_3":3}}'
        )
        here.kv.xadd("gateline:seconds", {"entry": event})
    traffic = admin.get("/admin/dashboard/stats").get_json()["traffic"]
    assert traffic["last_minute"]["requests"] == 6
    assert traffic["last_minute"]["error_share"] == pytest.approx(1 / 3, abs=0.001)
    assert (traffic["edges"], traffic["in_flight"]) == (["one", "two"], 4)
    assert [point["requests"] for point in traffic["seconds"]] == [6]
