"""What the pages' forms send and their addresses take, for the description of the API.

The views read these fields one by one: a form that is wrong is shown again, not refused as JSON.
"""

from pydantic import Field

from gateline.shared.schemas.base import Schema


class LandingQuery(Schema):
    """Whether the login dialog is open, for whom, and where it leads."""

    login: str = ""
    kind: str = Field("", alias="as")
    next: str = ""
    notice: str = ""


class LoginForm(Schema):
    """The login dialog's form."""

    email: str
    password: str
    user_type: str
    next: str = ""


class AdminLoginForm(Schema):
    """The control room's login form."""

    username: str
    password: str


class RegistrationForm(Schema):
    """A registration; which fields there are depends on the kind of account."""

    email: str
    password: str
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    date_of_birth: str = ""
    name: str = ""
    city: str = ""


class ProfileForm(Schema):
    """Name and telephone."""

    name: str
    phone: str = ""


class PasswordForm(Schema):
    """The password that is, and the one that shall be."""

    current_password: str
    new_password: str


class SearchQuery(Schema):
    """What is looked for."""

    q: str = ""
