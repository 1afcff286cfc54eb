"""What administrators do with other people's accounts and sessions; every change is audited.

Whoever takes an administrator away holds the rows of all of them first, so two who remove each
other at the same moment cannot leave nobody.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

from sqlalchemy import Row, Select, func, or_, select, tuple_

from gateline.auth import audit
from gateline.auth.admin_schemas import (
    AccountChange,
    AccountQuery,
    AuditQuery,
    NewAccount,
    SessionQuery,
)
from gateline.auth.models import AuditEvent, Session, User
from gateline.auth.moments import now
from gateline.auth.service import create_account, find_user, first_address, hold_user, passwords
from gateline.auth.sessions import SessionPlace, ending_sessions, find_session
from gateline.auth.stamps import stamp
from gateline.policy.identity import USER_TYPES
from gateline.shared.app import parts
from gateline.shared.database import db
from gateline.shared.errors import Conflict, NotFound, SessionStoreUnavailable
from gateline.shared.paging import Found, Order, page, read_time
from gateline.shared.schemas.base import MAX_ID

_BY_ID: Final = "id:"
_NEWEST_ACCOUNTS: Final = Order("newest", User.created_at, User.id, read_time, descending=True)
_NEWEST_EVENTS: Final = Order(
    "latest", AuditEvent.occurred_at, AuditEvent.id, read_time, descending=True
)


def accounts_page(query: AccountQuery) -> Found:
    """Return the wanted accounts, newest first."""
    wanted = select(User)
    if query.user_type is not None:
        wanted = wanted.where(User.user_type == query.user_type)
    if query.is_active is not None:
        wanted = wanted.where(User.is_active == query.is_active)
    if query.q:
        wanted = wanted.where(_called(query.q))
    return page(wanted, _NEWEST_ACCOUNTS, query)


def open_session_counts(users: Sequence[User]) -> dict[int, int]:
    """Return how many sessions each of the accounts has that were not ended, by id."""
    counted = (
        select(Session.user_id, func.count())
        .where(Session.user_id.in_([user.id for user in users]), *_living())
        .group_by(Session.user_id)
    )
    return dict(db.session.execute(counted).all())


def account_named(name: str) -> User:
    """Return the account with this user name, e-mail address or `id:123`; raise NotFound."""
    user = _find(name)
    if user is None:
        raise NotFound("There is no such account.")
    return user


def make_account(body: NewAccount) -> User:
    """Make an account of any kind; raise Conflict naming the field whose value is taken."""
    if body.username is not None and find_user(body.username) is not None:
        # Its first address is taken too, but that is not what was typed.
        _refuse_taken("username", "There is an account with this user name already.")
    address = body.email or first_address(body.username or "")
    if body.email is None and find_user(address) is not None:
        _refuse_taken("email", f"{address} is taken: give another e-mail address.")
    return create_account(
        address,
        body.password,
        body.user_type,
        body.first_name,
        body.last_name,
        body.username,
        body.phone,
    )


def change_account(actor: int, name: str, change: AccountChange) -> User:
    """Change an account; shutting it ends all its sessions.

    Raises Conflict for shutting oneself out, or the last administrator.
    """
    values = change.model_dump(exclude_unset=True, exclude_none=True)
    with ending_sessions() as ending:
        user = _held(name)
        if values.get("is_active") is False and user.is_active:
            _refuse_removal(actor, user, "shut")
            ending.end_all(user, "account_inactive")
        for field, value in values.items():
            setattr(user, field, value)
        # What a service tells later of an earlier moment must not undo it.
        stamp(user, values.keys(), now())
        user.updated_at = now()
        audit.record(audit.ACCOUNT_CHANGED, user_id=user.id, fields=sorted(values))
    return user


def delete_account(actor: int, name: str) -> None:
    """Delete an account and everything of it but the audit trail.

    Raises Conflict for oneself and for the last administrator. A session that could not be ended
    keeps the account (503): once it is gone, nobody could end that session any more.
    """
    with ending_sessions() as ending:
        user = _held(name)
        _refuse_removal(actor, user, "delete")
        ending.end_all(user, "account_deleted")
        if ending.failure is not None:
            raise SessionStoreUnavailable(headers={"Retry-After": "1"})
        called = user.username or user.email
        audit.record(audit.ACCOUNT_DELETED, user_id=user.id, user_type=user.user_type, name=called)
        db.session.delete(user)


def reset_password(actor: int, name: str, password: str) -> int:
    """Set somebody's password and end all their sessions; return how many were open.

    Raises Conflict for one's own: that takes the current password.
    """
    password_hash = passwords().hash(password)
    with ending_sessions() as ending:
        user = _held(name)
        if user.id == actor:
            raise Conflict("Change your own password with the current one.")
        user.password_hash = password_hash
        user.updated_at = now()
        ended = ending.end_all(user, "password_reset")
        audit.record(audit.PASSWORD_RESET, user_id=user.id, ended=ended)
        return ended


def sessions_page(query: SessionQuery, after: SessionPlace | None) -> Sequence[Row[Session, User]]:
    """Return one session more than wanted, each with its owner, newest first."""
    wanted = select(Session, User).join(User).where(*_living())
    if query.user is not None:
        wanted = wanted.where(Session.user_id == account_named(query.user).id)
    if after is not None:
        wanted = wanted.where(tuple_(Session.created_at, Session.sid) < after)
    newest_first = wanted.order_by(Session.created_at.desc(), Session.sid.desc())
    return db.session.execute(newest_first.limit(query.limit + 1)).all()


def end_session(sid: UUID) -> None:
    """End anybody's session, again if need be; raise NotFound for an unknown one."""
    with ending_sessions() as ending:
        owner = find_session(sid)
        user = hold_user(owner.user_id) if owner else None
        session = find_session(sid)
        if user is None or session is None:
            raise NotFound("There is no such session.")
        ending.end(session, "ended_by_admin")
        audit.record(audit.SESSION_ENDED, user_id=user.id, session_id=sid, reason="ended_by_admin")


