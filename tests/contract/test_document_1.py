"""Document 1, the integration API, statement by statement over HTTP."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from gateline.local.engines import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_platform import RunningPlatform
    from tests.contract.conftest import Account, Caller, Http

ERRORS = {
    "validate-token": "Invalid token",
    "sync-session": "Failed to sync session",
    "sync-user": "Failed to sync user data",
    "revoke-user-sessions": "Failed to revoke sessions",
}
UNKNOWN_USER = 2**52 - 1


def later(**ahead: float) -> str:
    """Return a time to come, as the document writes them."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds")


def session_payload(account: Account) -> dict[str, Any]:
    """Return the document's example of a session, for an account."""
    return {
        "user_id": account.id,
        "token": account.access_token,
        "session_data": {
            "session_id": "session-uuid",
            "device_info": {"device_type": "mobile", "browser": "chrome"},
            "expires_at": later(hours=2),
        },
        "timestamp": later(),
    }


def user_payload(account: Account) -> dict[str, Any]:
    """Return the document's example of a user, for an account."""
    return {
        "id": account.id,
        "email": account.email,
        "is_active": True,
        "is_email_verified": True,
        "first_name": "John",
        "last_name": "Doe",
        "profile_picture": "url-to-picture",
        "last_sync": "2024-01-01T00:00:00Z",
    }


# Authentication


@pytest.mark.parametrize("endpoint", ERRORS)
@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_service_key_header(http: Http, endpoint: str, key: str | None) -> None:
    """Document 1, Authentication: every endpoint needs X-Service-Key, else 403."""
    headers = {} if key is None else {"X-Service-Key": key}
    answer = http("POST", f"/api/auth/{endpoint}", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "Invalid service key")
    assert answer.json().keys() == {"error", "message", "details"}


# 1. Validate token


def test_validate_token_success(call: Caller, account: Account) -> None:
    """Document 1, Validate Token, 200: user_id, exp and iat are numbers, type is "access"."""
    answer = call("validate-token", {"token": account.access_token})
    assert answer.status_code == 200
    found = answer.json()
    assert found["user_id"] == account.id
    assert found["type"] == "access"
    assert type(found["exp"]) is int
    assert type(found["iat"]) is int
    assert found["exp"] - found["iat"] == 1800


@pytest.mark.parametrize("token", ["jwt-token-string", "a.b.c"])
def test_validate_token_error(call: Caller, token: str) -> None:
    """Document 1, Validate Token, 401: `error` is "Invalid token"."""
    answer = call("validate-token", {"token": token})
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid token")


def test_validate_token_of_an_ended_session(http: Http, call: Caller, account: Account) -> None:
    """Document 1, Validate Token, 401: a genuine token is not valid once its session has ended."""
    assert http("POST", "/api/auth/logout", headers=account.bearer).status_code == 200
    answer = call("validate-token", {"token": account.access_token})
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid token")


def test_validate_token_refuses_a_refresh_token(call: Caller, account: Account) -> None:
    """Document 1, Validate Token, 401: only access tokens are valid."""
    answer = call("validate-token", {"token": account.refresh_token})
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid token")


# 2. Sync user session


def test_sync_session_success(
    http: Http, call: Caller, account: Account, is_alive: Callable[[Account], bool]
) -> None:
    """Document 1, Sync User Session, 200: success; the session is recorded with its device."""
    answer = call("sync-session", session_payload(account))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert is_alive(account)
    sessions = http("GET", "/api/auth/sessions", headers=account.bearer).json()["items"]
    assert sessions[0]["device_info"] == {"device_type": "mobile", "browser": "chrome"}


def test_sync_session_of_an_unknown_user(call: Caller, account: Account) -> None:
    """Document 1, Sync User Session, 400: `error` is "Failed to sync session"."""
    answer = call("sync-session", {**session_payload(account), "user_id": UNKNOWN_USER})
    assert (answer.status_code, answer.json()["error"]) == (400, "Failed to sync session")


def test_sync_session_with_a_wrong_token(call: Caller, account: Account) -> None:
    """Document 1, Sync User Session, 400: a token that is not valid is refused."""
    answer = call("sync-session", {**session_payload(account), "token": "jwt-token-string"})
    assert (answer.status_code, answer.json()["error"]) == (400, "Failed to sync session")


# 3. Sync user data


