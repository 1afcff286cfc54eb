"""What the web service does: log in and out, renew a session, fetch a dashboard's parts."""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import redis
from flask import Response

from gateline.policy.identity import Identity
from gateline.policy.reasons import (
    BAD_REQUEST,
    CONFLICT,
    LIMIT_SPENT,
    NOT_FOUND,
    REASONS,
    ROLE_MISSING,
    SESSION_INVALID,
    SESSION_STORE_UNAVAILABLE,
    UPSTREAM_INVALID,
    UPSTREAM_UNAVAILABLE,
    WRONG_USER_TYPE,
)
from gateline.shared.app import parts
from gateline.shared.errors import ApiError
from gateline.shared.proxy_service import proxy_service
from gateline.shared.tokens import Claims, TokenRefused
from gateline.web.dashboards import Call
from gateline.web.navigation import Kind

_LOG: Final = logging.getLogger(__name__)
_KEPT_HEADERS: Final = (
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
_RENEWAL_SECONDS: Final = 2.0
_OTHER_KIND: Final = (
    "This account is of another kind: choose yours. Administrators log in at /admin."
)
_USUAL_REASONS: Final = {
    reason.status: reason
    for reason in (BAD_REQUEST, SESSION_INVALID, ROLE_MISSING, NOT_FOUND, CONFLICT, LIMIT_SPENT)
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """A token for the browser's cookie, and what it says."""

    token: str
    claims: Claims
    name: str = ""

    def seconds_left(self, now: float) -> int:
        """Return how long the token still lives."""
        return max(0, self.claims.exp - int(now))


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose browser asks: auth limits logins by address and shows both in the list of sessions."""

    address: str
    user_agent: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers that tell a service so."""
        told = {"X-Forwarded-For": self.address, "User-Agent": self.user_agent}
        return {name: value for name, value in told.items() if value}


def log_in(kind: Kind, email: str, password: str, visitor: Visitor) -> Ticket:
    """Open a session for an account of this kind.

    Raises ApiError: 401 for wrong credentials, 403 for another kind of account, and what the
    auth service's absence calls for (502, 503, 504).
    """
    try:
        return open_session({"email": email, "password": password}, kind, visitor)
    except ApiError as refused:
        if refused.reason is WRONG_USER_TYPE:
            raise ApiError(_OTHER_KIND, reason=WRONG_USER_TYPE) from refused
        raise


def open_session(credentials: dict[str, str], user_type: str, visitor: Visitor) -> Ticket:
    """Log in at the auth service with what it takes as name and password; raises as `log_in`."""
    payload = {**credentials, "user_type": user_type}
    response = proxy_service.proxy_post(
        "auth", "/api/v1/auth/login", data=payload, headers=visitor.headers()
    )
    ticket = _ticket(json_of(response))
    if ticket.claims.user_type != user_type:
        # An auth service that does not know `user_type` in a login must not weaken the rule.
        _end_session(ticket.token)
        raise ApiError(reason=WRONG_USER_TYPE)
    return ticket


def log_out(token: str) -> None:
    """End the session of a token everywhere.

    The auth service also writes it into the history; when that is away, deleting the entry still
    ends the session at once. Raises ApiError (503) when neither can be done.
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        response = proxy_service.proxy_post("auth", "/api/v1/auth/logout", headers=headers)
        if response.status_code < 500:
            return
        _LOG.warning("logout: the auth service answered %d", response.status_code)
    except ApiError as failure:
        _LOG.warning("logout: the auth service could not be asked (%s)", failure.reason.code)
    _end_session(token)


def needs_renewal(identity: Identity, now: float, idle_seconds: int) -> bool:
    """Tell whether a cookie's token ends before its session would fall out by idleness.

    Only a session that came by cookie is renewed: other clients hold a refresh token.
    """
    if identity.source != "cookie" or identity.expires_at >= identity.absolute_expires_at:
        return False
    life = identity.expires_at - identity.issued_at
    return identity.expires_at - now < min(idle_seconds, life / 2)


def renew(token: str) -> Ticket | None:
    """Return a new token for the same session, None when there is none to be had just now.

    A page that was answered is not spoiled by this; the next request tries again.
    """
    key = parts().settings.service_key
    if not key:
        return None
    try:
        response = proxy_service.proxy_post(
            "auth",
            "/api/auth/sessions/renew",
            data={"token": token},
            headers={"X-Service-Key": key},
            timeout=_RENEWAL_SECONDS,
        )
        return _ticket(json_of(response))
    except ApiError as failure:
        _LOG.warning("a session could not be renewed (%s)", failure.reason.code)
        return None


def ask(call: Call, seconds: float) -> Any:
    """Return the JSON of one call for a dashboard, in the name of whoever looks at it."""
    response = proxy_service.proxy_get(
        call.service, call.path, params=dict(call.params), timeout=seconds
    )
    return json_of(response)


def _ticket(answer: Any) -> Ticket:
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise ApiError(reason=UPSTREAM_INVALID)
    try:
        claims = parts().tokens.verify(token)
    except TokenRefused as refused:
        raise ApiError(reason=UPSTREAM_INVALID) from refused
    user = answer.get("user")
    name = user.get("name") if isinstance(user, dict) else None
    return Ticket(token, claims, name if isinstance(name, str) else "")


def _end_session(token: str) -> None:
    try:
        parts().sessions.drop(token)
    except redis.RedisError as failure:
        raise ApiError(reason=SESSION_STORE_UNAVAILABLE) from failure


def json_of(response: Response) -> Any:
    """Return a service's JSON; raise what it refused with, or 502 for what is no JSON."""
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None
    body = response.get_json(silent=True)
    if response.status_code >= 400:
        raise _refusal(response, body)
    if body is None:
        raise ApiError(reason=UPSTREAM_INVALID)
    return body


def _refusal(response: Response, body: Any) -> ApiError:
    """Return a service's refusal as our own.

    One that does not name a reason of ours, of the same status, gets the usual one of its status.
    """
    status = response.status_code
    body = body if isinstance(body, dict) else {}
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    reason = REASONS.get(str(details.get("reason")))
    if reason is None or reason.status != status:
        return ApiError(reason=_USUAL_REASONS.get(status, UPSTREAM_UNAVAILABLE))
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return ApiError(
        body.get("message"), reason=reason, fields=details.get("fields"), headers=headers
    )
