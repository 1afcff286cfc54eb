"""PostgreSQL or Valkey away: 503 with a reason, nothing half done, nothing wrongly acknowledged."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from gateline.auth.models import Session, User
from gateline.shared.app import parts
from gateline.shared.database import db

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.auth.conftest import LoggedIn

NOWHERE = "127.0.0.1:1"
KEY = {"X-Service-Key": "a-service-key-for-tests-of-32-bytes"}


@pytest.fixture(scope="module")
def without_database(make_app: Callable[..., Any]) -> Any:
    """Give a client of a service whose PostgreSQL is away."""
    app = make_app(database_url=f"postgresql://nobody@{NOWHERE}/none")
    return app.test_client(use_cookies=False)


@pytest.fixture(scope="module")
def without_valkey(make_app: Callable[..., Any]) -> Any:
    """Give a client of a service whose Valkey is away."""
    return make_app(redis_url=f"redis://{NOWHERE}/0").test_client(use_cookies=False)


def assert_unavailable(answer: Any, reason: str) -> None:
    """Check that an answer is 503 with this reason, and tells nothing else."""
    assert (answer.status_code, answer.json["details"]["reason"]) == (503, reason)
    assert answer.json.keys() == {"error", "message", "details"}
    assert NOWHERE not in answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("register", {"email": "a@example.com", "password": "long enough"}),
        ("login", {"email": "a@example.com", "password": "x"}),
        ("sync-user", {"id": 1, "email": "a@example.com"}),
        ("sync-users", {"users": [{"id": 1, "email": "a@example.com"}]}),
        ("sync-session", {"user_id": 1, "session_data": {}}),
        ("revoke-user-sessions", {"user_id": 1, "reason": "x"}),
    ],
)
def test_without_postgresql(without_database: Any, path: str, body: dict[str, Any]) -> None:
    """Whatever needs PostgreSQL answers 503 database_unavailable."""
    answer = without_database.post(f"/api/auth/{path}", json=body, headers=KEY)
    assert_unavailable(answer, "database_unavailable")


def test_unknown_service_key_without_postgresql(without_database: Any) -> None:
    """A key that may be in the database is neither accepted nor called wrong."""
    headers = {"X-Service-Key": "glk_unknown"}
    answer = without_database.post("/api/auth/validate-token", json={}, headers=headers)
    assert_unavailable(answer, "database_unavailable")


def test_sessions_are_known_without_postgresql(
    without_database: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """Whose session it is needs Valkey only: people and services go on."""
    entered = log_in()
    answer = without_database.get("/api/v1/auth/validate", headers=entered.headers)
    assert answer.status_code == 200
    body = {"token": entered.access_token}
    answer = without_database.post("/api/auth/validate-token", json=body, headers=KEY)
    assert answer.status_code == 200


def test_invalid_token_is_invalid_without_postgresql(without_database: Any) -> None:
    """A token that is not valid is 401, and not taken for a service key to be looked up."""
    headers = {"Authorization": "Bearer a.b.c"}
    answer = without_database.get("/api/v1/auth/validate", headers=headers)
    assert (answer.status_code, answer.json["details"]["reason"]) == (401, "token_invalid")


@pytest.mark.parametrize("path", ["login", "refresh", "logout"])
def test_people_without_valkey(
    without_valkey: Any, log_in: Callable[..., LoggedIn], path: str
) -> None:
    """Login, refresh and logout need the session store: 503 session_store_unavailable."""
    entered = log_in()
    bodies = {
        "login": {"email": entered.person.email, "password": entered.person.password},
        "refresh": {"refresh_token": entered.refresh_token},
        "logout": {},
    }
    answer = without_valkey.post(f"/api/auth/{path}", json=bodies[path], headers=entered.headers)
    assert_unavailable(answer, "session_store_unavailable")


def test_login_without_valkey_leaves_no_session(
    without_valkey: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """A login that fails in the store leaves no row behind."""
    entered = log_in()
    body = {"email": entered.person.email, "password": entered.person.password}
    without_valkey.post("/api/auth/login", json=body)
    rows = db.session.query(Session).filter_by(user_id=entered.person.id).count()
    assert rows == 1


@pytest.mark.parametrize("path", ["validate-token", "validate-tokens", "sessions/renew"])
def test_tokens_without_valkey(
    without_valkey: Any, log_in: Callable[..., LoggedIn], path: str
) -> None:
    """A token is not called invalid because the store is away."""
    token = log_in().access_token
    body = {"tokens": [token]} if path == "validate-tokens" else {"token": token}
    answer = without_valkey.post(f"/api/auth/{path}", json=body, headers=KEY)
    assert_unavailable(answer, "session_store_unavailable")


@pytest.mark.parametrize("how", ["revoke-user-sessions", "sync-session", "sync-user"])
def test_ending_without_valkey_is_not_acknowledged(
    client: Any,
    call: Callable[..., Any],
    without_valkey: Any,
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
    how: str,
) -> None:
    """503 until both stores hold it; what could be ended stays ended; repeating completes it."""
    entered = log_in()
    user_id = entered.person.id
    body: dict[str, Any] = {
        "revoke-user-sessions": {"user_id": user_id, "reason": "stolen"},
        "sync-session": {"user_id": user_id, "session_data": {"is_active": False}},
        "sync-user": {"id": user_id, "email": entered.person.email, "is_active": False},
    }[how]
    answer = without_valkey.post(f"/api/auth/{how}", json=body, headers=KEY)
    assert_unavailable(answer, "session_store_unavailable")
    sid = uuid.UUID(parts().tokens.verify(entered.access_token).sid)
    assert db.session.get_one(Session, sid, populate_existing=True).ended_at is not None
    refresh = client.post("/api/auth/refresh", json={"refresh_token": entered.refresh_token})
    assert refresh.status_code == 401
    assert is_alive(entered)
    assert call(how, body).status_code == 200
    assert not is_alive(entered)


def test_password_change_without_valkey(
    without_valkey: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """Without the store nobody is known, so no password is changed."""
    entered = log_in()
    before = db.session.get_one(User, entered.person.id).password_hash
    body = {"current_password": entered.person.password, "new_password": "another one"}
    answer = without_valkey.post("/api/auth/change-password", json=body, headers=entered.headers)
    assert_unavailable(answer, "session_store_unavailable")
    user = db.session.get_one(User, entered.person.id, populate_existing=True)
    assert user.password_hash == before


def test_health_says_which_is_away(client: Any, without_database: Any, without_valkey: Any) -> None:
    """Health is 503 and names what is away; liveness is not concerned."""
    assert client.get("/health").json["status"] == "healthy"
    for lame, name in ((without_database, "database"), (without_valkey, "redis")):
        answer = lame.get("/health")
        assert (answer.status_code, answer.json[name]) == (503, "disconnected")
        assert lame.get("/livez").status_code == 200
