"""What other services tell the auth service, and what they ask it.

Every operation may be repeated: the second time changes nothing. Messages may arrive late: an older
one (`last_sync`, `timestamp`) never overwrites what a newer one said, except that ending is final.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from gateline.auth import audit
from gateline.auth.models import Session, User
from gateline.auth.moments import at, epoch, now
from gateline.auth.service import hold_user, taken_field
from gateline.auth.service_schemas import (
    RevokeSessions,
    SessionData,
    SyncSession,
    SyncUser,
    TokenOut,
)
from gateline.auth.sessions import (
    Device,
    Ending,
    as_entry,
    ending_sessions,
    find_session,
    new_session,
    open_sessions,
)
from gateline.auth.stamps import NAMES, not_older, stamp, stamp_of
from gateline.policy.reasons import SESSION_INVALID
from gateline.shared.app import parts
from gateline.shared.database import db
from gateline.shared.errors import ApiError, ValidationFailed
from gateline.shared.tokens import Claims, TokenRefused

INVALID_TOKEN: Final = "Invalid token"  # noqa: S105 - an error string, no secret
SESSION_NOT_SYNCED: Final = "Failed to sync session"
USER_NOT_SYNCED: Final = "Failed to sync user data"
NOT_REVOKED: Final = "Failed to revoke sessions"

_LARGEST_FOREIGN_ID: Final = 2**52
_FIELDS: Final = (*NAMES, "profile_picture", "phone", "is_active", "is_email_verified")
# What would shut an administrator out, or let somebody else in as one.
_NOT_OF_ADMINISTRATORS: Final = ("email", "is_active", "is_email_verified")


def validate_token(token: str) -> TokenOut:
    """Return what a living access token says; using it so keeps its session awake.

    Raises 401, with the error "Invalid token" whatever the reason.
    """
    claims = parts().tokens.verify(token)
    session = parts().sessions.get(token)
    if session is None:
        reason = parts().sessions.why_missing(token, claims.user_id, claims.sid)
        raise ApiError(reason=reason, error=INVALID_TOKEN)
    if (session.user_id, session.session_id) != (claims.user_id, claims.sid):
        raise ApiError(reason=SESSION_INVALID, error=INVALID_TOKEN)
    return TokenOut(
        user_id=claims.user_id,
        exp=claims.exp,
        iat=claims.iat,
        type=claims.type,
        email=session.email,
        user_type=session.user_type,
        name=session.name,
        session_id=session.session_id,
    )


def sync_user(data: SyncUser) -> bool:
    """Take over what another service knows of an account; False when it is older than ours.

    Of each field the newest value stays (`stamps`), so of two messages about different fields the
    older one counts too. An unknown id makes an account without a password under that id: services
    that know people first are legitimate, and the number must be the same everywhere. Deactivation
    ends all sessions. Administrators are shut, and given another address, by administrators only.
    """
    moment = _not_ahead(data.last_sync)
    with ending_sessions() as ending:
        user = hold_user(data.id) or _adopt(data)
        told = _told(data)
        fields = not_older(user, told, moment)
        if not fields and (told or (user.last_sync is not None and moment < user.last_sync)):
            return False
        if _came_before(user, fields, moment) and _says_what_is(user, data, fields):
            return True
        was_active = user.is_active
        _apply(user, data, fields, moment)
        audit.record(
            audit.USER_SYNCED, user_id=user.id, is_active=user.is_active, fields=sorted(fields)
        )
        if not user.is_active:
            ended = ending.end_all(user, "account_inactive")
            if was_active or ended:
                audit.record(audit.SESSIONS_REVOKED, user_id=user.id, reason="account_inactive")
        return True


def revoke_user_sessions(data: RevokeSessions) -> int:
    """End every session of a user in both stores; return how many were open.

    Every session means those of this moment: the `timestamp` of the message bounds nothing, since
    a caller whose clock is wrong would otherwise spare the very session that must go.
    """
    with ending_sessions() as ending:
        user = _known_user(data.user_id, NOT_REVOKED)
        ended = ending.end_all(user, data.reason)
        audit.record(audit.SESSIONS_REVOKED, user_id=user.id, reason=data.reason, ended=ended)
        return ended


def sync_session(data: SyncSession, service: str) -> None:
    """Take over what another service knows of a user's session.

    The session is the one of `token`, else the one that `session_id` names (ours, or the
    service's own name for it), else all open sessions of the user. `is_active: false`, or an
    `expires_at` that has passed, ends it; otherwise its end, device and last use are recorded.
    A valid `token` is entered into the session store. Raises ValidationFailed.
    """
    with ending_sessions() as ending:
        user = _known_user(data.user_id, SESSION_NOT_SYNCED)
        claims = _claims_of(data, user)
        if _is_over(data.session_data):
            _end(ending, user, data, claims)
        else:
            _keep(user, data, claims, service)
        session_id = _named(user, data, claims)
        audit.record(
            audit.SESSION_SYNCED,
            user_id=user.id,
            session_id=session_id.sid if session_id else None,
            is_active=not _is_over(data.session_data),
        )


def _known_user(user_id: int, error: str) -> User:
    user = hold_user(user_id)
    if user is None:
        raise _refusal(error, "user_id", "There is no account with this id.")
    return user


def _refusal(error: str, field: str, sentence: str) -> ValidationFailed:
    return ValidationFailed(error=error, fields={field: [sentence]})


def _not_ahead(moment: datetime | None) -> datetime:
    """Return the moment a message is of; one from the future would shut out all later ones."""
    return now() if moment is None else min(moment, now())


def _adopt(data: SyncUser) -> User:
    """Make an account under an id that another service chose, and hold it."""
    if not 0 < data.id <= _LARGEST_FOREIGN_ID:
        raise _refusal(USER_NOT_SYNCED, "id", "This is no id that an account can have.")
    if not data.email:
        raise _refusal(USER_NOT_SYNCED, "email", "A new account needs its e-mail address.")
    row = insert(User).values(
        id=data.id,
        email=data.email,
        user_type=data.user_type or "customer",
        created_at=now(),
        updated_at=now(),
        first_name="",
        last_name="",
        is_active=True,
        is_email_verified=False,
    )
    try:
        fresh = row.on_conflict_do_nothing(index_elements=[User.id]).returning(User.id)
        made = db.session.scalars(fresh).one_or_none()
    except IntegrityError as error:
        raise _taken(error) from error
    if made is not None:
        audit.record(audit.ACCOUNT_CREATED, user_id=data.id)
    user = hold_user(data.id)
    assert user is not None  # noqa: S101 - inserted above, by us or by whom we waited for
    return user


def _told(data: SyncUser) -> frozenset[str]:
    """Return the fields of which a message says something."""
    address = {"email"} if data.email else set()
    return frozenset(address | (data.model_fields_set & {*_FIELDS}))


def _came_before(user: User, fields: Collection[str], moment: datetime) -> bool:
    stamps = {stamp_of(user, field) for field in fields} or {user.last_sync}
    return stamps == {moment}


def _says_what_is(user: User, data: SyncUser, fields: Collection[str]) -> bool:
    """Tell whether a message that came before has been followed: a repeat leaves no trace.

    Unless it switches off: then sessions may be left that could not be ended the first time.
    """
    return (
        user.is_active
        and data.user_type in (None, user.user_type)
        and all(_value(data, name) == getattr(user, name) for name in fields)
    )


def _value(data: SyncUser, field: str) -> Any:
    value = getattr(data, field)
    return value or "" if field in NAMES else value


def _apply(user: User, data: SyncUser, fields: frozenset[str], moment: datetime) -> None:
    if data.user_type is not None and data.user_type != user.user_type:
        raise _refusal(USER_NOT_SYNCED, "user_type", "The kind of an account cannot be changed.")
    changed = {name for name in fields if getattr(user, name) != _value(data, name)}
    if user.user_type == "admin":
        _refuse_takeover(changed)
    if "email" in changed:
        # What an older message says of the address before is no longer of this one.
        user.is_email_verified = False
        stamp(user, ["is_email_verified"], moment)
    for name in fields:
        setattr(user, name, _value(data, name))
    stamp(user, fields, moment)
    user.updated_at = now()
    user.last_sync = max(moment, user.last_sync or moment)
    try:
        db.session.flush()
    except IntegrityError as error:
        raise _taken(error) from error


def _refuse_takeover(changed: Collection[str]) -> None:
    """Refuse what no service may do to an administrator: a service key is not worth that much."""
    for name in _NOT_OF_ADMINISTRATORS:
        if name in changed:
            sentence = "Only an administrator changes this of an administrator."
            raise _refusal(USER_NOT_SYNCED, name, sentence)


def _taken(error: IntegrityError) -> ApiError:
    taken = taken_field(error)
    if taken is None:
        raise error
    return _refusal(USER_NOT_SYNCED, *taken)


def _is_over(session: SessionData) -> bool:
    ended = session.expires_at is not None and session.expires_at <= now()
    return ended or session.is_active is False


def _claims_of(data: SyncSession, user: User) -> Claims | None:
    if data.token is None:
        return None
    try:
        claims = parts().tokens.verify(data.token)
        UUID(claims.sid)
    except (TokenRefused, ValueError) as error:
        raise _refusal(SESSION_NOT_SYNCED, "token", "This token is not valid.") from error
    if claims.user_id != user.id:
        raise _refusal(SESSION_NOT_SYNCED, "token", "This token belongs to another account.")
    return claims


def _named(user: User, data: SyncSession, claims: Claims | None) -> Session | None:
    """Return the session of this user that a message names, None when it is not known."""
    if claims is not None:
        return _own(user, find_session(UUID(claims.sid)))
    name = data.session_data.session_id
    if name is None:
        return None
    known = select(Session).where(Session.user_id == user.id, Session.external_id == name)
    return db.session.scalar(known) or _own(user, _by_our_id(name))


def _own(user: User, session: Session | None) -> Session | None:
    return session if session is not None and session.user_id == user.id else None


def _by_our_id(name: str) -> Session | None:
    try:
        return find_session(UUID(name))
    except ValueError:
        return None


def _end(ending: Ending, user: User, data: SyncSession, claims: Claims | None) -> None:
    """End what the message names; a session that is not known is as ended as it can be."""
    if claims is None and data.session_data.session_id is None:
        ending.end_all(user, "ended_by_service")
        return
    session = _named(user, data, claims)
    if session is not None:
        ending.end(session, "ended_by_service")


def _keep(user: User, data: SyncSession, claims: Claims | None, service: str) -> None:
    if not user.is_active:
        raise _refusal(SESSION_NOT_SYNCED, "user_id", "This account is not active.")
    session = _named(user, data, claims)
    if session is None and (claims is not None or data.session_data.session_id is not None):
        session = _begin(user, data, claims, service)
    if session is not None and session.ended_at is not None:
        raise _refusal(SESSION_NOT_SYNCED, "session_data", "This session has ended.")
    for row in [session] if session is not None else open_sessions(user.id):
        _update(row, data)
    db.session.flush()
    if session is not None and claims is not None and data.token is not None:
        parts().sessions.put(data.token, as_entry(user, claims, session))


def _begin(user: User, data: SyncSession, claims: Claims | None, service: str) -> Session:
    """Record a session that began elsewhere; a token from before a revocation stays revoked."""
    revoked = user.sessions_revoked_at
    if claims is not None and revoked is not None and claims.iat <= epoch(revoked):
        raise _refusal(SESSION_NOT_SYNCED, "token", "This token was revoked.")
    sid = UUID(claims.sid) if claims is not None else uuid4()
    if find_session(sid) is not None:
        raise _refusal(SESSION_NOT_SYNCED, "token", "This token belongs to another account.")
    return new_session(user, sid, f"service:{service}", Device(data.session_data.device_info or {}))


def _update(session: Session, data: SyncSession) -> None:
    """Write what the message says, unless a newer one has been here already."""
    stamp = _not_ahead(data.timestamp)
    if session.last_sync is not None and stamp < session.last_sync:
        return
    session.last_sync = stamp
    session.last_seen = now()
    told = data.session_data
    if told.device_info is not None:
        session.device_info = told.device_info
    if told.session_id is not None and told.session_id != str(session.sid):
        _name(session, told.session_id)
    if told.expires_at is not None:
        _move_end(session, told.expires_at)


def _name(session: Session, name: str) -> None:
    """Let a service's name for a session mean this one, and no longer any other."""
    same = update(Session).where(Session.user_id == session.user_id, Session.external_id == name)
    db.session.execute(same.where(Session.sid != session.sid).values(external_id=None))
    session.external_id = name


def _move_end(session: Session, wanted: datetime) -> None:
    """Let a session end when the service says so, but never later than a login allows."""
    longest = epoch(session.created_at) + parts().settings.refresh_token_days * 86400
    session.expires_at = min(wanted, at(longest))
    parts().sessions.shorten(session.user_id, str(session.sid), epoch(session.expires_at))
