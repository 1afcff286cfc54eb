"""HTTP between services: validate tokens, sync sessions and accounts, revoke, renew.

Every view needs a service key. The documented ones share one limit per calling service; those who
come without a valid key share one per address, so that keys cannot be guessed at speed.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from gateline.auth import sessions, sync
from gateline.auth.account_schemas import Success
from gateline.auth.service_schemas import (
    ManyTokens,
    ManyUsers,
    OneToken,
    Renewed,
    RevokeSessions,
    SyncResults,
    SyncSession,
    SyncUser,
    TokenOut,
    TokenResults,
)
from gateline.policy.limits import Limit
from gateline.policy.reasons import ACCOUNT_INACTIVE
from gateline.shared.app import parts
from gateline.shared.declarations import SESSION_REASONS, answers, refuses
from gateline.shared.errors import ApiError
from gateline.shared.middleware.rate_limiter import address_key, exempt, spend
from gateline.shared.middleware.request_context import current_request_id
from gateline.shared.middleware.validation import BULK_BYTES, refuse_fields, validate
from gateline.shared.schemas.base import json_dump
from gateline.shared.service_keys import calling_service, require_service_key

P = ParamSpec("P")
_SUCCESS = {"status": "success"}
# Renewals grow with the number of browsers, not with the number of calling services.
_RENEWALS = Limit(6000, 60)

integration = Blueprint("integration", __name__, url_prefix="/api/auth")


def _for_services(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let services in, within the limit that each has for all of these views together."""
    return _limited(view, "integration", lambda: Limit.parse(parts().settings.service_rate_limit))


def _for_gateways(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let services in, within a limit fit for the browsers behind them."""
    return _limited(view, "renewal", lambda: _RENEWALS)


def _limited(
    view: Callable[P, ResponseReturnValue], scope: str, limit: Callable[[], Limit]
) -> Callable[P, ResponseReturnValue]:
    keyed = require_service_key(view)

    @wraps(keyed)
    def limited(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        service = calling_service()
        if service is None:
            rate = Limit.parse(parts().settings.service_rate_limit)
            spend(rate, f"integration:{address_key()}")
        else:
            spend(limit(), f"{scope}:service:{service}")
        return keyed(*args, **kwargs)

    return exempt(limited)


@integration.post("/validate-token")
@answers(200, TokenOut)
@refuses(*SESSION_REASONS)
@_for_services
@validate(body=OneToken, error=sync.INVALID_TOKEN)
def validate_token(body: OneToken) -> ResponseReturnValue:
    """Tell what a living access token says."""
    return json_dump(sync.validate_token(body.token))


@integration.post("/validate-tokens")
@answers(200, TokenResults)
@_for_services
@validate(body=ManyTokens, error=sync.INVALID_TOKEN, max_bytes=BULK_BYTES)
def validate_tokens(body: ManyTokens) -> ResponseReturnValue:
    """Tell of each of several tokens what it says or why it is refused, in the order given."""
    return {"results": [_validated(token) for token in body.tokens]}


@integration.post("/sync-session")
@answers(200, Success)
@_for_services
@validate(body=SyncSession, error=sync.SESSION_NOT_SYNCED)
def sync_session(body: SyncSession) -> ResponseReturnValue:
    """Take over the state of a session."""
    sync.sync_session(body, g.service_name)
    return _SUCCESS


@integration.post("/sync-user")
@answers(200, Success)
@_for_services
@validate(body=SyncUser, error=sync.USER_NOT_SYNCED)
def sync_user(body: SyncUser) -> ResponseReturnValue:
    """Take over the state of an account."""
    sync.sync_user(body)
    return _SUCCESS


@integration.post("/sync-users")
@answers(200, SyncResults)
@_for_services
@validate(body=ManyUsers, error=sync.USER_NOT_SYNCED, max_bytes=BULK_BYTES)
def sync_users(body: ManyUsers) -> ResponseReturnValue:
    """Take over the state of several accounts; `status` is `partial` when some were refused."""
    results = [_synced(item) for item in body.users]
    whole = all(result["status"] == "success" for result in results)
    return {"status": "success" if whole else "partial", "results": results}


@integration.post("/revoke-user-sessions")
@answers(200, Success)
@_for_services
@validate(body=RevokeSessions, error=sync.NOT_REVOKED)
def revoke_user_sessions(body: RevokeSessions) -> ResponseReturnValue:
    """End every session of a user; success means that it is so in both stores."""
    sync.revoke_user_sessions(body)
    return _SUCCESS


@integration.post("/sessions/renew")
@answers(200, Renewed)
@refuses(*SESSION_REASONS, ACCOUNT_INACTIVE)
@_for_gateways
@validate(body=OneToken)
def renew(body: OneToken) -> ResponseReturnValue:
    """Give a new access token for a session whose token nears its end."""
    grant = sessions.renew(body.token)
    return json_dump(
        Renewed(
            access_token=grant.access_token,
            expires_in=grant.expires_in,
            expires_at=grant.expires_at,
            session_id=grant.session_id,
        )
    )


@integration.after_request
def keep_out_of_caches(response: Response) -> Response:
    """Let no cache keep tokens or personal data."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _validated(token: str) -> dict[str, Any]:
    try:
        return {"valid": True, **json_dump(sync.validate_token(token))}
    except ApiError as refusal:
        if refusal.status != 401:  # a store that is away is no wrong token
            raise
        return {"valid": False, **refusal.body(current_request_id())}


def _synced(item: Any) -> dict[str, Any]:
    """Sync one of several accounts, in a transaction of its own."""
    name = item.get("id") if isinstance(item, dict) else None
    try:
        sync.sync_user(_checked(item))
    except ApiError as refusal:
        if refusal.status != 400:  # a store that is away fails the whole request
            raise
        return {"id": name, "status": "error", **refusal.body(current_request_id())}
    return {"id": name, **_SUCCESS}


def _checked(item: Any) -> SyncUser:
    try:
        return SyncUser.model_validate_json(json.dumps(item), strict=True)
    except ValidationError as error:
        try:
            refuse_fields(error)
        except ApiError as refusal:
            refusal.error = sync.USER_NOT_SYNCED
            raise
