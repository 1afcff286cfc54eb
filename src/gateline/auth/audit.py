"""The audit trail: what happened to an account, who did it and from where.

A row is written in the transaction of the change that it tells of, so neither exists alone.
"""

from typing import Any, Final
from uuid import UUID

from flask import g, has_request_context, request

from gateline.auth.models import AuditEvent
from gateline.auth.moments import now
from gateline.shared.database import db

ACCOUNT_CHANGED: Final = "account_changed"
ACCOUNT_CREATED: Final = "account_created"
ACCOUNT_DELETED: Final = "account_deleted"
LOGIN: Final = "login"
LOGIN_FAILED: Final = "login_failed"
LOGOUT: Final = "logout"
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105 - an event, no secret
PASSWORD_REFUSED: Final = "password_refused"  # noqa: S105 - as above
PASSWORD_RESET: Final = "password_reset"  # noqa: S105 - as above
SERVICE_KEY_CREATED: Final = "service_key_created"
SERVICE_KEY_REVOKED: Final = "service_key_revoked"
SESSION_ENDED: Final = "session_ended"
SESSION_RENEWED: Final = "session_renewed"
SESSION_SYNCED: Final = "session_synced"
SESSIONS_REVOKED: Final = "sessions_revoked"
TOKEN_REFRESHED: Final = "token_refreshed"  # noqa: S105 - as above
USER_SYNCED: Final = "user_synced"

_AGENT_LENGTH: Final = 512


def client_address() -> str | None:
    """Return the address that the current request came from, None outside a request."""
    return request.remote_addr if has_request_context() else None


def client_agent() -> str | None:
    """Return the User-Agent of the current request, shortened, fit for PostgreSQL."""
    if not has_request_context():
        return None
    agent = request.headers.get("User-Agent", "").replace("\0", "")
    return agent[:_AGENT_LENGTH] or None


def record(
    event: str,
    *,
    user_id: int | None = None,
    session_id: UUID | None = None,
    **details: Any,
) -> None:
    """Add an event to the current transaction; `details` must hold no secret."""
    db.session.add(
        AuditEvent(
            occurred_at=now(),
            event=event,
            user_id=user_id,
            session_id=session_id,
            actor=_actor(),
            ip_address=client_address(),
            user_agent=client_agent(),
            request_id=g.get("request_id"),
            details=details,
        )
    )


def _actor() -> str:
    """Name the calling service, else the logged-in user, else nobody or the command line."""
    if not has_request_context():
        return "local"
    if service := g.get("service_name"):
        return f"service:{service}"
    user = g.get("current_user")
    return f"user:{user['user_id']}" if user else "anonymous"
