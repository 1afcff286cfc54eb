"""Register, log in, refresh, log out, who am I, change the password: over HTTP."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import select

from gateline.auth.models import AuditEvent, Session, User
from gateline.shared.app import parts
from gateline.shared.database import db, transaction_context
from gateline.shared.sessions import session_key
from gateline.shared.tokens import SigningKey, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.auth.conftest import LoggedIn, MovableClock, Person

PASSWORD = "correct horse battery"


def fresh_email() -> str:
    """Return an address that nobody has."""
    return f"new-{uuid.uuid4().hex}@example.com"


def events(user_id: int) -> list[str]:
    """Return what the audit trail says of an account, in order."""
    wanted = select(AuditEvent.event).where(AuditEvent.user_id == user_id)
    return list(db.session.scalars(wanted.order_by(AuditEvent.id)))


# Register


def test_register_makes_an_account_that_can_log_in(client: Any) -> None:
    """A registration answers 201 with the account, without the password, and login works."""
    email = fresh_email()
    body = {
        "email": email.upper(),
        "password": PASSWORD,
        "user_type": "doctor",
        "first_name": " Ana ",
        "last_name": "Ruiz",
        "username": f"ana-{uuid.uuid4().hex[:12]}",
        "phone": "+34 600 000 000",
    }
    made = client.post("/api/auth/register", json=body)
    assert made.status_code == 201
    user = made.json["user"]
    assert (user["email"], user["name"], user["user_type"]) == (email, "Ana Ruiz", "doctor")
    assert (user["is_active"], user["is_email_verified"]) == (True, False)
    assert isinstance(user["id"], str)
    assert PASSWORD not in made.text
    for name in ({"email": email}, {"username": body["username"].upper()}):
        login = client.post("/api/auth/login", json={**name, "password": PASSWORD})
        assert login.status_code == 200
        assert login.json["user"]["id"] == user["id"]


def test_register_refuses_a_taken_address_or_name(client: Any) -> None:
    """An e-mail address or user name that exists, in any capitals, is a conflict by field."""
    email, username = fresh_email(), f"u{uuid.uuid4().hex[:20]}"
    first = {"email": email, "password": PASSWORD, "username": username}
    assert client.post("/api/auth/register", json=first).status_code == 201
    again = client.post("/api/auth/register", json={**first, "email": email.title()})
    assert again.status_code == 409
    assert again.json["details"]["fields"].keys() == {"email"}
    named = {"email": fresh_email(), "password": PASSWORD, "username": username.upper()}
    answer = client.post("/api/auth/register", json=named)
    assert answer.status_code == 409
    assert answer.json["details"]["fields"].keys() == {"username"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": None}, "email"),
        ({"email": f"{'a' * 250}@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"password": 12345678}, "password"),
        ({"user_type": "admin"}, "user_type"),
        ({"user_type": "root"}, "user_type"),
        ({"first_name": "x" * 101}, "first_name"),
        ({"username": "a b"}, "username"),
        ({"username": "ana@example.com"}, "username"),
        ({"phone": "<script>"}, "phone"),
        ({"is_admin": True}, "is_admin"),
        ({"id": 1}, "id"),
    ],
)
def test_register_names_each_wrong_field(client: Any, change: dict[str, Any], field: str) -> None:
    """Malformed, oversized, mistyped and unknown fields are refused by name; admin is not open."""
    body = {"email": fresh_email(), "password": PASSWORD, **change}
    answer = client.post("/api/auth/register", json=body)
    assert answer.status_code == 400
    assert answer.json["details"]["fields"].keys() == {field}


def test_register_refuses_the_name_as_password(client: Any) -> None:
    """The e-mail address is no password."""
    email = fresh_email()
    answer = client.post("/api/auth/register", json={"email": email, "password": email})
    assert answer.status_code == 400


# Login


def test_login_answers_as_documented(client: Any, person: Callable[..., Person]) -> None:
    """Login gives both tokens, "bearer" and 1800 seconds, and is kept out of caches."""
    who = person()
    answer = client.post("/api/auth/login", json={"email": who.email, "password": who.password})
    assert answer.status_code == 200
    assert answer.json.keys() >= {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 1800)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_login_stores_the_session_in_both_places(log_in: Callable[..., LoggedIn]) -> None:
    """A login leaves a row with device and address, an entry of 15 minutes, and no plain token."""
    entered = log_in(device_info={"browser": "firefox"})
    claims = parts().tokens.verify(entered.access_token)
    row = db.session.get(Session, uuid.UUID(claims.sid))
    assert row is not None
    assert (row.user_id, row.origin) == (entered.person.id, "login")
    assert (row.device_info, row.ip_address) == ({"browser": "firefox"}, "127.0.0.1")
    assert row.refresh_hash == hashlib.sha256(entered.refresh_token.encode()).hexdigest()
    assert 890 <= parts().kv.ttl(session_key(entered.access_token)) <= 900


def test_every_login_has_a_new_session_id(log_in: Callable[..., LoggedIn]) -> None:
    """Two logins never share a session id (session fixation)."""
    first = log_in()
    second = log_in(first.person)
    verify = parts().tokens.verify
    assert verify(first.access_token).sid != verify(second.access_token).sid


def test_login_sets_the_cookie_only_on_v1(browser: Any, person: Callable[..., Person]) -> None:
    """The browser's login sets an HttpOnly, SameSite cookie that then identifies it."""
    who = person()
    body = {"email": who.email, "password": who.password}
    answer = browser.post("/api/v1/auth/login", json=body)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"gateline_session={answer.json['access_token']};")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800"))
    assert browser.get("/api/v1/auth/validate").json["user"]["id"] == str(who.id)


