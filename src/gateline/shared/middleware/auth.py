"""Who is asking: decorators for views, and what they leave in `flask.g`.

`g.current_user` is a plain dictionary (or None), `g.identity` the policy's Identity, and
`g.access_token` the token that proved it. A bearer token goes before a cookie; a cookie is sent by
browsers on their own, so with it an unsafe request must also come from our own pages.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

import redis
from flask import current_app, g, request

from gateline.policy.identity import Identity, refuse_role
from gateline.policy.origins import is_cross_site
from gateline.policy.reasons import (
    CROSS_SITE,
    SESSION_INVALID,
    SESSION_MISSING,
    SESSION_STORE_UNAVAILABLE,
    Reason,
)
from gateline.shared.cookies import read_session_cookie
from gateline.shared.declarations import Access, note
from gateline.shared.errors import ApiError
from gateline.shared.tokens import Claims, TokenRefused

if TYPE_CHECKING:
    from gateline.shared.app import Parts

P = ParamSpec("P")
R = TypeVar("R")
Source = Literal["bearer", "cookie"]

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class SessionRefused(ApiError):
    """The request has no session that may pass here."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason=reason, headers=_CHALLENGE if reason.status == 401 else None)


def is_authenticated() -> bool:
    """Tell whether the current request has a session (inside a decorated view)."""
    return g.get("identity") is not None


@overload
def require_session(view: Callable[P, R]) -> Callable[P, R]: ...


@overload
def require_session() -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def require_session(view: Callable[P, R] | None = None) -> Any:
    """Let only requests with a living session in. Works with and without parentheses."""
    return _decorate(view, Access("session"))


@overload
def require_auth(required_user_type: Callable[P, R]) -> Callable[P, R]: ...


@overload
def require_auth(
    required_user_type: str | Collection[str] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def require_auth(
    required_user_type: Callable[P, R] | str | Collection[str] | None = None,
) -> Any:
    """Let only sessions of the given user type, or of one of several, in (others: 403)."""
    if callable(required_user_type):
        return require_session(required_user_type)
    if isinstance(required_user_type, str):
        required_user_type = (required_user_type,)
    roles = frozenset(required_user_type or ())
    return _decorate(None, Access("session", roles))


@overload
def optional_session(view: Callable[P, R]) -> Callable[P, R]: ...


@overload
def optional_session() -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def optional_session(view: Callable[P, R] | None = None) -> Any:
    """Let everybody in, and know those who have a session; a dead one counts as none."""
    return _decorate(view, Access("optional"))


def current_identity() -> Identity | None:
    """Return who is asking, None for nobody; the first call asks the store, later ones do not.

    Raises SessionRefused (503) when the store is away. It neither checks the origin nor refuses
    anybody: that is what the decorators do.
    """
    answer = _authenticate()
    return answer if isinstance(answer, Identity) else None


def bearer_token() -> str | None:
    """Return the token of the Authorization header, None when there is none of type Bearer."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def _decorate(view: Callable[..., Any] | None, access: Access) -> Any:
    def decorator(inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            _admit(required=access.kind == "session", roles=access.user_types)
            return inner(*args, **kwargs)

        return note(guarded, access=access)

    return decorator if view is None else decorator(view)


def _admit(*, required: bool, roles: Collection[str]) -> None:
    answer = _authenticate()
    identity = answer if isinstance(answer, Identity) else None
    g.identity = identity
    g.current_user = None if identity is None else _as_user(identity)
    if identity is not None and identity.source == "cookie" and request_is_cross_site():
        raise SessionRefused(CROSS_SITE)
    if required and isinstance(answer, Reason):
        raise SessionRefused(answer)
    refusal = refuse_role(identity, required=required, roles=roles)
    if refusal is not None:
        raise SessionRefused(refusal)


def request_is_cross_site() -> bool:
    """Tell whether another site made the browser send the current request."""
    return is_cross_site(
        request.method,
        sec_fetch_site=request.headers.get("Sec-Fetch-Site"),
        origin=request.headers.get("Origin"),
        host=request.host,
        scheme=request.scheme,
        trusted=_parts().settings.cors_origins,
    )


def _authenticate() -> Identity | Reason:
    """Return the identity of the current request or why it has none; once per request."""
    if "authentication" not in g:
        try:
            g.authentication = _identify()
        except redis.RedisError as error:
            raise SessionRefused(SESSION_STORE_UNAVAILABLE) from error
    return cast("Identity | Reason", g.authentication)


def _identify() -> Identity | Reason:
    token, source = _credentials()
    if token is None:
        return SESSION_MISSING
    try:
        claims = _parts().tokens.verify(token)
    except TokenRefused as refused:
        return refused.reason
    answer = _find_session(token, claims, source)
    if isinstance(answer, Identity):
        g.access_token = token
    return answer


def _find_session(token: str, claims: Claims, source: Source) -> Identity | Reason:
    parts = _parts()
    session = parts.sessions.get(token)
    if session is None:
        return parts.sessions.why_missing(token, claims.user_id, claims.sid)
    if session.user_id != claims.user_id or session.session_id != claims.sid:
        return SESSION_INVALID
    return Identity(**asdict(session), source=source)


def _credentials() -> tuple[str | None, Source]:
    token = bearer_token()
    if token is not None:
        return token, "bearer"
    return read_session_cookie(request.cookies, request.is_secure), "cookie"


def _as_user(identity: Identity) -> dict[str, Any]:
    return {
        "user_id": identity.user_id,
        "id": str(identity.user_id),
        "email": identity.email,
        "user_type": identity.user_type,
        "name": identity.name,
        "session_id": identity.session_id,
    }


def _parts() -> "Parts":
    return cast("Parts", current_app.extensions["gateline"])
