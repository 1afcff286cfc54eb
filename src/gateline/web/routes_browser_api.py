"""The browser API: JSON for our own pages, with the session in a cookie.

Every unsafe request must come from our own origin, the login included.
"""

from http import HTTPStatus

from flask import Blueprint, Response, g, jsonify

from gateline.policy.reasons import (
    ACCOUNT_INACTIVE,
    BAD_REQUEST,
    CONFLICT,
    CREDENTIALS_INVALID,
    NOT_FOUND,
    WRONG_USER_TYPE,
)
from gateline.shared.app import parts
from gateline.shared.declarations import UPSTREAM_FAILURES, answers, refuses
from gateline.shared.errors import ApiError
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import optional_session, require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import json_dump
from gateline.web import service
from gateline.web.dashboards import compose
from gateline.web.navigation import KINDS, Kind, dashboard_of, known_kind
from gateline.web.presentation import DASHBOARDS, account_of, dashboard_out
from gateline.web.registration import BODIES, RegistrationBody, register
from gateline.web.routes_registration import first_page
from gateline.web.schemas import LoginBody, LoginOut, LogoutOut, RegistrationOut
from gateline.web.session_cookie import give_cookie, take_cookie, visitor

browser_api = Blueprint("browser_api", __name__, url_prefix="/api/web")
csrf.protect(browser_api)


@browser_api.after_request
def _never_kept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


@browser_api.post("/auth/<kind>/login")
@answers(200, LoginOut)
@refuses(CREDENTIALS_INVALID, ACCOUNT_INACTIVE, WRONG_USER_TYPE, *UPSTREAM_FAILURES)
@validate(body=LoginBody)
def log_in(kind: str, body: LoginBody) -> Response:
    """Open a session for an account of this kind and give it to the browser as a cookie."""
    known = known_kind(kind)
    if known is None:
        raise ApiError(reason=NOT_FOUND)
    ticket = service.log_in(known, body.email, body.password, visitor())
    answer = LoginOut(
        user=account_of(ticket.claims, ticket.name),
        expires_in=ticket.seconds_left(parts().clock()),
        redirect=dashboard_of(known) or "/",
    )
    response = jsonify(json_dump(answer))
    give_cookie(response, ticket)
    return response


@browser_api.post("/auth/logout")
@answers(200, LogoutOut)
@optional_session
def log_out() -> Response:
    """End the session everywhere and take the cookie; without a session, only the latter."""
    token = g.get("access_token")
    if token is not None:
        service.log_out(token)
    response = jsonify(json_dump(LogoutOut()))
    take_cookie(response)
    return response


def _add_registration(kind: Kind) -> None:
    @answers(201, RegistrationOut)
    @refuses(CONFLICT, CREDENTIALS_INVALID, *UPSTREAM_FAILURES)
    @validate(body=BODIES[kind])
    def sign_up(body: RegistrationBody) -> tuple[Response, int]:
        made = register(kind, body, visitor())
        answer = RegistrationOut(
            user=account_of(made.ticket.claims, made.ticket.name),
            expires_in=made.ticket.seconds_left(parts().clock()),
            redirect=first_page(kind, made),
            complete=made.complete,
        )
        response = jsonify(json_dump(answer))
        give_cookie(response, made.ticket)
        return response, HTTPStatus.CREATED

    sign_up.__doc__ = f"Make an account of a {kind} and open its session."
    browser_api.add_url_rule(
        f"/auth/{kind}/register", f"register_{kind}", sign_up, methods=["POST"]
    )


def _add_dashboard(kind: Kind) -> None:
    @answers(200, DASHBOARDS[kind])
    @refuses(BAD_REQUEST, NOT_FOUND, ACCOUNT_INACTIVE, *UPSTREAM_FAILURES)
    @require_auth(required_user_type=kind)
    def dashboard() -> Response:
        composed = compose(kind, service.ask)
        if composed.empty and composed.first_failure is not None:
            raise composed.first_failure
        return jsonify(json_dump(dashboard_out(kind, g.identity, composed)))

    dashboard.__doc__ = f"Answer with what a {kind} sees first; a part may be missing, and says so."
    browser_api.add_url_rule(f"/{kind}/dashboard", f"{kind}_dashboard", dashboard)


for _kind in KINDS:
    _add_registration(_kind)
    _add_dashboard(_kind)
