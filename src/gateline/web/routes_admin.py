"""The control room: its API for administrators, and the page that shows it.

Everything but the login needs an administrator's session, by bearer token or cookie; what a
browser sends unsafely must come from our own pages.
"""

import weakref
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from flask import (
    Blueprint,
    Flask,
    Response,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ValidationError

from gateline.policy.reasons import (
    ACCOUNT_INACTIVE,
    BAD_REQUEST,
    CONFLICT,
    CREDENTIALS_INVALID,
    NOT_FOUND,
    VALIDATION_FAILED,
    WRONG_USER_TYPE,
)
from gateline.policy.services import Service
from gateline.shared.app import Parts, parts
from gateline.shared.config import Settings
from gateline.shared.declarations import (
    HTML,
    UPSTREAM_FAILURES,
    answers,
    refuses,
    takes,
)
from gateline.shared.errors import ApiError
from gateline.shared.gateway.apps import ADDRESSES
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import current_identity, optional_session, require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.routing import platform_services
from gateline.shared.schemas.base import Page, json_dump
from gateline.web import control_room, service
from gateline.web.admin_answers import EventOut, OneUser, SessionOut, SessionsEnded, UserOut
from gateline.web.admin_schemas import (
    AdminGranted,
    AdminLogin,
    AuditQuery,
    LogsOut,
    LogsQuery,
    NewUser,
    PasswordReset,
    SessionsQuery,
    Stats,
    UserChange,
    UserQuery,
)
from gateline.web.control_room import account_path, ask_auth
from gateline.web.error_pages import wants_page
from gateline.web.file_routes import services_of_file
from gateline.web.form_schemas import AdminLoginForm
from gateline.web.presentation import account_of
from gateline.web.schemas import LogoutOut
from gateline.web.service_states import FollowedStates, ServiceStates
from gateline.web.session_cookie import give_cookie, take_cookie, visitor

PAGE: Final = "/admin"

admin = Blueprint("admin", __name__, url_prefix=PAGE)
csrf.protect(admin)

_for_admins = require_auth(required_user_type="admin")
_INCOMPLETE: Final = "Please give a user name and a password."
_ALIAS: Final = "jwt"
_LOGIN: Final = (
    CREDENTIALS_INVALID,
    ACCOUNT_INACTIVE,
    WRONG_USER_TYPE,
    *UPSTREAM_FAILURES,
)
_asks_auth = refuses(BAD_REQUEST, VALIDATION_FAILED, NOT_FOUND, CONFLICT, *UPSTREAM_FAILURES)


def init_admin(app: Flask) -> None:
    """Register the control room and what it asks services with."""
    here: Parts = app.extensions["gateline"]
    settings = here.settings
    files = (settings.gateline_config, settings.gateline_data_dir / ADDRESSES)
    states = FollowedStates(lambda: _states_of(settings, services_of_file(settings)), files)
    app.extensions[control_room.EXTENSION] = states
    weakref.finalize(app, states.close)
    app.register_blueprint(admin)


def _states_of(settings: Settings, own: Mapping[str, Service] | None) -> ServiceStates | None:
    """Return what asks the platform's services and those of the file; None for a wrong one."""
    if own is None:
        return None
    named = {**platform_services(settings), **own}
    others = (found for name, found in named.items() if name != _ALIAS)
    return ServiceStates(others, strangers=own.keys())


@admin.after_request
def _never_kept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Cookie")
    return response


@admin.get("")
@answers(200, description="The page.", media_type=HTML)
def show() -> ResponseReturnValue:
    """Show the control room, to anybody but an administrator its login."""
    try:
        identity = current_identity()
    except ApiError as refused:
        return _login(problem=refused.message, status=refused.status)
    if identity is None or identity.user_type != "admin":
        return _login(other=identity)
    return render_template("admin.html", user=identity)


@admin.post("")
@takes(form=AdminLoginForm)
@answers(303, description="To the control room.")
@refuses(*_LOGIN)
def log_in_by_form() -> ResponseReturnValue:
    """Log in from the page's form."""
    try:
        body = AdminLogin.model_validate(
            {name: request.form.get(name, "") for name in ("username", "password")}
        )
    except ValidationError:
        return _login(problem=_INCOMPLETE, status=HTTPStatus.BAD_REQUEST)
    try:
        ticket = control_room.log_in(body.username, body.password, visitor())
    except ApiError as refused:
        page = make_response(_login(problem=refused.message, status=refused.status))
        page.headers.update(refused.headers)
        return page
    response = make_response(redirect(PAGE, HTTPStatus.SEE_OTHER))
    give_cookie(response, ticket)
    return response


@admin.post("/login")
@answers(200, AdminGranted)
@refuses(*_LOGIN)
@validate(body=AdminLogin)
def log_in(body: AdminLogin) -> Response:
    """Exchange an administrator's name and password for a token, and set the cookie."""
    ticket = control_room.log_in(body.username, body.password, visitor())
    granted = AdminGranted(
        access_token=ticket.token,
        expires_in=ticket.seconds_left(parts().clock()),
        user=account_of(ticket.claims, ticket.name),
    )
    response = jsonify(json_dump(granted))
    give_cookie(response, ticket)
    return response


@admin.post("/logout")
@answers(200, LogoutOut)
@answers(303, description="To the control room, for those who ask for pages.")
@optional_session
def log_out() -> Response:
    """End the session everywhere and take the cookie; without a session, only the latter."""
    token = g.get("access_token")
    if token is not None:
        service.log_out(token)
    if wants_page():
        response = make_response(redirect(PAGE, HTTPStatus.SEE_OTHER))
    else:
        response = jsonify(json_dump(LogoutOut()))
    take_cookie(response)
    return response


@admin.get("/users")
@answers(200, Page[UserOut])
@_asks_auth
@_for_admins
@validate(query=UserQuery)
def list_users(query: UserQuery) -> ResponseReturnValue:
    """List accounts, newest first: administrators, or another kind, or all."""
    wanted = _given(query)
    wanted["user_type"] = query.user_type
    if query.user_type == "all":
        del wanted["user_type"]
    return jsonify(ask_auth("GET", "users", visitor(), params=wanted))


@admin.post("/users")
@answers(201, OneUser)
@_asks_auth
@_for_admins
@validate(body=NewUser)
def make_user(body: NewUser) -> ResponseReturnValue:
    """Make an account, an administrator's by default."""
    return jsonify(ask_auth("POST", "users", visitor(), data=_given(body))), HTTPStatus.CREATED


@admin.get("/users/<username>")
@answers(200, OneUser)
@_asks_auth
@_for_admins
def show_user(username: str) -> ResponseReturnValue:
    """Show one account."""
    return jsonify(ask_auth("GET", account_path(username), visitor()))


@admin.patch("/users/<username>")
@answers(200, OneUser)
@_asks_auth
@_for_admins
@validate(body=UserChange)
def change_user(username: str, body: UserChange) -> ResponseReturnValue:
    """Change an account, open it or shut it."""
    return jsonify(ask_auth("PATCH", account_path(username), visitor(), data=_given(body)))


@admin.delete("/users/<username>")
@answers(204, description="It is gone.")
@_asks_auth
@_for_admins
def delete_user(username: str) -> ResponseReturnValue:
    """Delete an account; neither one's own nor the last administrator's."""
    ask_auth("DELETE", account_path(username), visitor())
    return "", HTTPStatus.NO_CONTENT


@admin.put("/users/<username>/password")
@answers(200, SessionsEnded)
@_asks_auth
@_for_admins
@validate(body=PasswordReset)
def reset_password(username: str, body: PasswordReset) -> ResponseReturnValue:
    """Set somebody's password; all their sessions end."""
    path = account_path(username, "password")
    return jsonify(ask_auth("PUT", path, visitor(), data=_given(body)))


@admin.delete("/users/<username>/sessions")
@answers(200, SessionsEnded)
@_asks_auth
@_for_admins
def end_sessions_of(username: str) -> ResponseReturnValue:
    """End every session of an account but the one that asks."""
    return jsonify(ask_auth("DELETE", account_path(username, "sessions"), visitor()))


@admin.get("/sessions")
@answers(200, Page[SessionOut])
@_asks_auth
@_for_admins
@validate(query=SessionsQuery)
def list_sessions(query: SessionsQuery) -> ResponseReturnValue:
    """List living sessions of all accounts or of one, newest first."""
    return jsonify(ask_auth("GET", "sessions", visitor(), params=_given(query)))


@admin.delete("/sessions/<uuid:session_id>")
@answers(204, description="It has ended.")
@_asks_auth
@_for_admins
def end_session(session_id: UUID) -> ResponseReturnValue:
    """End anybody's session."""
    ask_auth("DELETE", f"sessions/{session_id}", visitor())
    return "", HTTPStatus.NO_CONTENT


@admin.get("/audit")
@answers(200, Page[EventOut])
@_asks_auth
@_for_admins
@validate(query=AuditQuery)
def list_events(query: AuditQuery) -> ResponseReturnValue:
    """List what happened to accounts, latest first."""
    return jsonify(ask_auth("GET", "audit", visitor(), params=_given(query)))


@admin.get("/dashboard/stats")
@answers(200, Stats)
@_for_admins
def show_stats() -> ResponseReturnValue:
    """Show the state of the platform; a part may be missing, and says so."""
    return jsonify(json_dump(control_room.read_stats(visitor())))


@admin.get("/logs")
@answers(200, LogsOut)
@_for_admins
@validate(query=LogsQuery)
def list_logs(query: LogsQuery) -> ResponseReturnValue:
    """List log entries of all processes, newest first."""
    return jsonify(json_dump(control_room.read_logs(query)))


def _given(model: BaseModel) -> dict[str, Any]:
    """Return what the client said, without what it left out."""
    return model.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _login(
    *, problem: str = "", other: Any = None, status: int = HTTPStatus.OK
) -> ResponseReturnValue:
    page = render_template(
        "admin_login.html",
        problem=problem,
        other=other,
        username=request.form.get("username", "")[:254],
    )
    return page, status
