"""What other services tell: sessions, accounts, revocations."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from gateline.auth.admin_schemas import AccountChange
from gateline.auth.administration import change_account
from gateline.auth.models import AuditEvent, Session, User
from gateline.auth.service import create_account
from gateline.shared.app import parts
from gateline.shared.database import db
from gateline.shared.sessions import session_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.auth.conftest import LoggedIn, MovableClock, Person


def sid_of(entered: LoggedIn) -> uuid.UUID:
    """Return the id of a session."""
    return uuid.UUID(parts().tokens.verify(entered.access_token).sid)


def row_of(entered: LoggedIn) -> Session:
    """Return the row of a session as it is now."""
    return db.session.get_one(Session, sid_of(entered), populate_existing=True)


def account(user_id: int) -> User:
    """Return an account as it is now."""
    return db.session.get_one(User, user_id, populate_existing=True)


def at(**ahead: float) -> str:
    """Return a time from now, as services write it."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


# Sessions


def test_session_payload_of_document_0_ends_all_sessions(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """`is_active: false` without naming a session ends all of the user's, and only those."""
    first = log_in()
    second = log_in(first.person)
    stranger = log_in()
    data = {"expires_at": at(hours=1), "is_active": False}
    body = {"user_id": str(first.person.id), "session_data": data}
    for _ in range(2):
        answer = call("sync-session", body)
        assert (answer.status_code, answer.json) == (200, {"status": "success"})
    assert [is_alive(one) for one in (first, second, stranger)] == [False, False, True]
    assert row_of(first).end_reason == "ended_by_service"


def test_active_session_payload_of_document_0_ends_nothing(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """`is_active: true` keeps the user's sessions and moves their end."""
    entered = log_in()
    data = {"expires_at": at(days=2), "is_active": True}
    answer = call("sync-session", {"user_id": entered.person.id, "session_data": data})
    assert answer.status_code == 200
    assert is_alive(entered)
    assert row_of(entered).expires_at == datetime.fromisoformat(str(data["expires_at"]))


def test_session_end_that_has_passed_ends_the_session(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """An `expires_at` in the past says that the session is over."""
    entered = log_in()
    data = {"expires_at": "2024-01-01T00:00:00Z"}
    body = {
        "user_id": entered.person.id,
        "token": entered.access_token,
        "session_data": data,
        "timestamp": "2024-01-01T00:00:00Z",
    }
    assert call("sync-session", body).status_code == 200
    assert not is_alive(entered)


def test_session_that_ends_sooner_takes_its_tokens_along(
    call: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
    clock: MovableClock,
) -> None:
    """A session shortened to five minutes is dead after six, though its token would live longer."""
    entered = log_in()
    other = log_in(entered.person)
    data = {"session_id": str(sid_of(entered)), "expires_at": at(minutes=5)}
    answer = call("sync-session", {"user_id": entered.person.id, "session_data": data})
    assert answer.status_code == 200
    assert is_alive(entered)
    clock.advance(360)
    assert not is_alive(entered)
    assert is_alive(other)


def test_session_never_outlives_what_a_login_allows(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """A service may not keep a session open for years."""
    entered = log_in()
    data = {"session_id": str(sid_of(entered)), "expires_at": "9999-12-31T23:59:59Z"}
    answer = call("sync-session", {"user_id": entered.person.id, "session_data": data})
    assert answer.status_code == 200
    row = row_of(entered)
    assert row.expires_at - row.created_at <= timedelta(days=30)


def test_session_payload_of_document_1_is_recorded(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """Device, the service's own name for the session and its end are kept; the token stays good."""
    entered = log_in()
    data = {
        "session_id": "session-uuid",
        "device_info": {"device_type": "mobile", "browser": "chrome"},
        "expires_at": at(days=1),
    }
    body = {
        "user_id": entered.person.id,
        "token": entered.access_token,
        "session_data": data,
        "timestamp": at(),
    }
    for _ in range(2):
        assert call("sync-session", body).json == {"status": "success"}
    row = row_of(entered)
    assert (row.device_info, row.external_id) == (data["device_info"], "session-uuid")
    assert is_alive(entered)
    ended = {"session_id": "session-uuid", "is_active": False}
    call("sync-session", {"user_id": entered.person.id, "session_data": ended})
    assert not is_alive(entered)


def test_token_is_entered_into_the_store(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """A session whose entry fell out by idleness is woken by its valid token."""
    entered = log_in()
    parts().kv.delete(session_key(entered.access_token))
    assert not is_alive(entered)
    body = {"user_id": entered.person.id, "token": entered.access_token, "session_data": {}}
    assert call("sync-session", body).status_code == 200
    assert is_alive(entered)


def test_revoked_token_is_not_entered_again(
    client: Any,
    call: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """A sync cannot bring a session back that was ended, though its token is still genuine."""
    entered = log_in()
    client.post("/api/auth/logout", headers=entered.headers)
    body = {"user_id": entered.person.id, "token": entered.access_token, "session_data": {}}
    answer = call("sync-session", body)
    assert (answer.status_code, answer.json["error"]) == (400, "Failed to sync session")
    assert not is_alive(entered)


def test_session_begun_elsewhere_is_recorded(
    client: Any, call: Callable[..., Any], log_in: Callable[..., LoggedIn], clock: MovableClock
) -> None:
    """A genuine token of an unknown session makes one; one from before a revocation does not."""
    entered = log_in()
    who = entered.person
    issue = parts().tokens.issue
    token, claims = issue("access", who.id, who.email, "patient", str(uuid.uuid4()), 600)
    body = {"user_id": who.id, "token": token, "session_data": {"device_info": {"os": "x"}}}
    assert call("sync-session", body).status_code == 200
    row = db.session.get_one(Session, uuid.UUID(claims.sid))
    assert (row.origin, row.device_info) == ("service:flask", {"os": "x"})
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/auth/validate", headers=headers).status_code == 200
    unknown, _ = issue("access", who.id, who.email, "patient", str(uuid.uuid4()), 600)
    clock.advance(2)
    call("revoke-user-sessions", {"user_id": who.id, "reason": "lost"})
    refused = call("sync-session", {**body, "token": unknown})
    assert refused.status_code == 400
    assert refused.json["details"]["fields"].keys() == {"token"}


def test_session_known_by_name_only(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A session that a service reports without token is history under the service's name for it."""
    who = person()
    name = f"mobile-{uuid.uuid4()}"
    body = {"user_id": who.id, "session_data": {"session_id": name, "is_active": True}}
    for _ in range(2):
        assert call("sync-session", body).status_code == 200
    rows = db.session.scalars(select(Session).where(Session.user_id == who.id)).all()
    assert [(row.external_id, row.refresh_hash) for row in rows] == [(name, None)]
    body["session_data"] = {"session_id": name, "is_active": False}
    assert call("sync-session", body).status_code == 200
    again = call("sync-session", {**body, "session_data": {"session_id": name}})
    assert (again.status_code, again.json["error"]) == (400, "Failed to sync session")


def test_name_moves_to_the_session_with_the_token(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """When the token of a session reported by name comes later, the name means that session."""
    entered = log_in()
    body = {"user_id": entered.person.id, "session_data": {"session_id": "tv"}}
    assert call("sync-session", body).status_code == 200
    assert call("sync-session", {**body, "token": entered.access_token}).status_code == 200
    assert row_of(entered).external_id == "tv"


def test_late_session_message_does_not_overwrite(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """A message with an older timestamp than the last one changes nothing."""
    entered = log_in()

    def tell(device: str, moment: str) -> None:
        data = {"session_id": str(sid_of(entered)), "device_info": {"device": device}}
        body = {"user_id": entered.person.id, "session_data": data, "timestamp": moment}
        assert call("sync-session", body).status_code == 200

    tell("first", "2024-01-01T00:00:00Z")
    tell("second", "2024-01-02T00:00:00Z")
    tell("late", "2024-01-01T12:00:00Z")
    assert row_of(entered).device_info == {"device": "second"}
    tell("from the future", "2999-01-01T00:00:00Z")
    tell("now", at(minutes=1))
    assert row_of(entered).device_info == {"device": "now"}


def test_session_of_another_user_is_out_of_reach(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """Neither another user's token nor session id works under one's own number."""
    mine, theirs = log_in(), log_in()
    body = {"user_id": mine.person.id, "token": theirs.access_token, "session_data": {}}
    refused = call("sync-session", body)
    assert (refused.status_code, refused.json["error"]) == (400, "Failed to sync session")
    data = {"session_id": str(sid_of(theirs)), "is_active": False}
    assert (
        call("sync-session", {"user_id": mine.person.id, "session_data": data}).status_code == 200
    )
    assert is_alive(theirs)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": 0}, "user_id"),
        ({"user_id": -1}, "user_id"),
        ({"user_id": "abc"}, "user_id"),
        ({"user_id": 1.5}, "user_id"),
        ({"user_id": True}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": 2**63}, "user_id"),
        ({"user_id": 2**62}, "user_id"),
        ({"token": "a.b.c"}, "token"),
        ({"token": 5}, "token"),
        ({"token": "x" * 9000}, "token"),
        ({"session_data": None}, "session_data"),
        ({"session_data": {"expires_at": "soon"}}, "session_data.expires_at"),
        ({"session_data": {"is_active": "yes"}}, "session_data.is_active"),
        ({"session_data": {"session_id": ""}}, "session_data.session_id"),
        ({"session_data": {"session_id": "x" * 129}}, "session_data.session_id"),
        ({"session_data": {"device_info": "tv"}}, "session_data.device_info"),
        ({"session_data": {"device_info": {"a": "x" * 5000}}}, "session_data.device_info"),
        ({"session_data": {"owner": 1}}, "session_data.owner"),
        ({"timestamp": 1704067200}, "timestamp"),
        ({"extra": 1}, "extra"),
    ],
)
def test_wrong_session_fields_are_named(
    call: Callable[..., Any], person: Callable[..., Person], change: dict[str, Any], field: str
) -> None:
    """Each wrong field is named under "Failed to sync session", unknown users included."""
    body = {"user_id": person().id, "session_data": {}, **change}
    answer = call("sync-session", body)
    assert (answer.status_code, answer.json["error"]) == (400, "Failed to sync session")
    assert list(answer.json["details"]["fields"]) == [field]


# Accounts


def test_user_payloads_of_both_documents(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A known account takes over what is told, and replaying is harmless."""
    who = person()
    body = {
        "id": str(who.id),
        "email": who.email.upper(),
        "first_name": "John",
        "last_name": "Doe",
        "is_active": True,
        "is_email_verified": True,
        "profile_picture": "url-to-picture",
        "last_sync": "2024-01-01T00:00:00Z",
    }
    for _ in range(2):
        answer = call("sync-user", body)
        assert (answer.status_code, answer.json) == (200, {"status": "success"})
    user = account(who.id)
    assert (user.email, user.name, user.is_email_verified) == (who.email, "John Doe", True)
    assert user.profile_picture == "url-to-picture"
    assert user.last_sync == datetime(2024, 1, 1, tzinfo=UTC)


def test_what_is_left_out_stays(call: Callable[..., Any], person: Callable[..., Person]) -> None:
    """Fields that a message does not hold keep their value; null empties what may be empty."""
    who = person(first_name="Ana", last_name="Ruiz", phone="123456")
    call("sync-user", {"id": who.id, "email": who.email, "last_name": None, "phone": None})
    user = account(who.id)
    assert (user.first_name, user.last_name, user.phone) == ("Ana", "", None)
    assert user.is_active
    assert user.password_hash is not None


def test_stale_user_message_does_not_overwrite(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A message older than the last one is acknowledged and changes nothing."""
    who = person()
    base = {"id": who.id, "email": who.email}
    new = {"first_name": "New", "is_active": True, "last_sync": "2024-02-01T00:00:00Z"}
    call("sync-user", {**base, **new})
    stale = {**base, "first_name": "Old", "is_active": False, "last_sync": "2024-01-01T00:00:00Z"}
    assert call("sync-user", stale).json == {"status": "success"}
    user = account(who.id)
    assert (user.first_name, user.is_active) == ("New", True)


def test_an_older_message_about_another_field_is_not_lost(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """Each field has a stamp of its own, in whatever order messages arrive (a lost update)."""
    who = person()
    newer = {"id": who.id, "first_name": "New", "last_sync": "2024-02-01T00:00:00Z"}
    older = {"id": who.id, "phone": "+34123456", "last_sync": "2024-01-01T00:00:00Z"}
    both = {**older, "first_name": "Old", "last_name": "Sol"}
    for message in (newer, older, both):
        assert call("sync-user", message).json == {"status": "success"}
    user = account(who.id)
    assert (user.first_name, user.last_name, user.phone) == ("New", "Sol", "+34123456")
    assert user.last_sync == datetime(2024, 2, 1, tzinfo=UTC)
    oldest = {"id": who.id, "phone": None, "last_sync": "2023-01-01T00:00:00Z"}
    assert call("sync-user", oldest).json == {"status": "success"}
    assert account(who.id).phone == "+34123456"


def test_an_older_message_does_not_verify_a_newer_address(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """What was verified then was the address before."""
    who, email = person(), f"moved-{uuid.uuid4().hex}@example.com"
    call("sync-user", {"id": who.id, "email": email, "last_sync": "2024-02-01T00:00:00Z"})
    verified = {"id": who.id, "is_email_verified": True}
    call("sync-user", {**verified, "last_sync": "2024-01-01T00:00:00Z"})
    assert not account(who.id).is_email_verified
    call("sync-user", {**verified, "last_sync": "2024-03-01T00:00:00Z"})
    assert account(who.id).is_email_verified


def test_what_an_administrator_changed_is_not_undone_by_an_older_message(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A message that was held up elsewhere is older than the change here."""
    who, moment = person(), at(seconds=-5)
    change = AccountChange(is_active=False, phone="+34999999")
    change_account(0, f"id:{who.id}", change)
    late = {"id": who.id, "is_active": True, "phone": "+34111111", "first_name": "Eva"}
    assert call("sync-user", {**late, "last_sync": moment}).status_code == 200
    user = account(who.id)
    assert (user.is_active, user.phone, user.first_name) == (False, "+34999999", "Eva")


@pytest.mark.parametrize(
    ("field", "value"),
    [("is_active", False), ("email", "taken-over@example.org"), ("is_email_verified", False)],
)
def test_no_service_takes_an_administrator_over(
    call: Callable[..., Any], person: Callable[..., Person], field: str, value: object
) -> None:
    """A service key neither shuts an administrator out nor moves the account's address."""
    admin = person(user_type="admin", verified=True)
    told = {"id": admin.id, "first_name": "Eva", field: value}
    refused = call("sync-user", told)
    assert (refused.status_code, refused.json["error"]) == (400, "Failed to sync user data")
    assert list(refused.json["details"]["fields"]) == [field]
    bulk = call("sync-users", {"users": [told]}).json
    assert (bulk["status"], bulk["results"][0]["status"]) == ("partial", "error")
    user = account(admin.id)
    assert (user.first_name, user.is_active, user.email) == ("", True, admin.email)
    assert user.is_email_verified


def test_a_service_may_say_what_is_of_an_administrator(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A name may change, the rest be told as it is; the audit trail names who told what."""
    admin = person(user_type="admin", verified=True)
    told = {"id": admin.id, "email": admin.email, "is_active": True, "is_email_verified": True}
    assert call("sync-user", {**told, "first_name": "Eva"}).status_code == 200
    assert account(admin.id).first_name == "Eva"
    wanted = select(AuditEvent).where(
        AuditEvent.user_id == admin.id, AuditEvent.event == "user_synced"
    )
    event = db.session.scalars(wanted).one()
    assert event.actor == "service:flask"
    assert event.details["fields"] == ["email", "first_name", "is_active", "is_email_verified"]


def test_message_from_the_future_does_not_shut_out_later_ones(
    call: Callable[..., Any], person: Callable[..., Person], clock: MovableClock
) -> None:
    """A `last_sync` ahead of our clock counts as now."""
    who = person()
    base = {"id": who.id, "email": who.email}
    call("sync-user", {**base, "first_name": "Ahead", "last_sync": "2999-01-01T00:00:00Z"})
    clock.advance(1)
    call("sync-user", {**base, "first_name": "Later"})
    assert account(who.id).first_name == "Later"


def test_changed_address_is_unverified_again(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A new e-mail address counts as verified only when the message says so."""
    who = person(verified=True)
    email = f"moved-{uuid.uuid4().hex}@example.com"
    call("sync-user", {"id": who.id, "email": email})
    user = account(who.id)
    assert (user.email, user.is_email_verified) == (email, False)


def test_deactivation_ends_every_session(
    client: Any,
    call: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """An account that another service switches off is out everywhere, until it is switched on."""
    entered = log_in()
    base = {"id": entered.person.id, "email": entered.person.email}
    assert call("sync-user", {**base, "is_active": False}).status_code == 200
    assert not is_alive(entered)
    refresh = client.post("/api/auth/refresh", json={"refresh_token": entered.refresh_token})
    assert refresh.status_code == 401
    body = {"user_id": entered.person.id, "session_data": {"session_id": "x"}}
    refused = call("sync-session", body)
    assert refused.json["details"]["fields"].keys() == {"user_id"}
    call("sync-user", {**base, "is_active": True})
    assert is_alive(log_in(entered.person))


def test_unknown_user_becomes_an_account_without_password(
    client: Any, call: Callable[..., Any]
) -> None:
    """An account known elsewhere first is made under the same number, least in rights."""
    user_id = 2_000_000 + uuid.uuid4().int % 10**9
    email = f"known-elsewhere-{user_id}@example.com"
    body = {"id": user_id, "email": email, "first_name": "Eva"}
    for _ in range(2):
        assert call("sync-user", body).json == {"status": "success"}
    user = account(user_id)
    assert (user.user_type, user.first_name, user.password_hash) == ("customer", "Eva", None)
    login = client.post("/api/auth/login", json={"email": email, "password": "anything"})
    assert login.status_code == 401
    typed = call("sync-user", {**body, "user_type": "doctor"})
    assert typed.json["details"]["fields"].keys() == {"user_type"}


def test_new_ids_step_around_those_from_elsewhere(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """Accounts made here never collide with numbers that other services chose ahead of us."""
    last = person().id
    taken = [last + step for step in (1, 2, 3, 5)]
    for user_id in taken:
        body = {"id": user_id, "email": f"ahead-{uuid.uuid4().hex}@example.com"}
        assert call("sync-user", body).status_code == 200
    email = f"x-{uuid.uuid4().hex}@example.com"
    made = [
        create_account(email.replace("x", str(number)), "a password", "patient").id
        for number in range(3)
    ]
    assert made == [last + 4, last + 6, last + 7]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "id"),
        ({"id": "12a"}, "id"),
        ({"id": 0}, "id"),
        ({"id": 2**62}, "id"),
        ({"email": "nobody"}, "email"),
        ({"email": None}, "email"),
        ({"first_name": 5}, "first_name"),
        ({"first_name": "x" * 101}, "first_name"),
        ({"is_active": "false"}, "is_active"),
        ({"is_active": None}, "is_active"),
        ({"is_email_verified": 1}, "is_email_verified"),
        ({"profile_picture": "javascript:alert(1)"}, "profile_picture"),
        ({"profile_picture": "x" * 3000}, "profile_picture"),
        ({"last_sync": "yesterday"}, "last_sync"),
        ({"user_type": "admin"}, "user_type"),
        ({"password_hash": "x"}, "password_hash"),
    ],
)
def test_wrong_user_fields_are_named(
    call: Callable[..., Any], person: Callable[..., Person], change: dict[str, Any], field: str
) -> None:
    """Each wrong field is named under its error; no service makes administrators."""
    who = person()
    answer = call("sync-user", {"id": who.id, "email": who.email, **change})
    assert (answer.status_code, answer.json["error"]) == (400, "Failed to sync user data")
    assert list(answer.json["details"]["fields"]) == [field]


def test_a_repeated_message_leaves_no_trace(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """The same message again (same `last_sync`) is a success and no event in the audit trail."""
    who = person()
    events = select(func.count()).where(
        AuditEvent.user_id == who.id, AuditEvent.event == "user_synced"
    )
    message = {"id": who.id, "first_name": "Eva", "last_sync": "2024-02-01T00:00:00Z"}
    for _ in range(2):
        assert call("sync-user", message).json == {"status": "success"}
    assert db.session.scalar(events) == 1
    call("sync-user", {**message, "first_name": "Ada"})
    assert account(who.id).first_name == "Ada"
    assert db.session.scalar(events) == 2


def test_an_address_may_be_left_out(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """Who knows only the name cannot bring back an old address, nor a deleted account."""
    who = person()
    assert call("sync-user", {"id": who.id, "first_name": "Eva"}).status_code == 200
    assert (account(who.id).email, account(who.id).first_name) == (who.email, "Eva")
    answer = call("sync-user", {"id": 2_000_000 + uuid.uuid4().int % 10**6, "first_name": "Eva"})
    assert list(answer.json["details"]["fields"]) == ["email"]


def test_taken_address_is_refused(call: Callable[..., Any], person: Callable[..., Person]) -> None:
    """The address of another account is refused, for a known and an unknown number alike."""
    first, second = person(), person()
    for user_id in (second.id, 3_000_000 + uuid.uuid4().int % 10**9):
        answer = call("sync-user", {"id": user_id, "email": first.email})
        assert (answer.status_code, answer.json["error"]) == (400, "Failed to sync user data")
        assert answer.json["details"]["fields"].keys() == {"email"}
    assert account(second.id).email == second.email


# Revocation


def test_revocation_ends_every_session_in_both_stores(
    client: Any,
    call: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """All tokens of all the user's sessions are dead; those of others and later ones live."""
    first = log_in()
    second = log_in(first.person)
    stranger = log_in()
    body = {
        "user_id": first.person.id,
        "reason": "user_requested",
        "timestamp": "2024-01-01T00:00:00Z",
    }
    for _ in range(2):
        answer = call("revoke-user-sessions", body)
        assert (answer.status_code, answer.json) == (200, {"status": "success"})
    assert [is_alive(one) for one in (first, second, stranger)] == [False, False, True]
    assert row_of(first).end_reason == "user_requested"
    for one in (first, second):
        refresh = client.post("/api/auth/refresh", json={"refresh_token": one.refresh_token})
        assert refresh.json["details"]["reason"] == "session_revoked"
    assert is_alive(log_in(first.person))


def test_revocation_names_who_asked(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """The audit trail holds the calling service, the reason and how many sessions ended."""
    entered = log_in()
    call("revoke-user-sessions", {"user_id": f"user_{entered.person.id}", "reason": "stolen"})
    wanted = select(AuditEvent).where(
        AuditEvent.user_id == entered.person.id, AuditEvent.event == "sessions_revoked"
    )
    event = db.session.scalars(wanted).one()
    assert event.actor == "service:flask"
    assert event.details == {"reason": "stolen", "ended": 1}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": 2**60}, "user_id"),
        ({"user_id": "x"}, "user_id"),
        ({"user_id": []}, "user_id"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": 7}, "reason"),
        ({"timestamp": "then"}, "timestamp"),
        ({"all": True}, "all"),
    ],
)
def test_wrong_revocation_fields_are_named(
    call: Callable[..., Any], person: Callable[..., Person], change: dict[str, Any], field: str
) -> None:
    """Each wrong field is named under "Failed to revoke sessions", unknown users included."""
    answer = call("revoke-user-sessions", {"user_id": person().id, "reason": "x", **change})
    assert (answer.status_code, answer.json["error"]) == (400, "Failed to revoke sessions")
    assert list(answer.json["details"]["fields"]) == [field]


def test_nothing_of_a_refused_message_is_kept(
    call: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A message that is refused halfway leaves neither row nor audit event."""
    who = person()
    count = select(func.count()).select_from(AuditEvent).where(AuditEvent.user_id == who.id)
    before = db.session.scalar(count)
    body = {"id": who.id, "email": who.email, "first_name": "X", "user_type": "doctor"}
    assert call("sync-user", body).status_code == 400
    assert account(who.id).first_name == ""
    assert db.session.scalar(count) == before
