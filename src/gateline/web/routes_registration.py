"""Pages on which people make an account, with and without scripts."""

from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, make_response, redirect, render_template, request

from gateline.policy.reasons import CONFLICT, CREDENTIALS_INVALID, NOT_FOUND
from gateline.shared.declarations import HTML, UPSTREAM_FAILURES, answers, refuses, takes
from gateline.shared.errors import ApiError
from gateline.shared.middleware import csrf
from gateline.web.form_schemas import RegistrationForm
from gateline.web.forms import Field
from gateline.web.navigation import KINDS, LANDING, Kind, dashboard_of, known_kind
from gateline.web.page_context import never_kept
from gateline.web.registration import PASSWORD_LENGTH, Registered, body_of, register
from gateline.web.session_cookie import give_cookie, visitor

registration = Blueprint("registration", __name__, url_prefix="/register")
csrf.protect(registration)
registration.after_request(never_kept)

_EMAIL: Final = Field("email", "E-mail address", "email", autocomplete="username")
_PHONE: Final = Field("phone", "Telephone", "tel", autocomplete="tel", required=False)
_PASSWORD: Final = Field(
    "password",
    "Password",
    "password",
    autocomplete="new-password",
    hint=f"At least {PASSWORD_LENGTH} characters. A short sentence is easy to keep in mind.",
)
_PERSON: Final = (
    Field("first_name", "First name", autocomplete="given-name", half=True),
    Field("last_name", "Last name", autocomplete="family-name", half=True),
    _EMAIL,
)

FIELDS: Final[dict[Kind, tuple[Field, ...]]] = {
    "patient": (
        *_PERSON,
        Field("date_of_birth", "Date of birth", "date", "bday", required=False, half=True),
        Field("phone", "Telephone", "tel", "tel", required=False, half=True),
        _PASSWORD,
    ),
    "doctor": (*_PERSON, _PHONE, _PASSWORD),
    "institution": (
        Field("name", "Name of the institution", autocomplete="organization"),
        _EMAIL,
        Field("city", "City", "text", "address-level2", required=False, half=True),
        Field("phone", "Telephone", "tel", "tel", required=False, half=True),
        _PASSWORD,
    ),
}


@registration.get("")
@answers(200, description="The page.", media_type=HTML)
def choose() -> Any:
    """Ask which kind of account it shall be."""
    return render_template("register.html")


@registration.get("/<kind>")
@answers(200, description="The page.", media_type=HTML)
def form(kind: str) -> Any:
    """Show the form of one kind of account."""
    return _page(_known(kind))


@registration.post("/<kind>")
@takes(form=RegistrationForm)
@answers(303, description="To the dashboard.")
@refuses(CONFLICT, CREDENTIALS_INVALID, *UPSTREAM_FAILURES)
def send(kind: str) -> Any:
    """Make an account from the form, for browsers without scripts."""
    known = _known(kind)
    try:
        made = register(known, body_of(known, request.form), visitor())
    except ApiError as refused:
        return make_response(_page(known, refused), refused.status, refused.headers)
    response = redirect(first_page(known, made), HTTPStatus.SEE_OTHER)
    give_cookie(response, made.ticket)
    return response


def first_page(kind: Kind, made: Registered) -> str:
    """Return where somebody goes who has just registered."""
    notice = "welcome" if made.complete else "welcome-incomplete"
    return f"{dashboard_of(kind) or LANDING}?notice={notice}"


def _known(kind: str) -> Kind:
    known = known_kind(kind)
    if known is None:
        raise ApiError(reason=NOT_FOUND)
    return known


def _page(kind: Kind, refused: ApiError | None = None) -> str:
    fields = FIELDS[kind]
    shown = {field.name for field in fields}
    wrong = refused.fields if refused else {}
    return render_template(
        "register_form.html",
        kind=kind,
        kinds=KINDS,
        fields=fields,
        values={name: request.form.get(name, "") for name in shown - {"password"}},
        wrong=wrong,
        problem=refused.message if refused and not shown & wrong.keys() else "",
    )
