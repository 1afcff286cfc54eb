"""The endpoints between services, over HTTP: keys, limits, payloads, answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from gateline.auth.models import User
from gateline.shared.app import parts
from gateline.shared.database import db

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.auth.conftest import LoggedIn, MovableClock, Person

SERVICE_KEY = "a-service-key-for-tests-of-32-bytes"
ERRORS = {
    "validate-token": "Invalid token",
    "validate-tokens": "Invalid token",
    "sync-session": "Failed to sync session",
    "sync-user": "Failed to sync user data",
    "sync-users": "Failed to sync user data",
    "revoke-user-sessions": "Failed to revoke sessions",
}


# Keys and limits


@pytest.mark.parametrize("name", [*ERRORS, "sessions/renew"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Service-Key": "wrong"},
        {"X-Service-Key": ""},
        {"X-Service-Key": SERVICE_KEY + "x"},
        {"X-Service-Key": "é" * 600},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {SERVICE_KEY}"},
    ],
)
def test_every_endpoint_needs_a_service_key(
    client: Any, name: str, headers: dict[str, str]
) -> None:
    """Without a valid key the answer is 403 "Invalid service key", whatever the body."""
    answer = client.post(f"/api/auth/{name}", json={}, headers=headers)
    assert answer.status_code == 403
    assert answer.json["error"] == "Invalid service key"
    assert answer.json["details"]["reason"] == "service_key_invalid"


def test_a_persons_token_is_no_service_key(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """A logged-in person, even as bearer, is not a service."""
    entered = log_in()
    body = {"token": entered.access_token}
    answer = client.post("/api/auth/validate-token", json=body, headers=entered.headers)
    assert answer.status_code == 403


def test_both_ways_to_send_the_key(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """The key counts as X-Service-Key and as bearer."""
    body = {"token": log_in().access_token}
    for headers in (
        {"X-Service-Key": SERVICE_KEY},
        {"Authorization": f"Bearer {SERVICE_KEY}"},
        {"authorization": f"bearer {SERVICE_KEY}"},
    ):
        answer = client.post("/api/auth/validate-token", json=body, headers=headers)
        assert answer.status_code == 200


def test_the_limit_is_shared_per_service(make_app: Callable[..., Any]) -> None:
    """All documented endpoints count together, per service, and say so in headers."""
    name = uuid.uuid4().hex
    app = make_app(
        service_rate_limit="3/minute", service_keys=f"a{name}:{SERVICE_KEY}a,b{name}:{SERVICE_KEY}b"
    )
    client = app.test_client()

    def ask(endpoint: str, key: str) -> Any:
        headers = {"X-Service-Key": SERVICE_KEY + key}
        return client.post(f"/api/auth/{endpoint}", json={}, headers=headers)

    answers = [ask(name, "a") for name in ("validate-token", "sync-user", "sync-session")]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"3"}
    refused = ask("revoke-user-sessions", "a")
    assert (refused.status_code, refused.json["error"]) == (429, "Rate limit exceeded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert ask("validate-token", "b").status_code == 400


@pytest.mark.parametrize("name", ["validate-token", "sessions/renew"])
def test_guessing_keys_is_limited_per_address(make_app: Callable[..., Any], name: str) -> None:
    """Who has no valid key is counted by address, so that keys cannot be tried at speed."""
    client = make_app(service_rate_limit="2/minute").test_client()
    headers = {"X-Forwarded-For": f"2001:db8:{uuid.uuid4().hex[:4]}::1"}
    statuses = [
        client.post(f"/api/auth/{name}", json={}, headers=headers).status_code for _ in range(3)
    ]
    assert statuses == [403, 403, 429]


def test_renewals_have_a_limit_of_their_own(
    make_app: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """Renewing many browsers does not spend what the documented endpoints are allowed."""
    client = make_app(service_rate_limit="1/minute").test_client()
    headers = {"X-Service-Key": SERVICE_KEY}
    body = {"token": log_in().access_token}
    for _ in range(3):
        answer = client.post("/api/auth/sessions/renew", json=body, headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"unknown": 1}', "application/json", 400),
        (b'{"token": "a\\u0000b", "user_id": 1}', "application/json", 400),
        (b'{"user_id": 1, "user_id": 2}', "application/json", 400),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "application/json", 400),
        (b"token=x", "application/x-www-form-urlencoded", 415),
        (b"<x/>", "text/xml", 415),
    ],
)
def test_malformed_bodies_carry_the_prescribed_error(
    client: Any, name: str, data: bytes, content_type: str, status: int
) -> None:
    """Whatever is wrong with the body, `error` is the endpoint's documented string."""
    headers = {"X-Service-Key": SERVICE_KEY, "Content-Type": content_type}
    answer = client.post(f"/api/auth/{name}", data=data, headers=headers)
    assert (answer.status_code, answer.json["error"]) == (status, ERRORS[name])
    assert answer.json.keys() == {"error", "message", "details"}
    assert answer.json["details"]["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(client: Any, method: str) -> None:
    """Only POST is answered; the standard body says so."""
    answer = client.open("/api/auth/sync-user", method=method)
    assert (answer.status_code, answer.json["error"]) == (405, "Method not allowed")
    assert "POST" in answer.headers["Allow"]


def test_unknown_paths_are_not_found(client: Any) -> None:
    """A path that does not exist is 404 in the standard body."""
    answer = client.post("/api/auth/no-such-thing", json={})
    assert (answer.status_code, answer.json["error"]) == (404, "Not found")


# Validate


def test_validate_token_answers_the_documented_fields(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """The four documented fields as numbers and text, and whose session it is."""
    entered = log_in()
    claims = parts().tokens.verify(entered.access_token)
    answer = call("validate-token", {"token": entered.access_token})
    assert answer.status_code == 200
    assert answer.json == {
        "user_id": entered.person.id,
        "exp": claims.exp,
        "iat": claims.iat,
        "type": "access",
        "email": entered.person.email,
        "user_type": "patient",
        "name": entered.person.email,
        "session_id": claims.sid,
    }


@pytest.mark.parametrize("token", ["", " ", "x", "a.b.c", "x" * 8192, 1, None, ["a"], {"a": 1}])
def test_validate_token_refuses_what_is_no_token(call: Callable[..., Any], token: Any) -> None:
    """Text that is no token is 401, another type or nothing 400; both are "Invalid token"."""
    answer = call("validate-token", {"token": token})
    assert answer.status_code == (401 if isinstance(token, str) and token.strip() else 400)
    assert answer.json["error"] == "Invalid token"


def test_validate_tokens_answers_each_in_order(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """In bulk each token has its own result, good ones beside bad ones."""
    entered = log_in()
    tokens = ["rubbish", entered.access_token, entered.refresh_token]
    answer = call("validate-tokens", {"tokens": tokens})
    assert answer.status_code == 200
    bad, good, refresh = answer.json["results"]
    assert (bad["valid"], bad["error"]) == (False, "Invalid token")
    assert (good["valid"], good["user_id"]) == (True, entered.person.id)
    assert (refresh["valid"], refresh["details"]["reason"]) == (False, "token_type_wrong")
    for wrong in ([], ["x"] * 101, "x", [1]):
        assert call("validate-tokens", {"tokens": wrong}).status_code == 400


def test_what_can_be_no_token_spoils_no_batch(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """An empty, an endless and a strange one are refused by themselves."""
    wrong = ["", " ", "x" * 9000, "é"]
    answer = call("validate-tokens", {"tokens": [*wrong, log_in().access_token]})
    assert answer.status_code == 200
    results = answer.json["results"]
    assert [one["valid"] for one in results] == [False] * 4 + [True]
    assert {one["error"] for one in results[:4]} == {"Invalid token"}


# Sync in bulk


def test_what_is_no_account_spoils_no_batch(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """Text, numbers, lists and nothing are refused by themselves."""
    who = person()
    wrong = ["x", 7, None, [], {"id": [1]}]
    users = [*wrong, {"id": who.id, "first_name": "Bo"}]
    answer = call("sync-users", {"users": users})
    assert (answer.status_code, answer.json["status"]) == (200, "partial")
    assert [one["status"] for one in answer.json["results"]] == ["error"] * 5 + ["success"]
    assert {one["error"] for one in answer.json["results"][:5]} == {"Failed to sync user data"}


def test_sync_users_takes_each_by_itself(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """In bulk good accounts are taken and bad ones refused by number, field and error."""
    first, second = person(), person()
    users = [
        {"id": first.id, "email": first.email, "first_name": "Bo"},
        {"id": second.id, "email": first.email},
        {"id": "x", "email": "nobody", "rank": 1},
        {"id": str(second.id), "email": second.email, "first_name": "Cy"},
    ]
    answer = call("sync-users", {"users": users})
    assert (answer.status_code, answer.json["status"]) == (200, "partial")
    results = answer.json["results"]
    assert [one["status"] for one in results] == ["success", "error", "error", "success"]
    assert results[1]["error"] == results[2]["error"] == "Failed to sync user data"
    assert results[1]["details"]["fields"].keys() == {"email"}
    assert results[2]["details"]["fields"].keys() == {"id", "email", "rank"}
    db.session.expire_all()
    names = [db.session.get_one(User, who.id).first_name for who in (first, second)]
    assert names == ["Bo", "Cy"]
    whole = call("sync-users", {"users": users[:1]})
    assert whole.json["status"] == "success"
    assert call("sync-users", {"users": users * 26}).status_code == 400


# Renew


def test_renew_gives_a_new_token_for_the_same_session(
    call: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    clock: MovableClock,
) -> None:
    """The new token is of the same session and lives on; the old one works to its end."""
    entered = log_in()
    clock.advance(25 * 60)
    answer = call("sessions/renew", {"token": entered.access_token})
    assert answer.status_code == 200
    tokens = (entered.access_token, answer.json["access_token"])
    old, new = map(parts().tokens.verify, tokens)
    assert (new.sid, new.user_id) == (old.sid, old.user_id)
    assert new.exp - old.exp in range(25 * 60 - 1, 25 * 60 + 2)
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 1800)
    assert answer.json["session_id"] == old.sid
    for token in tokens:
        assert call("validate-token", {"token": token}).status_code == 200


def test_renewals_end_at_the_absolute_limit(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], clock: MovableClock
) -> None:
    """Used all day long, a browser's session ends twelve hours after the login, to the second."""
    token = log_in().access_token
    start = parts().tokens.verify(token).iat
    for _ in range(200):
        clock.advance(20 * 60)
        answer = call("sessions/renew", {"token": token})
        if answer.status_code != 200:
            break
        token = answer.json["access_token"]
    assert answer.status_code == 401
    assert clock() - start <= 12 * 3600 + 20 * 60 + 1
    assert clock() >= start + 12 * 3600


def test_renew_of_an_ended_session_is_refused(
    client: Any, call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """A session that was logged out cannot be renewed, nor one of a deactivated account."""
    entered = log_in()
    client.post("/api/auth/logout", headers=entered.headers)
    refused = call("sessions/renew", {"token": entered.access_token})
    assert (refused.status_code, refused.json["details"]["reason"]) == (401, "session_revoked")
