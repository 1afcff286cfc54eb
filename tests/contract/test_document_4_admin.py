"""Document 4, the retail gateway: its administrators' part, statement by statement over HTTP."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from running_platform import RunningPlatform
from tests.contract.conftest import Account, Http

from gateline.local.engines import wait_until

COOKIE = "gateline_session"
PASSWORD = "a password that only this test knows"


@pytest.fixture
def own_http(platform: RunningPlatform) -> Iterator[Http]:
    """Give a client of one test's own, so that its cookies are nobody else's."""
    client = Http(platform.url, keeps_cookies=True)
    yield client
    client.close()


@pytest.fixture
def credentials(platform: RunningPlatform) -> dict[str, str]:
    """Give the sample administrator's user name and password."""
    return {"username": "admin", "password": platform.accounts["admin@example.com"]}


@pytest.fixture
def bearer(
    own_http: Http, credentials: dict[str, str], platform: RunningPlatform
) -> dict[str, str]:
    """Give the header of an administrator who has just logged in, without a cookie."""
    url = platform.url.rstrip("/") + "/admin/login"
    answer = requests.post(url, json=credentials, timeout=15)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def new_admin(own_http: Http, bearer: dict[str, str]) -> Callable[[], str]:
    """Give a function that makes an administrator and returns the user name."""

    def make() -> str:
        name = f"op-{uuid.uuid4().hex[:12]}"
        body = {"username": name, "password": PASSWORD}
        answer = own_http("POST", "/admin/users", json=body, headers=bearer)
        assert answer.status_code == 201, answer.text
        return name

    return make


def reason_of(answer: requests.Response) -> str:
    """Return the stable reason of a refusal."""
    return str(answer.json()["details"]["reason"])


def test_admin_login(own_http: Http, credentials: dict[str, str]) -> None:
    """Document 4, `POST /admin/login`: name and password give a JWT, and a browser's cookie."""
    answer = own_http("POST", "/admin/login", json=credentials)
    body = answer.json()
    assert answer.status_code == 200
    assert body["token_type"] == "bearer"
    assert 1790 <= body["expires_in"] <= 1800
    assert body["access_token"].count(".") == 2
    assert answer.cookies[COOKIE] == body["access_token"]
    header = {"Authorization": f"Bearer {body['access_token']}"}
    valid = own_http("GET", "/api/v1/auth/validate", headers=header).json()
    assert valid["user"]["user_type"] == "admin"


def test_admin_login_by_address(own_http: Http, credentials: dict[str, str]) -> None:
    """Document 4, `POST /admin/login`: the e-mail address does as well as the user name."""
    body = {**credentials, "username": "Admin@Example.com"}
    assert own_http("POST", "/admin/login", json=body).status_code == 200


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("admin", 401, "credentials_invalid"),
        ("nobody-at-all", 401, "credentials_invalid"),
        ("no name at all", 401, "credentials_invalid"),
        ("doctor@example.com", 403, "wrong_user_type"),
    ],
)
def test_admin_login_refused(
    platform: RunningPlatform, own_http: Http, name: str, status: int, reason: str
) -> None:
    """Document 4, `POST /admin/login`: a wrong password is 401, another kind of account 403."""
    password = platform.accounts.get(name, "wrong password") if "@" in name else "wrong password"
    answer = own_http("POST", "/admin/login", json={"username": name, "password": password})
    assert (answer.status_code, reason_of(answer)) == (status, reason)
    assert COOKIE not in answer.cookies


def test_admin_logout(own_http: Http, credentials: dict[str, str]) -> None:
    """Document 4, `POST /admin/logout`: the token is refused at once, and the cookie is gone."""
    token = own_http("POST", "/admin/login", json=credentials).json()["access_token"]
    assert own_http("GET", "/admin/users").status_code == 200
    assert own_http("POST", "/admin/logout").status_code == 200
    assert own_http("GET", "/admin/users").status_code == 401
    header = {"Authorization": f"Bearer {token}"}
    assert own_http("GET", "/admin/users", headers=header).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/users"),
        ("POST", "/admin/users"),
        ("DELETE", "/admin/users/admin"),
        ("GET", "/admin/dashboard/stats"),
        ("GET", "/admin/logs"),
        ("GET", "/admin/sessions"),
        ("GET", "/admin/audit"),
    ],
)
def test_admins_only(own_http: Http, account: Account, method: str, path: str) -> None:
    """Document 4, admin management: 401 without a session, 403 for anybody but administrators."""
    assert own_http(method, path).status_code == 401
    answer = own_http(method, path, headers=account.bearer)
    assert (answer.status_code, reason_of(answer)) == (403, "role_missing")


