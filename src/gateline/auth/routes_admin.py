"""HTTP for administrators: everybody's accounts and sessions, the audit trail, and figures.

The control room (`gateline.web`) calls these in the name of the administrator who looks at it.
"""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from gateline.auth import administration as admin
from gateline.auth.account_schemas import SessionsEnded
from gateline.auth.admin_schemas import (
    AccountChange,
    AccountOut,
    AccountQuery,
    AdminSessionOut,
    AuditOut,
    AuditQuery,
    Figures,
    NewAccount,
    OneAccount,
    ResetPassword,
    SessionOwner,
    SessionQuery,
)
from gateline.auth.models import AuditEvent, Session, User
from gateline.auth.routes_sessions import cursor_after, place_of
from gateline.policy.reasons import CONFLICT, NOT_FOUND
from gateline.shared.declarations import answers, refuses
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Page, json_dump

admin_api = Blueprint("administration", __name__, url_prefix="/api/auth/admin")
csrf.protect(admin_api)

_for_admins = require_auth(required_user_type="admin")


@admin_api.get("/users")
@answers(200, Page[AccountOut])
@_for_admins
@validate(query=AccountQuery)
def list_accounts(query: AccountQuery) -> ResponseReturnValue:
    """List accounts, newest first."""
    found = admin.accounts_page(query)
    counts = admin.open_session_counts(found.rows)
    items = [_account_out(user, counts.get(user.id, 0)) for user in found.rows]
    return json_dump(Page[AccountOut](items=items, next_cursor=found.next_cursor))


@admin_api.post("/users")
@answers(201, OneAccount)
@refuses(CONFLICT)
@_for_admins
@validate(body=NewAccount)
def make_account(body: NewAccount) -> ResponseReturnValue:
    """Make an account of any kind."""
    return {"user": json_dump(_account_out(admin.make_account(body)))}, 201


@admin_api.get("/users/<name>")
@answers(200, OneAccount)
@_for_admins
def show_account(name: str) -> ResponseReturnValue:
    """Show one account."""
    user = admin.account_named(name)
    counts = admin.open_session_counts([user])
    return {"user": json_dump(_account_out(user, counts.get(user.id, 0)))}


@admin_api.patch("/users/<name>")
@answers(200, OneAccount)
@refuses(CONFLICT)
@_for_admins
@validate(body=AccountChange)
def change_account(name: str, body: AccountChange) -> ResponseReturnValue:
    """Change an account, open it or shut it."""
    user = admin.change_account(g.current_user["user_id"], name, body)
    counts = admin.open_session_counts([user])
    return {"user": json_dump(_account_out(user, counts.get(user.id, 0)))}


@admin_api.delete("/users/<name>")
@answers(204, description="It is gone.")
@refuses(CONFLICT)
@_for_admins
def delete_account(name: str) -> ResponseReturnValue:
    """Delete an account; neither one's own nor the last administrator's (409)."""
    admin.delete_account(g.current_user["user_id"], name)
    return "", 204


@admin_api.put("/users/<name>/password")
@answers(200, SessionsEnded)
@refuses(CONFLICT)
@_for_admins
@validate(body=ResetPassword)
def reset_password(name: str, body: ResetPassword) -> ResponseReturnValue:
    """Set somebody's password and end all their sessions."""
    ended = admin.reset_password(g.current_user["user_id"], name, body.password)
    return {"status": "success", "sessions_ended": ended}


@admin_api.delete("/users/<name>/sessions")
@answers(200, SessionsEnded)
@_for_admins
def end_sessions_of(name: str) -> ResponseReturnValue:
    """End every session of an account but the one that asks."""
    ended = admin.end_sessions_of(name, UUID(g.current_user["session_id"]))
    return {"status": "success", "sessions_ended": ended}


@admin_api.get("/sessions")
@answers(200, Page[AdminSessionOut])
@refuses(NOT_FOUND)
@_for_admins
@validate(query=SessionQuery)
def list_sessions(query: SessionQuery) -> ResponseReturnValue:
    """List living sessions, newest first."""
    rows = admin.sessions_page(query, place_of(query))
    shown = rows[: query.limit]
    cursor = cursor_after(shown[-1][0]) if len(rows) > query.limit else None
    items = [_session_out(session, owner) for session, owner in shown]
    return json_dump(Page[AdminSessionOut](items=items, next_cursor=cursor))


@admin_api.delete("/sessions/<uuid:sid>")
@answers(204, description="It has ended.")
@_for_admins
def end_session(sid: UUID) -> ResponseReturnValue:
    """End anybody's session."""
    admin.end_session(sid)
    return "", 204


@admin_api.get("/audit")
@answers(200, Page[AuditOut])
@refuses(NOT_FOUND)
@_for_admins
@validate(query=AuditQuery)
def list_events(query: AuditQuery) -> ResponseReturnValue:
    """List what happened, latest first."""
    found = admin.audit_page(query)
    names = admin.names_of({event.user_id for event in found.rows if event.user_id is not None})
    items = [_event_out(event, names) for event in found.rows]
    return json_dump(Page[AuditOut](items=items, next_cursor=found.next_cursor))


@admin_api.get("/figures")
@answers(200, Figures)
@_for_admins
def show_figures() -> ResponseReturnValue:
    """Count accounts, sessions and logins."""
    figures: dict[str, Any] = {
        "users": admin.user_figures(),
        "sessions": admin.session_figures(),
        "logins": admin.login_figures(),
    }
    return json_dump(Figures.model_validate(figures))


@admin_api.after_request
def keep_out_of_caches(response: Response) -> Response:
    """Let no cache keep personal data."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _account_out(user: User, open_sessions: int = 0) -> AccountOut:
    own = {"id": str(user.id), "open_sessions": open_sessions}
    others = {name: getattr(user, name) for name in AccountOut.model_fields if name not in own}
    return AccountOut.model_validate({**others, **own})


def _session_out(row: Session, owner: User) -> AdminSessionOut:
    return AdminSessionOut(
        id=row.sid,
        user=SessionOwner(
            id=str(owner.id),
            username=owner.username,
            email=owner.email,
            name=owner.name,
            user_type=owner.user_type,
        ),
        created_at=row.created_at,
        last_seen=row.last_seen,
        expires_at=row.expires_at,
        origin=row.origin,
        ip_address=row.ip_address,
        user_agent=row.user_agent,
        current=str(row.sid) == g.current_user["session_id"],
    )


def _event_out(event: AuditEvent, names: dict[int, str]) -> AuditOut:
    own = {
        "user_id": None if event.user_id is None else str(event.user_id),
        "user": None if event.user_id is None else names.get(event.user_id),
    }
    others = {name: getattr(event, name) for name in AuditOut.model_fields if name not in own}
    return AuditOut.model_validate({**others, **own})