def test_cookie_under_tls_is_secure_and_host_bound(
    browser: Any, person: Callable[..., Person]
) -> None:
    """Behind a trusted proxy that speaks TLS the cookie is Secure with the __Host- prefix."""
    who = person()
    body = {"email": who.email, "password": who.password}
    headers = {"X-Forwarded-Proto": "https"}
    cookie = browser.post("/api/v1/auth/login", json=body, headers=headers).headers["Set-Cookie"]
    assert cookie.startswith("__Host-gateline_session=")
    assert "Secure" in cookie


def test_unknown_user_and_wrong_password_look_the_same(
    client: Any, person: Callable[..., Person]
) -> None:
    """Nothing in the answer tells whether the account exists."""
    known = client.post("/api/auth/login", json={"email": person().email, "password": "wrong"})
    unknown = client.post("/api/auth/login", json={"email": fresh_email(), "password": "wrong"})
    for answer in (known, unknown):
        assert answer.status_code == 401
        assert answer.json["error"] == "Invalid credentials"
        assert answer.json["details"]["reason"] == "credentials_invalid"
    assert known.json["message"] == unknown.json["message"]
    assert known.json["details"].keys() == unknown.json["details"].keys()
    assert set(known.headers.keys()) == set(unknown.headers.keys())


def test_login_with_another_kind_of_account(client: Any, person: Callable[..., Person]) -> None:
    """The right password for the wrong kind of account is refused; a wrong one says no more."""
    who = person("patient")
    body = {"email": who.email, "password": who.password, "user_type": "doctor"}
    refused = client.post("/api/v1/auth/login", json=body)
    assert (refused.status_code, refused.json["details"]["reason"]) == (403, "wrong_user_type")
    assert "Set-Cookie" not in refused.headers
    wrong = client.post("/api/v1/auth/login", json={**body, "password": "x"})
    assert wrong.json["details"]["reason"] == "credentials_invalid"
    allowed = client.post("/api/v1/auth/login", json={**body, "user_type": "patient"})
    assert allowed.status_code == 200


def test_inactive_account_cannot_log_in(client: Any, person: Callable[..., Person]) -> None:
    """Only who knows the password learns that the account is inactive."""
    who = person()
    with transaction_context():
        db.session.get_one(User, who.id).is_active = False
    body = {"email": who.email, "password": who.password}
    refused = client.post("/api/auth/login", json=body)
    assert (refused.status_code, refused.json["details"]["reason"]) == (403, "account_inactive")
    wrong = client.post("/api/auth/login", json={**body, "password": "x"})
    assert wrong.status_code == 401


def test_bcrypt_account_logs_in_and_is_upgraded(client: Any, person: Callable[..., Person]) -> None:
    """An account with a bcrypt hash logs in, and has an argon2id hash from then on."""
    who = person()
    with transaction_context():
        user = db.session.get_one(User, who.id)
        user.password_hash = bcrypt.hashpw(b"old secret", bcrypt.gensalt(4)).decode()
    body = {"email": who.email, "password": "old secret"}
    assert client.post("/api/auth/login", json=body).status_code == 200
    db.session.expire_all()
    assert str(db.session.get_one(User, who.id).password_hash).startswith("$argon2id$")
    assert client.post("/api/auth/login", json=body).status_code == 200


