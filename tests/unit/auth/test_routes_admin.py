"""What administrators may do with other people's accounts and sessions, over HTTP."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select

from gateline.auth.models import AuditEvent, Session, User
from gateline.shared.app import parts
from gateline.shared.database import db, transaction_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from tests.unit.auth.conftest import LoggedIn, MovableClock, Person

ADMIN = "/api/auth/admin"
NEW_PASSWORD = "a password of some length"


@pytest.fixture
def no_sessions(app: Flask) -> None:
    """Forget the sessions of other tests: what began under a clock moved ahead stays the newest."""
    with transaction_context():
        db.session.execute(delete(Session))


@pytest.fixture
def admin(log_in: Callable[..., LoggedIn], person: Callable[..., Person]) -> LoggedIn:
    """Give an administrator who has just logged in."""
    return log_in(person("admin"))


@pytest.fixture
def ask(client: Any, admin: LoggedIn) -> Callable[..., Any]:
    """Give a function that sends a request in the administrator's name."""

    def send(method: str, path: str, **options: Any) -> Any:
        return client.open(ADMIN + path, method=method, headers=admin.headers, **options)

    return send


def events_of(user_id: int) -> list[AuditEvent]:
    """Return the audit trail of an account, oldest first."""
    wanted = select(AuditEvent).where(AuditEvent.user_id == user_id).order_by(AuditEvent.id)
    return list(db.session.scalars(wanted))


def sid_of(entered: LoggedIn) -> str:
    """Return the id of a session."""
    return parts().tokens.verify(entered.access_token).sid


