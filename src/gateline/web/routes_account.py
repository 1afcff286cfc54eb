"""The account page: profile, password, and the places where one is logged in."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, g, make_response, redirect, render_template, request

from gateline.policy.reasons import (
    ACCOUNT_INACTIVE,
    BAD_REQUEST,
    CONFLICT,
    VALIDATION_FAILED,
)
from gateline.shared.declarations import HTML, UPSTREAM_FAILURES, answers, refuses, takes
from gateline.shared.errors import ApiError
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import optional_session
from gateline.web.account import (
    change_password,
    change_profile,
    end_other_sessions,
    end_session,
    overview,
)
from gateline.web.form_schemas import PasswordForm, ProfileForm
from gateline.web.forms import Field
from gateline.web.navigation import landing_with_login
from gateline.web.page_context import never_kept
from gateline.web.registration import PASSWORD_LENGTH

account = Blueprint("account", __name__, url_prefix="/account")
csrf.protect(account)
account.after_request(never_kept)

_PAGE: Final = "/account"
# The page is shown again with what the service refused, and with its status.
_passes_on = refuses(BAD_REQUEST, VALIDATION_FAILED, ACCOUNT_INACTIVE, CONFLICT, *UPSTREAM_FAILURES)
_PROFILE_FIELDS: Final = (
    Field("name", "Name", autocomplete="name", longest=100),
    Field("phone", "Telephone", "tel", "tel", required=False, longest=32),
)
_PASSWORD_FIELDS: Final = (
    Field("current_password", "Current password", "password", "current-password"),
    Field(
        "new_password",
        "New password",
        "password",
        "new-password",
        hint=f"At least {PASSWORD_LENGTH} characters.",
    ),
)
_NOTICES: Final = {
    "profile": "Your profile is changed.",
    "password": "Your password is changed. Every other session has ended.",
    "session": "That session has ended.",
    "others": "Every other session has ended.",
}


def _for_people(view: Callable[..., Any]) -> Callable[..., Any]:
    """Lead those without a session to the login, also when it ends while the page is made."""

    @wraps(view)
    @optional_session
    def guarded(**values: Any) -> Any:
        if g.identity is None:
            return redirect(landing_with_login(None, _PAGE))
        try:
            return view(**values)
        except ApiError as refused:
            if refused.status != HTTPStatus.UNAUTHORIZED:
                raise
            return redirect(landing_with_login(None, _PAGE))

    return guarded


@account.get("")
@answers(200, description="The page.", media_type=HTML)
@answers(302, description="To the login.")
@_for_people
def show() -> Any:
    """Show the account of whoever is logged in."""
    return _page(notice=_NOTICES.get(request.args.get("done", ""), ""))


@account.post("/profile")
@takes(form=ProfileForm)
@answers(303, description="Done; the page is shown again.")
@answers(302, description="To the login.")
@_passes_on
@_for_people
def save_profile() -> Any:
    """Change name and telephone."""
    return _done_or_refused(
        "profile",
        lambda: change_profile(request.form.get("name", ""), request.form.get("phone", "")),
    )


@account.post("/password")
@takes(form=PasswordForm)
@answers(303, description="Done; the page is shown again.")
@answers(302, description="To the login.")
@_passes_on
@_for_people
def save_password() -> Any:
    """Change the password, which ends every other session."""
    return _done_or_refused(
        "password",
        lambda: change_password(
            request.form.get("current_password", ""), request.form.get("new_password", "")
        ),
    )


@account.post("/sessions/<uuid:sid>/end")
@answers(303, description="Done; the page is shown again.")
@answers(302, description="To the login.")
@_passes_on
@_for_people
def end_one(sid: UUID) -> Any:
    """End one session."""
    return _done_or_refused("session", lambda: end_session(str(sid)))


@account.post("/sessions/end")
@answers(303, description="Done; the page is shown again.")
@answers(302, description="To the login.")
@_passes_on
@_for_people
def end_others() -> Any:
    """End every session but this one."""
    return _done_or_refused("others", end_other_sessions)


def _done_or_refused(what: str, change: Callable[[], object]) -> Any:
    try:
        change()
    except ApiError as refused:
        if refused.status == HTTPStatus.UNAUTHORIZED:
            raise
        return make_response(_page(what, refused), refused.status, refused.headers)
    return redirect(f"{_PAGE}?done={what}", HTTPStatus.SEE_OTHER)


def _page(what: str = "", refused: ApiError | None = None, notice: str = "") -> str:
    seen = overview()
    values = {"name": seen.profile.name, "phone": seen.profile.phone} if seen.profile else {}
    if what == "profile":
        values = {name: request.form.get(name, "") for name in ("name", "phone")}
    fields = {field.name for field in (*_PROFILE_FIELDS, *_PASSWORD_FIELDS)}
    wrong = refused.fields if refused else {}
    return render_template(
        "account_page.html",
        seen=seen,
        values=values,
        notice=notice,
        wrong=wrong,
        problem={what: refused.message} if refused and not fields & wrong.keys() else {},
        profile_fields=_PROFILE_FIELDS,
        password_fields=_PASSWORD_FIELDS,
        others=sum(not session.current for session in seen.sessions or ()),
    )