def test_account_without_password_cannot_log_in(client: Any, person: Callable[..., Person]) -> None:
    """An account that another service made has no password, not an empty one."""
    who = person()
    with transaction_context():
        db.session.get_one(User, who.id).password_hash = None
    for password in ("", " ", "None", "null"):
        answer = client.post("/api/auth/login", json={"email": who.email, "password": password})
        assert answer.status_code in {400, 401}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"password"}),
        ({"email": "a@example.com"}, {"password"}),
        ({"email": "a@example.com", "password": ""}, {"password"}),
        ({"email": "a@example.com", "password": ["x"]}, {"password"}),
        ({"email": {"$gt": ""}, "password": "x"}, {"email"}),
        ({"email": "a@example.com", "password": "x" * 257}, {"password"}),
        ({"email": "a@example.com", "password": "x", "user_type": "god"}, {"user_type"}),
        ({"email": "a@example.com", "password": "x", "remember": True}, {"remember"}),
        ({"email": "a@example.com", "password": "x", "device_info": "tv"}, {"device_info"}),
        (
            {"email": "a@example.com", "password": "x", "device_info": {"a": "x" * 5000}},
            {"device_info"},
        ),
        ({"password": "x"}, {"body"}),
        ({"email": "a@example.com", "username": "abc", "password": "x"}, {"body"}),
    ],
)
def test_login_names_each_wrong_field(client: Any, body: dict[str, Any], fields: set[str]) -> None:
    """Missing, empty, oversized, wrongly typed and unknown fields are refused by name."""
    answer = client.post("/api/auth/login", json=body)
    assert answer.status_code == 400
    assert answer.json["details"]["fields"].keys() == fields


