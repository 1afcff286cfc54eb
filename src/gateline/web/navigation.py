"""Where a browser may be sent, and which pages belong to which kind of account."""

import re
from typing import Final, Literal
from urllib.parse import urlencode

Kind = Literal["patient", "doctor", "institution"]

KINDS: Final[tuple[Kind, ...]] = ("patient", "doctor", "institution")
"""The kinds of account that log in on the landing page."""

LANDING: Final = "/"
CONTROL_ROOM: Final = "/admin"

_LONGEST: Final = 2048
# A second slash or a backslash would make a browser read what follows as another host.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def local_path(target: str | None) -> str | None:
    """Return `target` when it stays on this site, else None (no open redirects)."""
    if target is None or len(target) > _LONGEST or not _LOCAL.fullmatch(target):
        return None
    return target


def known_kind(value: str | None) -> Kind | None:
    """Return `value` when it names a kind of account that has a dashboard."""
    return next((kind for kind in KINDS if kind == value), None)


def dashboard_of(user_type: str | None) -> str | None:
    """Return the path of the dashboard page for this user type, None when it has none."""
    kind = known_kind(user_type)
    return f"/{kind}/dashboard" if kind else None


def home_of(user_type: str | None) -> str | None:
    """Return the page that this user type sees first, None when it has none of its own."""
    return CONTROL_ROOM if user_type == "admin" else dashboard_of(user_type)


def landing_with_login(kind: str | None = None, target: str | None = None) -> str:
    """Return the address of the landing page with its login dialog open."""
    query = {"login": "1"}
    if known := known_kind(kind):
        query["as"] = known
    if path := local_path(target):
        query["next"] = path
    return f"{LANDING}?{urlencode(query, safe='/')}"