def end_sessions_of(name: str, keep: UUID) -> int:
    """End every session of an account but `keep`, the one that asks; return how many were open."""
    with ending_sessions() as ending:
        user = _held(name)
        session = find_session(keep)
        own = session is not None and session.user_id == user.id
        ended = ending.end_all(user, "ended_by_admin", keep=keep if own else None)
        audit.record(audit.SESSIONS_REVOKED, user_id=user.id, reason="ended_by_admin", ended=ended)
        return ended


def audit_page(query: AuditQuery) -> Found:
    """Return the wanted audit events, latest first."""
    wanted: Select[AuditEvent] = select(AuditEvent)
    if query.event is not None:
        wanted = wanted.where(AuditEvent.event == query.event)
    if query.user is not None:
        wanted = wanted.where(AuditEvent.user_id == _id_of(query.user))
    return page(wanted, _NEWEST_EVENTS, query)


def names_of(ids: set[int]) -> dict[int, str]:
    """Return what the accounts with these ids are called; those that are gone are missing."""
    found = db.session.execute(select(User.id, User.username, User.email).where(User.id.in_(ids)))
    return {user_id: username or email for user_id, username, email in found}


def user_figures() -> dict[str, Any]:
    """Return how many accounts there are, by type and in use."""
    counted = select(User.user_type, User.is_active, func.count())
    rows = db.session.execute(counted.group_by(User.user_type, User.is_active)).all()
    by_type = dict.fromkeys(USER_TYPES, 0)
    for user_type, _, count in rows:
        by_type[user_type] += count
    active = sum(count for _, is_active, count in rows if is_active)
    return {"total": sum(by_type.values()), "active": active, "by_type": by_type}


def session_figures() -> dict[str, int]:
    """Return how many sessions were not ended, and how many were opened or renewed lately."""
    lately = now() - timedelta(minutes=parts().settings.access_token_minutes)
    counted = select(func.count(), func.count().filter(Session.last_seen > lately))
    total, active = db.session.execute(counted.where(*_living())).one()
    return {"open": total, "active": active}


def login_figures() -> dict[str, int]:
    """Return how many logins of the last 24 hours worked and failed."""
    since = now() - timedelta(hours=24)
    counted = (
        select(AuditEvent.event, func.count())
        .where(
            AuditEvent.occurred_at > since,
            AuditEvent.event.in_([audit.LOGIN, audit.LOGIN_FAILED]),
        )
        .group_by(AuditEvent.event)
    )
    found = dict(db.session.execute(counted).all())
    return {
        "succeeded": found.get(audit.LOGIN, 0),
        "failed": found.get(audit.LOGIN_FAILED, 0),
    }


def _refuse_taken(field: str, sentence: str) -> NoReturn:
    raise Conflict(sentence, fields={field: [sentence]})


def _living() -> tuple[Any, ...]:
    return (Session.ended_at.is_(None), Session.expires_at > now())


def _called(text: str) -> Any:
    full_name = User.first_name + " " + User.last_name
    columns = (User.email, User.username, full_name)
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _find(name: str) -> User | None:
    if not name.startswith(_BY_ID):
        return find_user(name)
    number = _number(name)
    return db.session.get(User, number) if number else None


def _number(name: str) -> int | None:
    digits = name.removeprefix(_BY_ID)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_ID))):
        return None
    return number if (number := int(digits)) <= MAX_ID else None


def _id_of(name: str) -> int | None:
    """Return an account's number; one that is gone is still known by `id:123`."""
    if name.startswith(_BY_ID):
        return _number(name)
    return account_named(name).id


def _held(name: str) -> User:
    """Hold all administrators' rows, then the named account's; raise NotFound."""
    db.session.execute(_administrators().with_for_update(key_share=True))
    user = hold_user(account_named(name).id)
    if user is None:
        raise NotFound("There is no such account.")
    return user


def _administrators() -> Select[int]:
    return select(User.id).where(User.user_type == "admin", User.is_active).order_by(User.id)


def _refuse_removal(actor: int, user: User, verb: str) -> None:
    if user.id == actor:
        msg = f"You cannot {verb} the account that you are logged in with."
        raise Conflict(msg)
    remaining = set(db.session.scalars(_administrators())) - {user.id}
    if user.user_type == "admin" and not remaining:
        msg = f"You cannot {verb} the last administrator."
        raise Conflict(msg)
