"""Pages: the landing page with its login dialog, and a dashboard for each kind of account."""

from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Flask, Response, g, make_response, redirect, render_template, request
from pydantic import ValidationError

from gateline.policy.reasons import (
    ACCOUNT_INACTIVE,
    CREDENTIALS_INVALID,
    WRONG_USER_TYPE,
)
from gateline.shared.declarations import HTML, UPSTREAM_FAILURES, answers, refuses, takes
from gateline.shared.errors import ApiError
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import optional_session
from gateline.web import presentation, service
from gateline.web.dashboards import Composed, compose
from gateline.web.form_schemas import LandingQuery, LoginForm
from gateline.web.navigation import (
    KINDS,
    LANDING,
    Kind,
    home_of,
    known_kind,
    landing_with_login,
    local_path,
)
from gateline.web.page_context import never_kept
from gateline.web.schemas import LoginBody
from gateline.web.session_cookie import give_cookie, take_cookie, visitor

pages = Blueprint("pages", __name__)
csrf.protect(pages)
pages.after_request(never_kept)

_DOORS: Final = (
    ("patient", "Patients", "Your figures, your appointments and the people who care for you."),
    ("doctor", "Doctors", "Your day, your patients and their next visits."),
    ("institution", "Institutions", "Your doctors, your patients and the figures of the house."),
)
_WELCOMES: Final = {
    "welcome": "Welcome. Your account is ready, and you are logged in.",
    "welcome-incomplete": "Welcome. Your account is ready. Some of your details could not be kept "
    "just now.",
}
_OTHER_KIND: Final = "That page belongs to another kind of account. Log out first to change."
_INCOMPLETE: Final = "Please give an e-mail address and a password."


def init_pages(app: Flask) -> None:
    """Register the pages and what their templates use."""
    app.jinja_env.globals["doors"] = _DOORS
    app.register_blueprint(pages)


@pages.get("/")
@takes(query=LandingQuery)
@answers(200, description="The page.", media_type=HTML)
def landing() -> Response:
    """Show the landing page; `?login=1` opens its dialog, `as` and `next` fill it in."""
    notice = _OTHER_KIND if request.args.get("notice") == "other-kind" else ""
    return _landing(open_dialog=request.args.get("login") == "1", notice=notice)


@pages.get("/login")
@takes(query=LandingQuery)
@answers(302, description="To the landing page with its dialog open.")
def login() -> Any:
    """Lead to the landing page with its login dialog open."""
    return redirect(landing_with_login(request.args.get("as"), request.args.get("next")))


@pages.post("/login")
@takes(form=LoginForm)
@answers(303, description="To the dashboard.")
@refuses(CREDENTIALS_INVALID, ACCOUNT_INACTIVE, WRONG_USER_TYPE, *UPSTREAM_FAILURES)
def log_in() -> Any:
    """Log in from the dialog's form, for browsers without scripts."""
    kind = known_kind(request.form.get("user_type"))
    try:
        body = LoginBody(
            email=request.form.get("email", ""), password=request.form.get("password", "")
        )
    except ValidationError:
        kind = None
    if kind is None:
        return _landing(True, problem=_INCOMPLETE, status=HTTPStatus.BAD_REQUEST)
    try:
        ticket = service.log_in(kind, body.email, body.password, visitor())
    except ApiError as refused:
        page = _landing(True, problem=refused.message, status=refused.status)
        page.headers.update(refused.headers)
        return page
    target = local_path(request.form.get("next")) or home_of(kind) or LANDING
    response = redirect(target, HTTPStatus.SEE_OTHER)
    give_cookie(response, ticket)
    return response


@pages.post("/logout")
@answers(303, description="To the landing page.")
@optional_session
def log_out() -> Any:
    """End the session and lead to the landing page."""
    token = g.get("access_token")
    if token is not None:
        service.log_out(token)
    response = redirect(LANDING, HTTPStatus.SEE_OTHER)
    take_cookie(response)
    return response


def _add_dashboard(kind: Kind) -> None:
    @answers(200, description="The page; parts that could not be had say so.", media_type=HTML)
    @answers(302, description="To the landing page, without a session of this kind.")
    @refuses(ACCOUNT_INACTIVE, *UPSTREAM_FAILURES)
    @optional_session
    def dashboard() -> Any:
        if g.identity is None:
            return redirect(landing_with_login(kind, request.path))
        if g.identity.user_type != kind:
            return redirect(f"{LANDING}?notice=other-kind")
        return _dashboard(kind)

    dashboard.__doc__ = f"Show a {kind} what it sees first; anybody else goes to the landing page."
    pages.add_url_rule(f"/{kind}/dashboard", f"{kind}_dashboard", dashboard)


for _kind in KINDS:
    _add_dashboard(_kind)


def _landing(
    open_dialog: bool, *, notice: str = "", problem: str = "", status: int = HTTPStatus.OK
) -> Response:
    given = request.form if request.method == "POST" else request.args
    dialog = {
        "open": open_dialog,
        "kind": known_kind(given.get("user_type") or given.get("as")) or KINDS[0],
        "next": local_path(given.get("next")),
        "email": request.form.get("email", ""),
        "problem": problem,
    }
    page = render_template(
        "landing.html",
        login=dialog,
        notice=notice,
        base_url=request.host_url.rstrip("/"),
    )
    return make_response(page, status)


def _all_in(shown: list[Any], others: list[Any]) -> bool:
    """Tell that a list repeats what another one on the page shows already."""
    return all(item in shown for item in others)


def _dashboard(kind: Kind) -> Any:
    try:
        composed = compose(kind, service.ask)
    except ApiError as refused:
        if refused.status != HTTPStatus.UNAUTHORIZED:
            raise
        return redirect(landing_with_login(kind, request.path))
    found = composed.parts
    lists = {name: found[name] for name in found if name not in ("profile", "figures", "vitals")}
    vitals = found.get("vitals")
    if (
        lists.get("today")
        and lists["appointments"]
        and _all_in(lists["today"], lists["appointments"])
    ):
        del lists["appointments"]
    page = render_template(
        "dashboard.html",
        kind=kind,
        user=g.identity,
        heading=(found["profile"] or {}).get("name") or g.identity.name or g.identity.email,
        figures=None if found["figures"] is None else presentation.figures(found["figures"]),
        facts=None if found["profile"] is None else presentation.facts(found["profile"]),
        lists={
            name: None if items is None else presentation.rows(name, items, kind)
            for name, items in lists.items()
        },
        titles=presentation.TITLES,
        empty=presentation.EMPTY,
        vitals=None if vitals is None else presentation.measurements(vitals),
        measured=presentation.value((vitals or {}).get("recorded_at") or ""),
        has_vitals="vitals" in found,
        errors=composed.errors,
        notice=_WELCOMES.get(request.args.get("notice", ""), ""),
        nothing=composed.empty,
    )
    return make_response(page, _status_of(composed))


def _status_of(composed: Composed) -> int:
    """Return 503 for a page without any part, but that of a refusal (403) that holds for all."""
    failure = composed.first_failure
    if not composed.empty or failure is None:
        return HTTPStatus.OK
    refused = failure.status == HTTPStatus.FORBIDDEN
    return HTTPStatus.FORBIDDEN if refused else HTTPStatus.SERVICE_UNAVAILABLE