@pytest.mark.parametrize(
    ("data", "content_type", "status", "reason"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b"", "application/json", 400, "malformed_json"),
        (b'{"email": "a@b.co", "password": "x\\u0000"}', "application/json", 400, "malformed_json"),
        (b'{"email": "\xff", "password": "x"}', "application/json", 400, "malformed_json"),
        (b'{"password": "a", "password": "b"}', "application/json", 400, "malformed_json"),
        (b"[]", "application/json", 400, "validation_failed"),
        (b"null", "application/json", 400, "validation_failed"),
        (b"email=a&password=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    ],
)
def test_login_refuses_what_is_no_json_object(
    client: Any, data: bytes, content_type: str, status: int, reason: str
) -> None:
    """Malformed JSON, NULs, repeated keys, other shapes and other types are told apart."""
    answer = client.post("/api/auth/login", data=data, content_type=content_type)
    assert (answer.status_code, answer.json["details"]["reason"]) == (status, reason)
    assert answer.json.keys() == {"error", "message", "details"}


def test_login_refuses_an_oversized_body(make_app: Callable[..., Any]) -> None:
    """A body beyond the limit is 413, whatever it holds."""
    client = make_app(max_body_bytes=1000).test_client()
    answer = client.post("/api/auth/login", json={"email": "a@b.co", "password": "x" * 2000})
    assert (answer.status_code, answer.json["details"]["reason"]) == (413, "payload_too_large")


def _guess(app: Any, body: dict[str, Any], address: str) -> Any:
    client = app.test_client()
    return client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": address})


@pytest.mark.parametrize("known", [True, False])
def test_login_is_limited_per_account_and_network(
    make_app: Callable[..., Any], client: Any, person: Callable[..., Person], known: bool
) -> None:
    """Guessing from one network ends after the limit, and looks the same where nobody is."""
    limited = make_app(login_rate_limit="3/minute")
    body = {"email": person().email if known else fresh_email(), "password": "wrong"}

    guesses = [_guess(limited, body, f"2001:db8:7:7::{last}") for last in range(4)]
    assert [one.status_code for one in guesses] == [401, 401, 401, 429]
    assert guesses[-1].json["details"]["reason"] == "limit_spent"
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert _guess(limited, body, "203.0.113.99").status_code == 401


def test_nobody_locks_somebody_else_out(
    make_app: Callable[..., Any], client: Any, person: Callable[..., Person]
) -> None:
    """Who spends the limit of an account from elsewhere does not keep its owner from logging in."""
    limited = make_app(login_rate_limit="3/minute")
    owner = person()
    wrong = {"email": owner.email, "password": "wrong"}
    assert [_guess(limited, wrong, "203.0.113.1").status_code for _ in range(5)][-1] == 429

    right = {"email": owner.email, "password": owner.password}
    assert _guess(limited, right, "198.51.100.1").status_code == 200


@pytest.mark.parametrize("known", [True, False])
def test_guessing_from_many_networks_ends_as_well(
    make_app: Callable[..., Any], client: Any, person: Callable[..., Person], known: bool
) -> None:
    """All together may fail thirty times as often as one network; what succeeds counts nothing."""
    limited = make_app(login_rate_limit="1/minute")
    owner = person()
    body = {"email": owner.email if known else fresh_email(), "password": "wrong"}
    right = {"email": owner.email, "password": owner.password}
    site = f"2001:db8:{uuid.uuid4().hex[:4]}"
    for last in range(5):
        assert _guess(limited, right, f"{site}:a{last}::1").status_code == 200

    statuses = [_guess(limited, body, f"{site}:{last}::1").status_code for last in range(31)]
    assert statuses == [401] * 30 + [429]
    assert _guess(limited, right, f"{site}:b::1").status_code == (429 if known else 200)


def test_user_name_and_address_share_the_limit_of_an_account(
    make_app: Callable[..., Any], client: Any
) -> None:
    """Two names of one account are not two times the guesses."""
    limited = make_app(login_rate_limit="2/minute")
    email, username = fresh_email(), f"u{uuid.uuid4().hex[:12]}"
    account = {"email": email, "username": username, "password": "a long sentence"}
    assert client.post("/api/auth/register", json=account).status_code == 201

    bodies = [{"email": email}, {"username": username.upper()}, {"username": username}]
    statuses = [
        _guess(limited, {**body, "password": "wrong"}, "203.0.113.5").status_code for body in bodies
    ]
    assert statuses == [401, 401, 429]


@pytest.mark.parametrize("path", ["login", "register"])
def test_a_network_shares_the_limit_of_an_address(make_app: Callable[..., Any], path: str) -> None:
    """The next address of the same /64 spends what the one before had."""
    limited = make_app(login_rate_limit="1/minute").test_client()

    def attempt(address: str) -> int:
        body = {"email": fresh_email(), "password": "another long sentence"}
        headers = {"X-Forwarded-For": address}
        answer: Any = limited.post(f"/api/auth/{path}", json=body, headers=headers)
        return int(answer.status_code)

    statuses = [attempt(f"2001:db8:{len(path)}:1::{last}") for last in range(6)]
    assert 429 not in statuses[:5]
    assert statuses[5] == 429
    assert attempt(f"2001:db8:{len(path)}:2::1") != 429


def test_login_is_limited_per_address(make_app: Callable[..., Any]) -> None:
    """One address may not try many accounts: five times the limit of an account."""
    limited = make_app(login_rate_limit="1/minute").test_client()
    headers = {"X-Forwarded-For": "198.51.100.7"}
    statuses = [
        limited.post(
            "/api/auth/login", json={"email": fresh_email(), "password": "x"}, headers=headers
        ).status_code
        for _ in range(6)
    ]
    assert statuses == [401, 401, 401, 401, 401, 429]


def test_login_from_another_site_is_refused(browser: Any, person: Callable[..., Person]) -> None:
    """Another site cannot log a browser in (login CSRF)."""
    who = person()
    body = {"email": who.email, "password": who.password}
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    refused = browser.post("/api/v1/auth/login", json=body, headers=headers)
    assert (refused.status_code, refused.json["details"]["reason"]) == (403, "cross_site")


def test_login_leaves_an_audit_trail_without_secrets(
    client: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """Success and failure are written down with address and request id, never with a password."""
    entered = log_in()
    email = entered.person.email
    headers = {"X-Request-ID": "request-of-the-test"}
    body = {"email": email, "password": "a wrong one"}
    client.post("/api/auth/login", json=body, headers=headers)
    assert events(entered.person.id) == ["account_created", "login", "login_failed"]
    failed = db.session.scalars(
        select(AuditEvent).where(
            AuditEvent.user_id == entered.person.id, AuditEvent.event == "login_failed"
        )
    ).one()
    assert (failed.request_id, failed.ip_address) == ("request-of-the-test", "127.0.0.1")
    assert failed.details == {"name": email, "reason": "credentials_invalid"}


def test_unknown_name_is_not_kept(client: Any) -> None:
    """A name that no account has is not written down: it may be a password in the wrong field."""
    username = f"secret{uuid.uuid4().hex[:12]}"
    client.post("/api/auth/login", json={"username": username, "password": "x"})
    rows = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(5)).all()
    assert rows[0].event == "login_failed"
    assert username not in json.dumps([row.details for row in rows])


# Refresh


def test_refresh_gives_a_new_access_token(
    client: Any, log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """Refresh answers exactly the documented fields, for the same session, as often as wanted."""
    entered = log_in()
    tokens = {entered.access_token}
    for _ in range(2):
        answer = client.post("/api/auth/refresh", json={"refresh_token": entered.refresh_token})
        assert answer.status_code == 200
        assert answer.json.keys() == {"access_token", "token_type", "expires_in"}
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 1800)
        renewed = replace(entered, access_token=answer.json["access_token"])
        assert is_alive(renewed)
        tokens.add(renewed.access_token)
    verify = parts().tokens.verify
    assert len(tokens) == 3
    assert len({verify(token).sid for token in tokens}) == 1


def test_refresh_survives_idleness_but_not_its_own_end(
    client: Any, log_in: Callable[..., LoggedIn], clock: MovableClock
) -> None:
    """A refresh token works days later and is refused as expired after thirty."""
    entered = log_in()
    body = {"refresh_token": entered.refresh_token}
    clock.advance(29 * 86400)
    assert client.post("/api/auth/refresh", json=body).status_code == 200
    clock.advance(86400 + 1)
    refused = client.post("/api/auth/refresh", json=body)
    assert (refused.status_code, refused.json["details"]["reason"]) == (401, "token_expired")


def test_access_token_after_the_browser_limit_is_usable(
    client: Any,
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
    clock: MovableClock,
) -> None:
    """A token refreshed later than the 12 hours of browsers is a whole token."""
    entered = log_in()
    clock.advance(13 * 3600)
    body = {"refresh_token": entered.refresh_token}
    renewed = client.post("/api/auth/refresh", json=body).json["access_token"]
    assert is_alive(replace(entered, access_token=renewed))


def test_refresh_dies_with_its_session(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """After logout the refresh token is refused: it is bound to the session."""
    entered = log_in()
    assert client.post("/api/auth/logout", headers=entered.headers).status_code == 200
    answer = client.post("/api/auth/refresh", json={"refresh_token": entered.refresh_token})
    assert (answer.status_code, answer.json["details"]["reason"]) == (401, "session_revoked")


def test_refresh_of_an_inactive_account_is_refused(
    client: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """An account that was switched off gets no new token."""
    entered = log_in()
    with transaction_context():
        db.session.get_one(User, entered.person.id).is_active = False
    answer = client.post("/api/auth/refresh", json={"refresh_token": entered.refresh_token})
    assert (answer.status_code, answer.json["details"]["reason"]) == (403, "account_inactive")


def test_refresh_needs_the_very_token_that_was_given(
    client: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """A genuine refresh token that was not given at login is refused, as is an access token."""
    entered = log_in()
    claims = parts().tokens.verify(entered.access_token)
    issue = parts().tokens.issue
    other, _ = issue("refresh", claims.user_id, claims.email, claims.user_type, claims.sid, 600)
    stray, _ = issue("refresh", claims.user_id, claims.email, "patient", str(uuid.uuid4()), 600)
    odd, _ = issue("refresh", claims.user_id, claims.email, "patient", "no-uuid", 600)
    reasons = [
        client.post("/api/auth/refresh", json={"refresh_token": token}).json["details"]["reason"]
        for token in (other, stray, odd, entered.access_token, "x.y.z")
    ]
    assert reasons == [
        "token_invalid",
        "session_invalid",
        "session_invalid",
        "token_type_wrong",
        "token_invalid",
    ]


# Tokens that must not be believed


def forged(name: str, entered: LoggedIn, clock: MovableClock) -> str:
    """Return a token that is wrong in one way, for a session that is alive."""
    key = SigningKey.from_secret(parts().settings.secret_key)
    claims = parts().tokens.verify(entered.access_token)
    subject = (claims.user_id, claims.email, "admin", claims.sid)
    header, payload, signature = entered.access_token.split(".")
    if name == "tampered payload":
        return f"{header}.{payload[:-4]}AAAA.{signature}"
    if name == "tampered signature":
        return f"{header}.{payload}.{signature[:-4]}AAAA"
    if name == "alg none":
        return f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}."
    if name == "wrong type":
        return entered.refresh_token
    keys = [SigningKey.from_secret("b" * 40)] if name == "wrong key" else [key]
    issuer = "elsewhere" if name == "wrong issuer" else "gateline"
    audience = "elsewhere" if name == "wrong audience" else "gateline"
    life = -1 if name == "expired" else 600
    forger = Tokens(keys, issuer=issuer, audience=audience, clock=clock)
    return forger.issue("access", *subject, life)[0]


@pytest.mark.parametrize(
    "name",
    [
        "tampered payload",
        "tampered signature",
        "alg none",
        "wrong type",
        "wrong key",
        "wrong issuer",
        "wrong audience",
        "expired",
        "not stored",
    ],
)
def test_forged_tokens_are_refused_everywhere(
    client: Any,
    call: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    clock: MovableClock,
    name: str,
) -> None:
    """Whatever is wrong with a token, people's and services' endpoints answer 401."""
    token = forged(name, log_in(), clock)
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/auth/validate", headers=headers).status_code == 401
    assert client.get("/api/auth/sessions", headers=headers).status_code == 401
    refused = call("validate-token", {"token": token})
    assert (refused.status_code, refused.json["error"]) == (401, "Invalid token")
    assert call("sessions/renew", {"token": token}).status_code == 401


# Validate


def test_validate_tells_whose_session_it_is(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """Validate answers valid, the user and the end of the token; without a session 401."""
    entered = log_in()
    answer = client.get("/api/v1/auth/validate", headers=entered.headers)
    assert answer.status_code == 200
    assert answer.json["valid"] is True
    assert answer.json["user"]["id"] == str(entered.person.id)
    assert answer.json["user"]["email"] == entered.person.email
    assert answer.json["expires_at"].endswith("Z")
    missing = client.get("/api/v1/auth/validate")
    assert (missing.status_code, missing.json["details"]["reason"]) == (401, "session_missing")
    assert missing.headers["WWW-Authenticate"] == "Bearer"


# Logout


def test_logout_ends_the_session_everywhere(browser: Any, person: Callable[..., Person]) -> None:
    """After logout cookie, access token and row are dead; other sessions live on."""
    who = person()
    body = {"email": who.email, "password": who.password}
    other = browser.post("/api/auth/login", json=body).json["access_token"]
    token = browser.post("/api/v1/auth/login", json=body).json["access_token"]
    answer = browser.post("/api/v1/auth/logout")
    assert answer.json == {"status": "success"}
    assert "gateline_session=;" in answer.headers["Set-Cookie"]
    assert browser.get("/api/v1/auth/validate").status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert browser.get("/api/v1/auth/validate", headers=headers).status_code == 401
    row = db.session.get_one(Session, uuid.UUID(parts().tokens.verify(token).sid))
    assert (row.end_reason, row.refresh_hash) == ("logout", None)
    headers = {"Authorization": f"Bearer {other}"}
    assert browser.get("/api/v1/auth/validate", headers=headers).status_code == 200


def test_logout_again_is_no_error(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """A repeated logout succeeds and changes nothing."""
    entered = log_in()
    for path in ("/api/auth/logout", "/api/auth/logout", "/api/v1/auth/logout"):
        answer = client.post(path, headers=entered.headers)
        assert (answer.status_code, answer.json) == (200, {"status": "success"})


def test_logout_with_the_refresh_token(
    client: Any, log_in: Callable[..., LoggedIn], clock: MovableClock
) -> None:
    """A client whose access token has expired ends its session with the refresh token."""
    entered = log_in()
    clock.advance(3600)
    late = client.post("/api/auth/logout", headers=entered.headers)
    assert (late.status_code, late.json["details"]["reason"]) == (401, "token_expired")
    body = {"refresh_token": entered.refresh_token}
    assert client.post("/api/auth/logout", json=body).status_code == 200
    assert client.post("/api/auth/refresh", json=body).status_code == 401


def test_logout_of_nobody_clears_the_cookie(browser: Any) -> None:
    """Without a session logout is 401, and a dead cookie is taken away all the same."""
    missing = browser.post("/api/v1/auth/logout")
    assert (missing.status_code, missing.json["details"]["reason"]) == (401, "session_missing")
    browser.set_cookie("gateline_session", "dead")
    dead = browser.post("/api/v1/auth/logout")
    assert (dead.status_code, dead.json["details"]["reason"]) == (401, "token_invalid")
    assert "gateline_session=;" in dead.headers["Set-Cookie"]


def test_logout_by_another_site_is_refused(browser: Any, person: Callable[..., Person]) -> None:
    """Another site cannot log a browser out."""
    who = person()
    browser.post("/api/v1/auth/login", json={"email": who.email, "password": who.password})
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post("/api/v1/auth/logout", headers=headers).status_code == 403
    assert browser.get("/api/v1/auth/validate").status_code == 200


# Password


def test_change_password_ends_the_other_sessions(
    client: Any, log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """The session that changes the password lives on, all others end, the old password is dead."""
    here = log_in()
    there = log_in(here.person)
    body = {"current_password": here.person.password, "new_password": "another good one"}
    answer = client.post("/api/auth/change-password", json=body, headers=here.headers)
    assert (answer.status_code, answer.json["sessions_ended"]) == (200, 1)
    assert (is_alive(here), is_alive(there)) == (True, False)
    refresh = {"refresh_token": there.refresh_token}
    assert client.post("/api/auth/refresh", json=refresh).status_code == 401
    old = {"email": here.person.email, "password": here.person.password}
    assert client.post("/api/auth/login", json=old).status_code == 401
    assert is_alive(log_in(replace(here.person, password="another good one")))
    assert "password_changed" in events(here.person.id)


def test_change_password_needs_the_current_one(
    client: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """A wrong current password is a wrong field, written down, and changes nothing."""
    entered = log_in()
    body = {"current_password": "guess", "new_password": "another good one"}
    answer = client.post("/api/auth/change-password", json=body, headers=entered.headers)
    assert answer.status_code == 400
    assert answer.json["details"]["fields"].keys() == {"current_password"}
    assert events(entered.person.id)[-1] == "password_refused"
    log_in(entered.person)


def test_change_password_needs_a_session_and_a_new_password(
    client: Any, log_in: Callable[..., LoggedIn]
) -> None:
    """Without a session 401; the same, a short or a missing password 400."""
    body = {"current_password": PASSWORD, "new_password": "another good one"}
    assert client.post("/api/auth/change-password", json=body).status_code == 401
    headers = log_in().headers
    for change in ({"new_password": PASSWORD}, {"new_password": "short"}, {"new_password": None}):
        wrong = client.post("/api/auth/change-password", json={**body, **change}, headers=headers)
        assert wrong.status_code == 400


# Keys


def test_key_set_never_shows_a_secret(client: Any) -> None:
    """While tokens are signed with a secret the key set is empty; it may be cached."""
    answer = client.get("/.well-known/jwks.json")
    assert answer.json == {"keys": []}
    assert "max-age" in answer.headers["Cache-Control"]


def test_key_set_shows_the_public_half(
    make_app: Callable[..., Any], person: Callable[..., Person], tmp_path: Path
) -> None:
    """With a key pair, tokens verify by the published key, and its private part is not there."""
    pair = ECKey.generate_key("P-256", {"kid": "today"}, private=True)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [pair.as_dict(private=True)]}))
    client = make_app(jwt_algorithm="ES256", jwt_keys_file=keys).test_client(use_cookies=False)
    [shown] = client.get("/.well-known/jwks.json").json["keys"]
    assert (shown["kid"], shown["alg"], shown["use"]) == ("today", "ES256", "sig")
    assert "d" not in shown
    who = person()
    body = {"email": who.email, "password": who.password}
    token = client.post("/api/auth/login", json=body).json["access_token"]
    claims = jwt.decode(token, ECKey.import_key(shown), algorithms=["ES256"]).claims
    assert claims["user_id"] == who.id
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/auth/validate", headers=headers).status_code == 200
