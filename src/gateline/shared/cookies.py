"""The session cookie: how it is named, set, cleared and read.

Under TLS it carries the `__Host-` prefix (RFC 6265bis), so that neither a subdomain nor plain HTTP
can plant one; then the unprefixed name is not even looked at.
"""

from collections.abc import Mapping
from typing import Final

from werkzeug.http import parse_cookie
from werkzeug.wrappers import Response

SESSION_COOKIE: Final = "gateline_session"
SECURE_SESSION_COOKIE: Final = "__Host-gateline_session"
SESSION_COOKIE_STARTS: Final = (
    SESSION_COOKIE.encode() + b"=",
    SECURE_SESSION_COOKIE.encode() + b"=",
)
"""How a Cookie pair or a Set-Cookie value of ours begins, for those who work on bytes."""


def session_cookie_name(secure: bool) -> str:
    """Return the cookie's name; `secure` tells that the browser speaks TLS."""
    return SECURE_SESSION_COOKIE if secure else SESSION_COOKIE


def set_session_cookie(response: Response, token: str, max_age: int, secure: bool) -> None:
    """Give the browser its session; `max_age` in seconds."""
    response.set_cookie(
        session_cookie_name(secure),
        token,
        max_age=max_age,
        path="/",
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def clear_session_cookie(response: Response, secure: bool) -> None:
    """Take the session from the browser."""
    response.delete_cookie(
        session_cookie_name(secure), path="/", secure=secure, httponly=True, samesite="Lax"
    )


def read_session_cookie(cookies: Mapping[str, str] | str, secure: bool) -> str | None:
    """Return the token in parsed cookies, or in the value of a Cookie header; None without one."""
    parsed = parse_cookie(cookies) if isinstance(cookies, str) else cookies
    return parsed.get(session_cookie_name(secure)) or None