def test_list_admin_users(own_http: Http, bearer: dict[str, str]) -> None:
    """Document 4, `GET /admin/users`: lists the administrators, without anything secret."""
    answer = own_http("GET", "/admin/users", headers=bearer)
    assert answer.status_code == 200
    assert {item["user_type"] for item in answer.json()["items"]} == {"admin"}
    assert "password" not in answer.text
    assert "argon2" not in answer.text
    everybody = own_http("GET", "/admin/users?user_type=all&limit=100", headers=bearer).json()
    assert {item["user_type"] for item in everybody["items"]} > {"admin"}


def test_create_admin_user(own_http: Http, new_admin: Callable[[], str]) -> None:
    """Document 4, `POST /admin/users`: the new administrator can log in."""
    name = new_admin()
    body = {"username": name, "password": PASSWORD}
    answer = own_http("POST", "/admin/login", json=body)
    assert answer.status_code == 200
    assert own_http("GET", "/admin/dashboard/stats").status_code == 200


def test_create_admin_user_refused(
    own_http: Http, bearer: dict[str, str], new_admin: Callable[[], str]
) -> None:
    """Document 4, `POST /admin/users`: a taken name is 409, a weak password 400, both by field."""
    taken = {"username": new_admin(), "password": PASSWORD}
    answer = own_http("POST", "/admin/users", json=taken, headers=bearer)
    assert answer.status_code == 409
    assert answer.json()["details"]["fields"]
    weak = {"username": f"op-{uuid.uuid4().hex[:12]}", "password": "short"}
    answer = own_http("POST", "/admin/users", json=weak, headers=bearer)
    assert answer.status_code == 400
    assert "password" in answer.json()["details"]["fields"]


def test_delete_admin_user(
    own_http: Http, bearer: dict[str, str], new_admin: Callable[[], str], platform: RunningPlatform
) -> None:
    """Document 4, `DELETE /admin/users/{username}`: the account and its sessions end at once."""
    name = new_admin()
    url = platform.url.rstrip("/") + "/admin/login"
    entered = requests.post(url, json={"username": name, "password": PASSWORD}, timeout=15).json()
    theirs = {"Authorization": f"Bearer {entered['access_token']}"}
    assert own_http("GET", "/admin/users", headers=theirs).status_code == 200
    assert own_http("DELETE", f"/admin/users/{name}", headers=bearer).status_code == 204
    assert own_http("GET", "/admin/users", headers=theirs).status_code == 401
    assert own_http("DELETE", f"/admin/users/{name}", headers=bearer).status_code == 404


def test_delete_oneself_refused(own_http: Http, bearer: dict[str, str]) -> None:
    """Document 4, `DELETE /admin/users/{username}`: nobody deletes the account they are using."""
    answer = own_http("DELETE", "/admin/users/admin", headers=bearer)
    assert (answer.status_code, reason_of(answer)) == (409, "conflict")


def test_dashboard_statistics(
    platform: RunningPlatform, own_http: Http, bearer: dict[str, str]
) -> None:
    """Document 4, `GET /admin/dashboard/stats`: accounts, sessions, traffic, services, the shop."""

    def stats() -> dict[str, Any]:
        found: dict[str, Any] = own_http("GET", "/admin/dashboard/stats", headers=bearer).json()
        return found

    def asked_events() -> int:
        by_service = stats()["traffic"]["by_service"]
        return int(by_service.get("events", {}).get("requests", 0))

    before = asked_events()
    for _ in range(5):
        own_http("GET", "/alerts/count")
    assert wait_until(lambda: asked_events() >= before + 5, seconds=10)
    found = stats()
    assert found["users"]["by_type"]["admin"] >= 1
    assert found["sessions"]["active"] >= 1
    assert found["traffic"]["last_hour"]["p99_ms"] > 0
    assert found["traffic"]["last_hour"]["requests"] >= 5
    names = {state["name"] for state in found["services"]}
    assert names >= {"auth", "web", "api", "doctors", "users", "events"}

    def is_whole() -> bool:
        # A busy machine may answer a probe late; it is asked again two seconds later.
        now = stats()
        healthy = all(state["status"] == "healthy" for state in now["services"])
        return healthy and now["errors"] == {} and now["retail"]["cameras"] > 0

    assert wait_until(is_whole, seconds=20)


