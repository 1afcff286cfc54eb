"""HTTP for people: register, log in, refresh, log out, who am I, change the password."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g, request
from flask.typing import ResponseReturnValue

from gateline.auth import service, sessions
from gateline.auth.account_schemas import (
    Account,
    ChangePassword,
    CurrentUser,
    Granted,
    KeySet,
    Login,
    Logout,
    Refresh,
    Refreshed,
    Register,
    SessionsEnded,
    Success,
    UserOut,
    Validated,
)
from gateline.auth.audit import client_address, client_agent
from gateline.auth.models import User
from gateline.auth.moments import at
from gateline.policy.limits import Limit
from gateline.policy.reasons import (
    ACCOUNT_INACTIVE,
    CONFLICT,
    CREDENTIALS_INVALID,
    WRONG_USER_TYPE,
)
from gateline.shared.app import parts
from gateline.shared.cookies import clear_session_cookie, read_session_cookie, set_session_cookie
from gateline.shared.declarations import SESSION_REASONS, answers, refuses, takes
from gateline.shared.errors import ApiError, Unauthorized
from gateline.shared.middleware import csrf
from gateline.shared.middleware.auth import bearer_token, optional_session, require_session
from gateline.shared.middleware.rate_limiter import address_key, spend, spend_failures
from gateline.shared.middleware.validation import read_body, validate
from gateline.shared.schemas.base import json_dump
from gateline.shared.tokens import Claims

accounts = Blueprint("accounts", __name__)
csrf.protect(accounts)

# Many people share one address (an office, a phone network), so it gets more than one account.
_ADDRESS_SHARE = 5
# All the world together may fail at one account this many times as often as one network may try.
_FAILURE_SHARE = 30
_LOGIN = (CREDENTIALS_INVALID, ACCOUNT_INACTIVE, WRONG_USER_TYPE)


@accounts.post("/api/auth/register")
@answers(201, Account)
@refuses(CONFLICT)
@validate(body=Register)
def register(body: Register) -> ResponseReturnValue:
    """Make an account; logging in is a second step."""
    _spend_address()
    user = service.create_account(
        body.email,
        body.password,
        body.user_type,
        body.first_name,
        body.last_name,
        body.username,
        body.phone,
    )
    return {"user": json_dump(user_out(user))}, 201


@accounts.post("/api/auth/login")
@answers(200, Granted)
@refuses(*_LOGIN)
@validate(body=Login)
def log_in(body: Login) -> ResponseReturnValue:
    """Exchange name and password for tokens."""
    return _granted(_log_in(body))


@accounts.post("/api/v1/auth/login")
@answers(200, Granted)
@refuses(*_LOGIN)
@validate(body=Login)
def log_in_browser(body: Login) -> ResponseReturnValue:
    """Exchange name and password for tokens, and give the browser its session cookie."""
    grant = _log_in(body)
    response = current_app.make_response(_granted(grant))
    set_session_cookie(response, grant.access_token, grant.expires_in, request.is_secure)
    return response


@accounts.post("/api/auth/refresh")
@answers(200, Refreshed)
@refuses(*SESSION_REASONS, ACCOUNT_INACTIVE)
@validate(body=Refresh)
def refresh(body: Refresh) -> ResponseReturnValue:
    """Exchange the refresh token for a new access token; the refresh token stays usable."""
    grant = sessions.refresh(body.refresh_token)
    return json_dump(Refreshed(access_token=grant.access_token, expires_in=grant.expires_in))


@accounts.post("/api/auth/logout")
@accounts.post("/api/v1/auth/logout", endpoint="log_out_browser")
@takes(body=Logout)
@answers(200, Success)
@refuses(*SESSION_REASONS)
@optional_session
def log_out() -> ResponseReturnValue:
    """End the session and take the cookie away; once more is no error."""
    if g.current_user is not None:
        sessions.log_out(g.current_user["user_id"], g.current_user["session_id"])
    else:
        claims = _claims_of_ended()
        sessions.log_out(claims.user_id, claims.sid)
    response = current_app.make_response({"status": "success"})
    clear_session_cookie(response, request.is_secure)
    return response


@accounts.get("/api/v1/auth/validate")
@answers(200, Validated)
@require_session
def validate_session() -> ResponseReturnValue:
    """Tell whose session this is, and until when its access token is valid."""
    user = CurrentUser.model_validate(g.current_user)
    return json_dump(Validated(user=user, expires_at=at(g.identity.expires_at)))


@accounts.post("/api/auth/change-password")
@answers(200, SessionsEnded)
@refuses(CREDENTIALS_INVALID, ACCOUNT_INACTIVE)
@require_session
@validate(body=ChangePassword)
def change_password(body: ChangePassword) -> ResponseReturnValue:
    """Set a new password; every other session of the account ends."""
    user = g.current_user
    with _guarded(service.account_key(user["user_id"])):
        proof = service.prove_own_password(user["user_id"], body.current_password)
    ended = sessions.change_password(proof, body.new_password, UUID(user["session_id"]))
    return {"status": "success", "sessions_ended": ended}


@accounts.get("/.well-known/jwks.json")
@answers(200, KeySet)
def key_set() -> ResponseReturnValue:
    """Show the public keys that verify tokens; empty while tokens are signed with a secret."""
    response = current_app.make_response(parts().tokens.jwks())
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@accounts.after_request
def keep_out_of_caches(response: Response) -> Response:
    """Let no cache keep tokens or personal data (RFC 6749, section 5.1)."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def user_out(user: User) -> UserOut:
    """Return an account as its owner sees it."""
    return UserOut.model_validate(
        {
            **{name: getattr(user, name) for name in UserOut.model_fields},
            "id": str(user.id),
            "created_at": user.created_at.replace(microsecond=0),
            "updated_at": user.updated_at.replace(microsecond=0),
        }
    )