ENDPOINTS = [
    ("GET", "/users"),
    ("POST", "/users"),
    ("GET", "/users/someone"),
    ("PATCH", "/users/someone"),
    ("DELETE", "/users/someone"),
    ("PUT", "/users/someone/password"),
    ("DELETE", "/users/someone/sessions"),
    ("GET", "/sessions"),
    ("DELETE", f"/sessions/{uuid.UUID(int=7)}"),
    ("GET", "/audit"),
    ("GET", "/figures"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_only_administrators_get_in(
    client: Any, log_in: Callable[..., LoggedIn], method: str, path: str
) -> None:
    """Nobody without a session (401) and nobody of another kind (403) passes."""
    assert client.open(ADMIN + path, method=method).status_code == 401
    answer = client.open(ADMIN + path, method=method, headers=log_in().headers)
    assert answer.status_code == 403
    assert answer.json["details"]["reason"] == "role_missing"


@pytest.mark.parametrize(("method", "path"), [one for one in ENDPOINTS if one[0] != "GET"])
def test_no_other_site_may_make_a_browser_act(
    browser: Any, person: Callable[..., Person], method: str, path: str
) -> None:
    """With the cookie an unsafe request must come from our own pages."""
    who = person("admin")
    login = {"email": who.email, "password": who.password}
    assert browser.post("/api/v1/auth/login", json=login).status_code == 200
    answer = browser.open(ADMIN + path, method=method, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert answer.json["details"]["reason"] == "cross_site"


def test_an_account_is_made_and_can_log_in(ask: Callable[..., Any], client: Any) -> None:
    """A user name and a password make one more administrator; the answer shows no password."""
    name = f"op-{uuid.uuid4().hex[:12]}"
    answer = ask("POST", "/users", json={"username": name, "password": NEW_PASSWORD})
    assert answer.status_code == 201
    user = answer.json["user"]
    assert (user["username"], user["user_type"], user["is_active"]) == (name, "admin", True)
    assert "password" not in answer.text
    login = {"username": name, "password": NEW_PASSWORD, "user_type": "admin"}
    assert client.post("/api/auth/login", json=login).status_code == 200


def test_making_an_account_is_audited(ask: Callable[..., Any], admin: LoggedIn) -> None:
    """The trail says which administrator made the account, and never the password."""
    email = f"new-{uuid.uuid4().hex}@example.com"
    body = {"email": email, "password": NEW_PASSWORD, "user_type": "doctor"}
    made = ask("POST", "/users", json=body).json["user"]
    (event,) = events_of(int(made["id"]))
    assert (event.event, event.actor) == ("account_created", f"user:{admin.person.id}")
    assert NEW_PASSWORD not in str(event.details)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": NEW_PASSWORD}, "body"),
        ({"username": "with blanks", "password": NEW_PASSWORD}, "username"),
        ({"username": "somebody", "password": "short"}, "password"),
        ({"username": "somebody.else", "password": "Somebody.Else"}, "body"),
        ({"username": "somebody", "password": NEW_PASSWORD, "user_type": "king"}, "user_type"),
        ({"username": "somebody", "password": NEW_PASSWORD, "is_root": True}, "is_root"),
    ],
)
def test_a_wrong_account_is_refused_by_field(
    ask: Callable[..., Any], body: dict[str, Any], field: str
) -> None:
    """What is wrong with a new account is said at its field."""
    answer = ask("POST", "/users", json=body)
    assert answer.status_code == 400
    assert field in answer.json["details"]["fields"]


def test_a_taken_name_is_a_conflict(ask: Callable[..., Any], person: Callable[..., Person]) -> None:
    """Two accounts never share a user name, however it is capitalised."""
    name = f"twin-{uuid.uuid4().hex[:12]}"
    person("admin", username=name)
    answer = ask("POST", "/users", json={"username": name.upper(), "password": NEW_PASSWORD})
    assert answer.status_code == 409
    assert set(answer.json["details"]["fields"]) == {"username"}


def test_a_taken_first_address_asks_for_another(
    ask: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A free user name whose own address belongs to somebody else needs one given."""
    name = person().email.partition("@")[0]
    answer = ask("POST", "/users", json={"username": name, "password": NEW_PASSWORD})
    assert answer.status_code == 409
    assert set(answer.json["details"]["fields"]) == {"email"}
    body = {"username": name, "email": f"other-{name}@example.com", "password": NEW_PASSWORD}
    assert ask("POST", "/users", json=body).status_code == 201


def test_accounts_are_listed_newest_first_in_pages(
    ask: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """The cursor leads through the accounts that the filters take, each once."""
    mark = uuid.uuid4().hex
    made = [person("doctor", first_name=mark) for _ in range(5)]
    person("patient", first_name=mark)
    query = {"q": mark.upper(), "user_type": "doctor", "limit": "2"}
    found: list[str] = []
    while True:
        page = ask("GET", "/users", query_string=query).json
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [str(one.id) for one in reversed(made)]


def test_a_search_takes_wildcards_for_what_they_are(
    ask: Callable[..., Any], person: Callable[..., Person]
) -> None:
    """A per cent sign finds a per cent sign, not everybody."""
    mark = uuid.uuid4().hex
    person(first_name=f"{mark}%")
    assert len(ask("GET", "/users", query_string={"q": f"{mark}%"}).json["items"]) == 1
    assert ask("GET", "/users", query_string={"q": f"%{mark[8:]}"}).json["items"] == []


def test_an_account_shows_its_open_sessions(
    ask: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """An account is found by address and by number, with how many sessions it has."""
    entered = log_in()
    log_in(entered.person)
    for name in (entered.person.email.upper(), f"id:{entered.person.id}"):
        user = ask("GET", f"/users/{name}").json["user"]
        assert (user["id"], user["open_sessions"]) == (str(entered.person.id), 2)


@pytest.mark.parametrize("name", ["nobody", "no@body.example", "id:0", "id:x", "id:" + "9" * 19])
def test_an_unknown_account_is_not_found(ask: Callable[..., Any], name: str) -> None:
    """A name that nobody has is 404 in every form, for reading and for acting."""
    assert ask("GET", f"/users/{name}").status_code == 404
    assert ask("DELETE", f"/users/{name}").status_code == 404


def test_a_deleted_account_is_gone_with_its_sessions(
    ask: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
    admin: LoggedIn,
) -> None:
    """Deleting ends the sessions at once; what stays is the audit trail."""
    victim = log_in()
    assert ask("DELETE", f"/users/{victim.person.email}").status_code == 204
    assert not is_alive(victim)
    assert db.session.get(User, victim.person.id) is None
    event = events_of(victim.person.id)[-1]
    assert (event.event, event.actor) == ("account_deleted", f"user:{admin.person.id}")
    assert ask("DELETE", f"/users/{victim.person.email}").status_code == 404


def test_nobody_deletes_or_shuts_themselves(ask: Callable[..., Any], admin: LoggedIn) -> None:
    """An administrator cannot lock themselves out by mistake."""
    path = f"/users/{admin.person.email}"
    assert ask("DELETE", path).status_code == 409
    assert ask("PATCH", path, json={"is_active": False}).status_code == 409
    assert ask("GET", path).json["user"]["is_active"] is True


def test_a_shut_account_is_out_until_it_is_opened(
    ask: Callable[..., Any],
    client: Any,
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """Shutting ends the sessions and refuses logins; opening lets logins in again."""
    entered = log_in()
    path = f"/users/{entered.person.email}"
    assert ask("PATCH", path, json={"is_active": False}).json["user"]["is_active"] is False
    assert not is_alive(entered)
    login = {"email": entered.person.email, "password": entered.person.password}
    assert client.post("/api/auth/login", json=login).status_code == 403
    assert ask("PATCH", path, json={"is_active": True}).status_code == 200
    assert client.post("/api/auth/login", json=login).status_code == 200
    assert [one.event for one in events_of(entered.person.id)].count("account_changed") == 2


def test_an_empty_change_is_refused(ask: Callable[..., Any], admin: LoggedIn) -> None:
    """A change names what it changes."""
    assert ask("PATCH", f"/users/{admin.person.email}", json={}).status_code == 400


def test_a_password_is_reset(
    ask: Callable[..., Any],
    client: Any,
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """The new password works, the old one and every session do not; the trail holds neither."""
    entered = log_in()
    path = f"/users/{entered.person.email}/password"
    answer = ask("PUT", path, json={"password": NEW_PASSWORD})
    assert (answer.status_code, answer.json["sessions_ended"]) == (200, 1)
    assert not is_alive(entered)
    old = {"email": entered.person.email, "password": entered.person.password}
    assert client.post("/api/auth/login", json=old).status_code == 401
    new = {**old, "password": NEW_PASSWORD}
    assert client.post("/api/auth/login", json=new).status_code == 200
    events = events_of(entered.person.id)
    assert "password_reset" in [event.event for event in events]
    assert NEW_PASSWORD not in str([event.details for event in events])


def test_ones_own_password_takes_the_current_one(ask: Callable[..., Any], admin: LoggedIn) -> None:
    """A borrowed session cannot change its owner's password here."""
    path = f"/users/{admin.person.email}/password"
    assert ask("PUT", path, json={"password": NEW_PASSWORD}).status_code == 409


def test_sessions_of_one_person_are_listed_and_ended(
    ask: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """One session ends, the person's other one lives on; the trail says who ended it."""
    kept = log_in()
    ended = log_in(kept.person)
    query = {"user": kept.person.email}
    items = ask("GET", "/sessions", query_string=query).json["items"]
    assert [item["id"] for item in items] == [sid_of(ended), sid_of(kept)]
    assert items[0]["user"]["email"] == kept.person.email
    assert kept.access_token not in str(items)
    assert ask("DELETE", f"/sessions/{sid_of(ended)}").status_code == 204
    assert (is_alive(kept), is_alive(ended)) == (True, False)
    row = db.session.get(Session, uuid.UUID(sid_of(ended)), populate_existing=True)
    assert row is not None
    assert row.end_reason == "ended_by_admin"


def test_all_sessions_of_a_person_end(
    ask: Callable[..., Any],
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """Ending all says how many there were."""
    entered = log_in()
    log_in(entered.person)
    answer = ask("DELETE", f"/users/{entered.person.email}/sessions")
    assert answer.json["sessions_ended"] == 2
    assert not is_alive(entered)


def test_ending_ones_own_sessions_keeps_the_one_that_asks(
    ask: Callable[..., Any],
    admin: LoggedIn,
    log_in: Callable[..., LoggedIn],
    is_alive: Callable[[LoggedIn], bool],
) -> None:
    """An administrator ends their sessions elsewhere and stays in."""
    elsewhere = log_in(admin.person)
    assert ask("DELETE", f"/users/{admin.person.email}/sessions").json["sessions_ended"] == 1
    assert (is_alive(admin), is_alive(elsewhere)) == (True, False)


@pytest.mark.usefixtures("no_sessions")
def test_sessions_come_in_pages(
    ask: Callable[..., Any], admin: LoggedIn, log_in: Callable[..., LoggedIn]
) -> None:
    """The cursor leads through everybody's sessions, the newest first; one's own is marked."""
    entered = [admin, log_in(), log_in(), log_in()]
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(2):
        page = ask("GET", "/sessions", query_string=query).json
        found += page["items"]
        query["cursor"] = page["next_cursor"]
    assert [item["id"] for item in found] == [sid_of(one) for one in reversed(entered)]
    assert [item["current"] for item in found] == [False, False, False, True]


def test_an_unknown_session_is_not_found(ask: Callable[..., Any]) -> None:
    """A session that never was cannot be ended."""
    assert ask("DELETE", f"/sessions/{uuid.uuid4()}").status_code == 404


def test_the_audit_trail_is_read_latest_first(
    ask: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """The trail of one account by event, and still by its number when the account is gone."""
    entered = log_in()
    name = f"id:{entered.person.id}"
    trail = ask("GET", "/audit", query_string={"user": entered.person.email}).json["items"]
    assert [one["event"] for one in trail] == ["login", "account_created"]
    assert trail[0]["user"] == entered.person.email
    only = ask("GET", "/audit", query_string={"user": name, "event": "login"}).json["items"]
    assert [one["session_id"] for one in only] == [sid_of(entered)]
    ask("DELETE", f"/users/{name}")
    rest = ask("GET", "/audit", query_string={"user": name, "limit": 1}).json
    assert rest["items"][0]["event"] == "account_deleted"
    assert rest["items"][0]["user"] is None
    assert rest["next_cursor"]


def test_figures_count_what_there_is(
    ask: Callable[..., Any], log_in: Callable[..., LoggedIn], client: Any, clock: MovableClock
) -> None:
    """Accounts by kind, sessions open and lately used, logins that worked and failed."""
    before = ask("GET", "/figures").json
    entered = log_in()
    wrong = {"email": entered.person.email, "password": "wrong"}
    client.post("/api/auth/login", json=wrong)
    after = ask("GET", "/figures").json
    assert after["users"]["total"] == before["users"]["total"] + 1
    assert after["users"]["by_type"]["patient"] == before["users"]["by_type"]["patient"] + 1
    assert after["sessions"]["open"] == before["sessions"]["open"] + 1
    assert after["sessions"]["active"] == before["sessions"]["active"] + 1
    assert after["logins"]["succeeded"] == before["logins"]["succeeded"] + 1
    assert after["logins"]["failed"] == before["logins"]["failed"] + 1