def test_sync_user_success(
    http: Http, call: Caller, account: Account, log_in: Callable[[Account], Account]
) -> None:
    """Document 1, Sync User Data, 200: success; what is told is what a login then shows."""
    answer = call("sync-user", user_payload(account))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    body = {"email": account.email, "password": "correct horse battery"}
    user = http("POST", "/api/auth/login", json=body).json()["user"]
    assert (user["first_name"], user["last_name"]) == ("John", "Doe")
    assert user["profile_picture"] == "url-to-picture"
    assert (user["is_active"], user["is_email_verified"]) == (True, True)


def test_sync_user_that_is_known_elsewhere_first(call: Caller) -> None:
    """Document 1, Sync User Data, 200: an id that is not known yet is taken over."""
    user_id = 10**9 + uuid.uuid4().int % 10**9
    body = {"id": user_id, "email": f"elsewhere-{user_id}@example.com", "is_active": True}
    for _ in range(2):
        assert call("sync-user", body).json() == {"status": "success"}


def test_sync_user_deactivation(
    call: Caller, account: Account, is_alive: Callable[[Account], bool]
) -> None:
    """Document 1, Sync User Data: an account that is switched off is out everywhere."""
    assert call("sync-user", {**user_payload(account), "is_active": False}).status_code == 200
    assert wait_until(lambda: not is_alive(account), seconds=2)


def test_sync_user_error(call: Caller, account: Account) -> None:
    """Document 1, Sync User Data, 400: `error` is "Failed to sync user data"."""
    answer = call("sync-user", {**user_payload(account), "email": "patient@example.com"})
    assert (answer.status_code, answer.json()["error"]) == (400, "Failed to sync user data")


# 4. Revoke user sessions


def test_revoke_success(
    http: Http,
    call: Caller,
    account: Account,
    log_in: Callable[[Account], Account],
    is_alive: Callable[[Account], bool],
) -> None:
    """Document 1, Revoke User Sessions, 200: all sessions of the user end, across services."""
    other = log_in(account)
    body = {
        "user_id": account.id,
        "reason": "user_requested",
        "timestamp": "2024-01-01T00:00:00Z",
    }
    answer = call("revoke-user-sessions", body)
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    for ended in (account, other):
        assert wait_until(lambda ended=ended: not is_alive(ended), seconds=2)  # type: ignore[misc] # bound now
        proxied = http("GET", "/api/v1/patients/me", headers=ended.bearer)
        assert proxied.status_code == 401
        refresh = {"refresh_token": ended.refresh_token}
        assert http("POST", "/api/auth/refresh", json=refresh).status_code == 401


def test_revoke_error(call: Caller) -> None:
    """Document 1, Revoke User Sessions, 400: `error` is "Failed to revoke sessions"."""
    body = {"user_id": UNKNOWN_USER, "reason": "user_requested", "timestamp": later()}
    answer = call("revoke-user-sessions", body)
    assert (answer.status_code, answer.json()["error"]) == (400, "Failed to revoke sessions")


# Error handling


@pytest.mark.parametrize("endpoint", ERRORS)
@pytest.mark.parametrize("data", ["", "{", "[]", "{}", '{"unknown": true}'])
def test_bad_request(http: Http, call: Caller, endpoint: str, data: str) -> None:
    """Document 1, Error Codes, 400: bad input carries the endpoint's error in the standard body."""
    headers = {"X-Service-Key": call.key, "Content-Type": "application/json"}
    answer = http("POST", f"/api/auth/{endpoint}", data=data, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, ERRORS[endpoint])
    assert answer.json().keys() == {"error", "message", "details"}


def test_not_found(call: Caller) -> None:
    """Document 1, Error Codes, 404: an endpoint that does not exist."""
    answer = call("no-such-endpoint", {})
    assert (answer.status_code, answer.json()["error"]) == (404, "Not found")