def test_system_logs(own_http: Http, bearer: dict[str, str]) -> None:
    """Document 4, `GET /admin/logs`: one request is followed through all its services."""
    request_id = f"contract-{uuid.uuid4().hex}"
    header = {**bearer, "X-Request-ID": request_id}
    assert own_http("GET", "/admin/users", headers=header).status_code == 200

    def services() -> set[str]:
        query = {"request_id": request_id}
        found = own_http("GET", "/admin/logs", params=query, headers=bearer).json()
        return {entry["service"] for entry in found["items"]}

    assert wait_until(lambda: services() == {"edge", "web", "auth"}, seconds=10)


def test_system_logs_hold_no_secrets(
    own_http: Http, bearer: dict[str, str], new_admin: Callable[[], str]
) -> None:
    """Document 4, password storage and structured logging: no password and no token is logged."""
    name = new_admin()
    own_http("POST", "/admin/login", json={"username": name, "password": PASSWORD})

    def logged() -> str:
        query = {"q": "/admin/login", "limit": 500}
        return own_http("GET", "/admin/logs", params=query, headers=bearer).text

    assert wait_until(lambda: "/admin/login" in logged(), seconds=10)
    everything = own_http("GET", "/admin/logs?limit=500", headers=bearer).text
    assert PASSWORD not in everything
    assert bearer["Authorization"].removeprefix("Bearer ") not in everything


def test_administration_is_audited(
    own_http: Http, bearer: dict[str, str], new_admin: Callable[[], str]
) -> None:
    """Document 4, user management: who made and who deleted an account stays on record."""
    name = new_admin()
    user = own_http("GET", f"/admin/users/{name}", headers=bearer).json()["user"]
    assert own_http("DELETE", f"/admin/users/{name}", headers=bearer).status_code == 204
    query = {"user": f"id:{user['id']}"}
    trail = own_http("GET", "/admin/audit", params=query, headers=bearer).json()["items"]
    assert [event["event"] for event in trail] == ["account_deleted", "account_created"]
    assert len({event["actor"] for event in trail}) == 1
    assert trail[0]["details"]["name"] == name


def test_sessions_are_ended_by_administrators(
    own_http: Http, bearer: dict[str, str], account: Account, is_alive: Callable[[Account], bool]
) -> None:
    """Document 4, user management: an administrator ends somebody's session, at once everywhere."""
    query = {"user": account.email}
    (session,) = own_http("GET", "/admin/sessions", params=query, headers=bearer).json()["items"]
    assert is_alive(account)
    answer = own_http("DELETE", f"/admin/sessions/{session['id']}", headers=bearer)
    assert answer.status_code == 204
    assert not is_alive(account)


def test_cross_site_requests_are_refused(own_http: Http, credentials: dict[str, str]) -> None:
    """Document 4, security: with the cookie, another site cannot make a browser administer."""
    assert own_http("POST", "/admin/login", json=credentials).status_code == 200
    body = {"username": f"op-{uuid.uuid4().hex[:12]}", "password": PASSWORD}
    header = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = own_http("POST", "/admin/users", json=body, headers=header)
    assert (answer.status_code, reason_of(answer)) == (403, "cross_site")


def test_the_page(own_http: Http, credentials: dict[str, str]) -> None:
    """Document 4, admin dashboard: `/admin` is a login, and for administrators the control room."""
    stranger = own_http("GET", "/admin", headers={"Accept": "text/html"})
    assert stranger.status_code == 200
    assert 'name="password"' in stranger.text
    form = own_http("POST", "/admin", data=credentials)
    assert (form.status_code, form.headers["Location"]) == (303, "/admin")
    room = own_http("GET", "/admin", headers={"Accept": "text/html"})
    assert 'role="tablist"' in room.text
    assert "script-src 'self'" in room.headers["Content-Security-Policy"]
