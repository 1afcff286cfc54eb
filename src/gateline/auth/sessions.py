"""Sessions: opened at login, carried on by refresh and renewal, ended in both stores.

PostgreSQL holds the history and the hash of the refresh token, Valkey the live entries that every
edge and service asks. A session is only as alive as both say.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import redis
from sqlalchemy import select, tuple_

from gateline.auth import audit
from gateline.auth.models import Session, User
from gateline.auth.moments import at, epoch, now
from gateline.auth.service import Proof, admit, hold_user, passwords, record_refused_login
from gateline.auth.stamps import name_stamp, phone_stamp
from gateline.policy.reasons import (
    ACCOUNT_INACTIVE,
    SESSION_EXPIRED,
    SESSION_INVALID,
    SESSION_REVOKED,
    TOKEN_INVALID,
)
from gateline.shared import sessions as store
from gateline.shared.app import parts
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import ApiError, NotFound, SessionStoreUnavailable
from gateline.shared.tokens import Claims

SessionPlace = tuple[datetime, UUID]
"""Where a session stands in a list: when it began, and its id."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a session was opened with."""

    info: dict[str, Any] = field(default_factory=dict)
    ip_address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client gets: an access token, at login a refresh token, and for whom they are."""

    access_token: str
    expires_in: int
    expires_at: datetime
    session_id: UUID
    user: User
    refresh_token: str | None = None


def log_in(proof: Proof, user_type: str | None, device: Device) -> Grant:
    """Open a session for a proven password; its id is always new.

    Raises what `service.admit` raises; every refusal leaves a row in the audit trail.
    """
    try:
        with transaction_context():
            user = admit(proof, user_type)
            grant = _open(user, device)
            audit.record(audit.LOGIN, user_id=user.id, session_id=grant.session_id)
            return grant
    except ApiError as refusal:
        record_refused_login(proof, refusal)
        raise


def refresh(refresh_token: str) -> Grant:
    """Give a new access token; the refresh token stays usable until its session ends.

    Raises 401: `token_*` for a token that is not believed, `session_*` for an ended session.
    """
    claims = parts().tokens.verify(refresh_token, type="refresh")
    with transaction_context():
        user, session = _held(claims)
        stored = session.refresh_hash or ""
        if not hmac.compare_digest(stored, _digest(refresh_token)):
            raise ApiError(reason=TOKEN_INVALID)
        if session.expires_at <= now():
            raise ApiError(reason=SESSION_EXPIRED)
        grant = _grant(user, session)
        session.last_seen = now()
        audit.record(audit.TOKEN_REFRESHED, user_id=user.id, session_id=session.sid)
        return grant


def renew(token: str) -> Grant:
    """Replace the access token of a living session by a new one, up to its absolute limit.

    Raises 401: `token_*`, `session_revoked` or `session_expired`. The old token stays usable to
    its own end, for the requests that are under way with it.
    """
    claims = parts().tokens.verify(token)
    if parts().sessions.get(token) is None:
        raise ApiError(reason=parts().sessions.why_missing(token, claims.user_id, claims.sid))
    with transaction_context():
        user, session = _held(claims)
        if session.renewable_until <= now():
            raise ApiError(reason=SESSION_EXPIRED)
        grant = _grant(user, session, until=session.renewable_until, follows=token)
        session.last_seen = now()
        audit.record(audit.SESSION_RENEWED, user_id=user.id, session_id=session.sid)
        return grant


def change_password(proof: Proof, new_password: str, current_sid: UUID) -> int:
    """Set a new password and end every other session; return how many rows were ended."""
    new_hash = passwords().hash(new_password)
    with ending_sessions() as ending:
        user = hold_user(proof.user_id)
        if user is None or user.password_hash != proof.password_hash:
            raise ApiError(reason=SESSION_INVALID)
        user.password_hash = new_hash
        user.updated_at = now()
        ended = ending.end_all(user, "password_changed", keep=current_sid)
        audit.record(audit.PASSWORD_CHANGED, user_id=user.id, session_id=current_sid)
        return ended


class Ending:
    """Ends sessions in both stores within one transaction.

    A store that fails is remembered, not raised: what could be ended stays ended, and
    `ending_sessions` says afterwards that it was not everything.
    """

    def __init__(self) -> None:
        self.failure: redis.RedisError | None = None

    def end_all(self, user: User, reason: str, *, keep: UUID | None = None) -> int:
        """End every session of a held user but `keep`; return how many rows were open."""
        rows = [row for row in open_sessions(user.id) if row.sid != keep]
        for row in rows:
            _end(row, reason)
        if keep is None:
            user.sessions_revoked_at = now()
        try:
            parts().sessions.drop_user(user.id, keep_session=str(keep) if keep else None)
        except redis.RedisError as error:
            self.failure = error
        return len(rows)

    def end(self, row: Session, reason: str) -> None:
        """End one session of a held user; ending it again changes nothing."""
        _end(row, reason)
        try:
            parts().sessions.drop_session(row.user_id, str(row.sid))
        except redis.RedisError as error:
            self.failure = error


@contextmanager
def ending_sessions() -> Iterator[Ending]:
    """Open a transaction in which sessions end; raise 503 after it when Valkey did not follow."""
    ending = Ending()
    with transaction_context():
        yield ending
    if ending.failure is not None:
        raise SessionStoreUnavailable(headers={"Retry-After": "1"}) from ending.failure


def open_sessions(user_id: int) -> Sequence[Session]:
    """Return the sessions of a user that were not ended, newest first."""
    wanted = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    return db.session.scalars(wanted.order_by(Session.created_at.desc(), Session.sid)).all()


def find_session(sid: UUID) -> Session | None:
    """Return a session as the database has it now."""
    return db.session.get(Session, sid, populate_existing=True)


def page_of_sessions(user_id: int, limit: int, after: SessionPlace | None) -> Sequence[Session]:
    """Return up to `limit` living sessions of a user, newest first, after the given place."""
    wanted = (
        select(Session)
        .where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now())
        .order_by(Session.created_at.desc(), Session.sid.desc())
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(tuple_(Session.created_at, Session.sid) < after)
    return db.session.scalars(wanted).all()


def end_session(user_id: int, sid: UUID, reason: str) -> None:
    """End one session of a user, again if need be; raise NotFound when it is not theirs."""
    with ending_sessions() as ending:
        user = hold_user(user_id)
        session = find_session(sid)
        if user is None or session is None or session.user_id != user_id:
            raise NotFound("You have no such session.")
        ending.end(session, reason)
        audit.record(audit.SESSION_ENDED, user_id=user_id, session_id=sid)


def log_out(user_id: int, sid: str) -> None:
    """End the session of a token, whether or not there is a row of it; again is no error."""
    with ending_sessions() as ending:
        user = hold_user(user_id)
        session = find_session(as_sid(sid))
        if user is not None and session is not None and session.user_id == user_id:
            ending.end(session, "logout")
        else:
            parts().sessions.drop_session(user_id, sid)
        audit.record(audit.LOGOUT, user_id=user_id, session_id=as_sid(sid))


def end_other_sessions(user_id: int, current: UUID) -> int:
    """End every session of a user but the current one; return how many were open."""
    with ending_sessions() as ending:
        user = hold_user(user_id)
        if user is None:
            raise NotFound("There is no such account.")
        ended = ending.end_all(user, "user_requested", keep=current)
        audit.record(audit.SESSIONS_REVOKED, user_id=user_id, reason="user_requested", ended=ended)
        return ended


def as_entry(user: User, claims: Claims, session: Session) -> store.Session:
    """Return the record that Valkey keeps for an access token of a session."""
    end = min(claims.exp, epoch(session.expires_at))
    return store.Session(
        user_id=user.id,
        email=user.email,
        user_type=user.user_type,
        session_id=str(session.sid),
        name=user.name,
        issued_at=claims.iat,
        expires_at=end,
        # A refresh token outlives the limit of renewals; its access tokens end by themselves.
        absolute_expires_at=max(epoch(session.renewable_until), end),
        created_at=epoch(user.created_at),
        name_as_of=store.as_of(name_stamp(user)),
        phone=user.phone or "",
        phone_as_of=store.as_of(phone_stamp(user)),
    )


def new_session(user: User, sid: UUID, origin: str, device: Device) -> Session:
    """Return a session that begins now, added to the current transaction."""
    settings = parts().settings
    session = Session(
        sid=sid,
        user_id=user.id,
        origin=origin,
        created_at=now(),
        last_seen=now(),
        expires_at=now() + timedelta(days=settings.refresh_token_days),
        renewable_until=now() + timedelta(hours=settings.session_absolute_hours),
        device_info=device.info,
        ip_address=device.ip_address,
        user_agent=device.user_agent,
    )
    db.session.add(session)
    return session


def _open(user: User, device: Device) -> Grant:
    session = new_session(user, uuid4(), "login", device)
    days = parts().settings.refresh_token_days
    refresh_token, _ = _issue("refresh", user, session.sid, days * 86400)
    session.refresh_hash = _digest(refresh_token)
    db.session.flush()
    return _grant(user, session, refresh_token=refresh_token)


def _grant(
    user: User,
    session: Session,
    *,
    until: datetime | None = None,
    follows: str | None = None,
    refresh_token: str | None = None,
) -> Grant:
    """Issue an access token and make its entry, before the transaction is committed.

    An entry whose row is then not committed belongs to a token that nobody ever got.
    """
    end = min(session.expires_at, until or session.expires_at)
    lifetime = min(parts().settings.access_token_minutes * 60, epoch(end) - epoch(now()))
    if lifetime <= 0:
        raise ApiError(reason=SESSION_EXPIRED)
    token, claims = _issue("access", user, session.sid, lifetime)
    if not parts().sessions.put(token, as_entry(user, claims, session), follows=follows):
        raise ApiError(reason=SESSION_REVOKED)
    return Grant(token, lifetime, at(claims.exp), session.sid, user, refresh_token)


def _issue(kind: str, user: User, sid: UUID, lifetime: int) -> tuple[str, Claims]:
    return parts().tokens.issue(kind, user.id, user.email, user.user_type, str(sid), lifetime)


def _held(claims: Claims) -> tuple[User, Session]:
    """Hold the account of a token; return it with the open session that the token names."""
    user = hold_user(claims.user_id)
    session = find_session(as_sid(claims.sid)) if user else None
    if user is None or session is None or session.user_id != user.id:
        raise ApiError(reason=SESSION_INVALID)
    if session.ended_at is not None:
        raise ApiError(reason=SESSION_REVOKED)
    if not user.is_active:
        raise ApiError(reason=ACCOUNT_INACTIVE)
    return user, session


def as_sid(text: str) -> UUID:
    """Return a session id of ours; raise 401 `session_invalid` for text that is none."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ApiError(reason=SESSION_INVALID) from error


def _end(row: Session, reason: str) -> None:
    if row.ended_at is None:
        row.ended_at = now()
        row.end_reason = reason
    row.refresh_hash = None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