def test_internal_server_error(platform: RunningPlatform, call: Caller, account: Account) -> None:
    """Document 1, Internal Server Error, 500: the prescribed error, a request id, no detail."""
    url = platform.env["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
    body = {"user_id": account.id, "reason": "user_requested"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE auth.audit_events RENAME TO audit_events_away")
        try:
            answer = call("revoke-user-sessions", body)
        finally:
            connection.execute("ALTER TABLE auth.audit_events_away RENAME TO audit_events")
    assert (answer.status_code, answer.json()["error"]) == (500, "Internal server error")
    assert "audit_events" not in answer.text
    assert answer.json()["details"].keys() == {"reason", "request_id"}
    assert call("revoke-user-sessions", body).json() == {"status": "success"}


# Rate limiting


def test_rate_limit(new_caller: Callable[[str], Caller], call: Caller) -> None:
    """Document 1, Rate Limiting: 100 requests a minute per service, told in three headers."""
    spender = new_caller(f"spender-{uuid.uuid4().hex[:8]}")
    endpoints = list(ERRORS)
    for number in range(100):
        answer = spender(endpoints[number % 4], {})
        assert answer.status_code == 400
        assert answer.headers["X-RateLimit-Limit"] == "100"
        assert answer.headers["X-RateLimit-Remaining"] == str(99 - number)
    now = datetime.now(UTC).timestamp()
    assert now < int(answer.headers["X-RateLimit-Reset"]) <= now + 61
    refused = spender("validate-token", {})
    assert (refused.status_code, refused.json()["error"]) == (429, "Rate limit exceeded")
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert call("validate-token", {"token": "x"}).status_code == 401


# Best practices


def test_retries_are_harmless(call: Caller, account: Account) -> None:
    """Document 1, Best Practices: what is sent twice has the effect of once."""
    for _ in range(2):
        assert call("sync-user", user_payload(account)).json() == {"status": "success"}
        assert call("sync-session", session_payload(account)).json() == {"status": "success"}
    for _ in range(2):
        body = {"user_id": account.id, "reason": "user_requested"}
        assert call("revoke-user-sessions", body).json() == {"status": "success"}


@pytest.mark.parametrize(
    ("endpoint", "change"),
    [
        ("sync-session", {"user_id": "somebody"}),
        ("sync-session", {"session_data": {"expires_at": "soon"}}),
        ("sync-session", {"timestamp": "now"}),
        ("sync-user", {"email": "no address"}),
        ("sync-user", {"is_active": "yes"}),
        ("sync-user", {"first_name": "x" * 1000}),
        ("revoke-user-sessions", {"user_id": None}),
        ("revoke-user-sessions", {"reason": 5}),
    ],
)
def test_data_validation(
    call: Caller, account: Account, endpoint: str, change: dict[str, Any]
) -> None:
    """Document 1, Best Practices: invalid fields are refused and each is named."""
    whole = {
        "sync-session": session_payload(account),
        "sync-user": user_payload(account),
        "revoke-user-sessions": {"user_id": account.id, "reason": "x"},
    }[endpoint]
    answer = call(endpoint, {**whole, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, ERRORS[endpoint])
    named = next(iter(answer.json()["details"]["fields"]))
    assert named.startswith(next(iter(change)))


def test_bulk_operations(call: Caller, account: Account) -> None:
    """Document 1, Best Practices: bulk forms of validate and sync-user answer for each."""
    tokens = call("validate-tokens", {"tokens": [account.access_token, "x"]})
    assert [one["valid"] for one in tokens.json()["results"]] == [True, False]
    users = [user_payload(account), {"id": "x"}]
    synced = call("sync-users", {"users": users})
    assert [one["status"] for one in synced.json()["results"]] == ["success", "error"]
    assert synced.json()["results"][1]["error"] == "Failed to sync user data"


# Example implementation


def test_response_times(http: Http, platform: RunningPlatform, call: Caller) -> None:
    """Document 1, Performance: the times of each endpoint's answers stand in the metrics."""
    assert call("validate-token", {"token": "x"}).status_code == 401
    for field in ("bucket", "sum", "count"):
        series = rf"gateline_http_request_duration_seconds_{field}\{{[^}}]*validate-token[^}}]*\}} "
        assert re.search(series, http("GET", f"{platform.metrics_url}").text), field


def test_example_implementation(http: Http, call: Caller, account: Account) -> None:
    """Document 1, Example: the headers and the call of the Python example work as written."""
    headers = {"X-Service-Key": call.key, "Content-Type": "application/json"}
    body = json.dumps(user_payload(account))
    answer = http("POST", "/api/auth/sync-user", data=body, headers=headers)
    answer.raise_for_status()
    assert answer.json() == {"status": "success"}


def test_python_client(platform: RunningPlatform, call: Caller, account: Account) -> None:
    """Document 1, Example: our own client speaks to all four endpoints."""
    from gateline.shared.auth_client import AuthClient, TokenRejected

    client = AuthClient(platform.url, call.key)
    try:
        assert client.validate_token(account.access_token).user_id == account.id
        client.sync_session(account.id, {"device_info": {"os": "x"}}, token=account.access_token)
        client.sync_user(user_payload(account))
        assert [one["status"] for one in client.sync_users([user_payload(account)])] == ["success"]
        assert client.validate_tokens(["x"]) == [None]
        client.revoke_user_sessions(account.id)
        with pytest.raises(TokenRejected):
            client.validate_token(account.access_token)
    finally:
        client.close()