def _log_in(body: Login) -> sessions.Grant:
    _spend_address()
    with _guarded(service.key_of_name(body.name)):
        proof = service.prove_password(body.name, body.password)
    device = sessions.Device(body.device_info or {}, client_address(), client_agent())
    return sessions.log_in(proof, body.user_type, device)


def _granted(grant: sessions.Grant) -> dict[str, Any]:
    answer = Granted(
        access_token=grant.access_token,
        refresh_token=grant.refresh_token or "",
        expires_in=grant.expires_in,
        user=user_out(grant.user),
    )
    return json_dump(answer)


def _claims_of_ended() -> Claims:
    """Return the claims of the token that is still genuine though its session is gone.

    Raises 401, and takes the dead cookie away all the same.
    """
    token = bearer_token() or read_session_cookie(request.cookies, request.is_secure)
    try:
        if request.content_length and (body := read_body(Logout)).refresh_token:
            return parts().tokens.verify(body.refresh_token, type="refresh")
        if token is None:
            raise Unauthorized
        return parts().tokens.verify(token)
    except ApiError as refusal:
        cleared = Response()
        clear_session_cookie(cleared, request.is_secure)
        refusal.headers["Set-Cookie"] = cleared.headers["Set-Cookie"]
        raise


def _spend_address() -> None:
    limit = Limit.parse(parts().settings.login_rate_limit)
    spend(replace(limit, requests=limit.requests * _ADDRESS_SHARE), f"login:{address_key()}")


@contextmanager
def _guarded(account: str) -> Iterator[None]:
    """Limit the attempts at an account's password, known or not, and the failures by everybody.

    The narrow limit is of one client's network, or anybody could lock somebody else out; the wide
    one stops those who guess from many.
    """
    narrow = Limit.parse(parts().settings.login_rate_limit)
    wide = replace(narrow, requests=narrow.requests * _FAILURE_SHARE)
    spend(narrow, f"login:account:{account}:{address_key()}")
    with spend_failures(wide, f"login:failures:{account}"):
        yield
