"""HTTP for a person's own sessions: list them, end one, end all others."""

from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from gateline.auth import sessions
from gateline.auth.account_schemas import SessionOut, SessionsEnded
from gateline.auth.models import Session
from gateline.shared.declarations import answers
from gateline.shared.errors import ValidationFailed
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import require_session
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Page, PageQuery, encode_cursor, json_dump

own_sessions = Blueprint("own_sessions", __name__, url_prefix="/api/auth/sessions")
csrf.protect(own_sessions)


@own_sessions.get("")
@answers(200, Page[SessionOut])
@require_session
@validate(query=PageQuery)
def list_sessions(query: PageQuery) -> ResponseReturnValue:
    """List one's living sessions, newest first."""
    rows = sessions.page_of_sessions(g.current_user["user_id"], query.limit + 1, place_of(query))
    shown = rows[: query.limit]
    cursor = cursor_after(shown[-1]) if len(rows) > query.limit else None
    page = Page[SessionOut](items=[_session_out(row) for row in shown], next_cursor=cursor)
    return json_dump(page)


@own_sessions.delete("")
@answers(200, SessionsEnded)
@require_session
def end_others() -> ResponseReturnValue:
    """End all of one's sessions but the one that asks."""
    user = g.current_user
    ended = sessions.end_other_sessions(user["user_id"], UUID(user["session_id"]))
    return {"status": "success", "sessions_ended": ended}


@own_sessions.delete("/<uuid:sid>")
@answers(204, description="It has ended.")
@require_session
def end_one(sid: UUID) -> ResponseReturnValue:
    """End one of one's sessions; others' sessions are not found (404)."""
    sessions.end_session(g.current_user["user_id"], sid, "user_requested")
    return "", 204


@own_sessions.after_request
def keep_out_of_caches(response: Response) -> Response:
    """Let no cache keep personal data."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def place_of(query: PageQuery) -> sessions.SessionPlace | None:
    """Return where a page of sessions starts, None at the beginning; raise ValidationFailed."""
    position = query.position("created_at", "sid")
    if position is None:
        return None
    try:
        moment = datetime.fromisoformat(position["created_at"])
        return moment.astimezone(), UUID(position["sid"])
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        refusal = {"cursor": ["is not a cursor of this list"]}
        raise ValidationFailed(fields=refusal) from error


def cursor_after(row: Session) -> str:
    """Return the cursor of the page that starts behind this session."""
    return encode_cursor(created_at=row.created_at, sid=row.sid)


def _session_out(row: Session) -> SessionOut:
    return SessionOut(
        id=row.sid,
        created_at=row.created_at.replace(microsecond=0),
        last_seen=row.last_seen.replace(microsecond=0),
        expires_at=row.expires_at.replace(microsecond=0),
        device_info=row.device_info,
        ip_address=row.ip_address,
        user_agent=row.user_agent,
        current=str(row.sid) == g.current_user["session_id"],
    )
