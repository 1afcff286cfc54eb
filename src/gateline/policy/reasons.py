"""The stable reasons of every refusal: one word for the body, the log and the metrics.

A reason fixes the HTTP status (RFC 9110, section 15), the short `error` phrase of the standard
body and a default sentence for a person. Code that refuses names a reason; it never invents one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request was refused.

    `code` is stable and machine-readable, `status` the HTTP status, `error` the short phrase of
    the standard body and `message` the default sentence for a person.
    """

    code: str
    status: int
    error: str
    message: str


_REASONS: dict[str, Reason] = {}


def _reason(code: str, status: int, error: str, message: str) -> Reason:
    reason = Reason(code, status, error, message)
    _REASONS[code] = reason
    return reason


BAD_REQUEST: Final = _reason("bad_request", 400, "Bad request", "The request is not valid HTTP.")
VALIDATION_FAILED: Final = _reason(
    "validation_failed", 400, "Validation failed", "Some fields are missing or not valid."
)
MALFORMED_JSON: Final = _reason(
    "malformed_json", 400, "Malformed JSON", "The body is not valid JSON."
)
HOST_NOT_ALLOWED: Final = _reason(
    "host_not_allowed", 400, "Host not allowed", "This server does not answer for that host name."
)
PATH_NOT_ALLOWED: Final = _reason(
    "path_not_allowed",
    400,
    "Path not allowed",
    "The path is not in canonical form: no dot segments, encoded slashes or control characters.",
)
CREDENTIALS_INVALID: Final = _reason(
    "credentials_invalid", 401, "Invalid credentials", "The name or the password is wrong."
)
SESSION_MISSING: Final = _reason(
    "session_missing", 401, "Authentication required", "Log in first: no session was sent."
)
SESSION_INVALID: Final = _reason(
    "session_invalid", 401, "Invalid session", "The session is not known. Log in again."
)
SESSION_EXPIRED: Final = _reason(
    "session_expired", 401, "Session expired", "The session has ended. Log in again."
)
SESSION_REVOKED: Final = _reason(
    "session_revoked", 401, "Session revoked", "The session was ended. Log in again."
)
TOKEN_INVALID: Final = _reason(
    "token_invalid", 401, "Invalid token", "The token is not valid here."
)
TOKEN_EXPIRED: Final = _reason("token_expired", 401, "Invalid token", "The token has expired.")
API_KEY_INVALID: Final = _reason(
    "api_key_invalid", 401, "Invalid API key", "The API key is not valid here."
)
TOKEN_TYPE_WRONG: Final = _reason(
    "token_type_wrong", 401, "Invalid token", "This kind of token is not accepted here."
)
ROLE_MISSING: Final = _reason(
    "role_missing", 403, "Forbidden", "Your kind of account may not do this."
)
CROSS_SITE: Final = _reason(
    "cross_site", 403, "Cross-site request refused", "Another site may not send this request."
)
SOCKET_NOT_ALLOWED: Final = _reason(
    "socket_not_allowed", 403, "WebSocket refused", "This address takes no WebSockets."
)
SERVICE_KEY_INVALID: Final = _reason(
    "service_key_invalid", 403, "Invalid service key", "A valid service key is needed."
)
WRONG_USER_TYPE: Final = _reason(
    "wrong_user_type", 403, "Wrong account type", "This login is for another kind of account."
)
ADDRESS_NOT_ALLOWED: Final = _reason(
    "address_not_allowed", 403, "Address not allowed", "Your address may not ask here."
)
ACCOUNT_INACTIVE: Final = _reason(
    "account_inactive", 403, "Account inactive", "This account is not active."
)
NO_ROUTE: Final = _reason("no_route", 404, "Not found", "No service answers at this address.")
NOT_FOUND: Final = _reason("not_found", 404, "Not found", "There is nothing at this address.")
METHOD_NOT_ALLOWED: Final = _reason(
    "method_not_allowed", 405, "Method not allowed", "This address does not answer that method."
)
NOT_ACCEPTABLE: Final = _reason(
    "not_acceptable", 406, "Not acceptable", "None of the accepted media types is offered."
)
REQUEST_TIMEOUT: Final = _reason(
    "request_timeout", 408, "Request timeout", "The request did not arrive in time."
)
CONFLICT: Final = _reason("conflict", 409, "Conflict", "The request conflicts with what is there.")
LENGTH_REQUIRED: Final = _reason(
    "length_required", 411, "Length required", "Send a Content-Length or a chunked body."
)
PRECONDITION_FAILED: Final = _reason(
    "precondition_failed", 412, "Precondition failed", "It was changed in the meantime."
)
PAYLOAD_TOO_LARGE: Final = _reason(
    "payload_too_large", 413, "Payload too large", "The body is larger than allowed here."
)
UNSUPPORTED_MEDIA_TYPE: Final = _reason(
    "unsupported_media_type",
    415,
    "Unsupported media type",
    "Send the body as application/json.",
)
UPGRADE_REQUIRED: Final = _reason(
    "upgrade_required", 426, "Upgrade required", "Connect with a WebSocket here."
)
LIMIT_SPENT: Final = _reason(
    "limit_spent", 429, "Rate limit exceeded", "Too many requests. Wait before the next one."
)
TOO_MANY_SOCKETS: Final = _reason(
    "too_many_sockets", 429, "Too many sockets", "This client has too many sockets open already."
)
HEADERS_TOO_LARGE: Final = _reason(
    "headers_too_large", 431, "Headers too large", "The request's headers are too large."
)
INTERNAL_ERROR: Final = _reason(
    "internal_error", 500, "Internal server error", "Something went wrong on our side."
)
UPSTREAM_REFUSED: Final = _reason(
    "upstream_refused", 502, "Bad gateway", "The service could not be reached."
)
UPSTREAM_BROKEN: Final = _reason(
    "upstream_broken", 502, "Bad gateway", "The service broke off before its answer was whole."
)
UPSTREAM_INVALID: Final = _reason(
    "upstream_invalid", 502, "Bad gateway", "The service's answer is not valid HTTP."
)
DATABASE_UNAVAILABLE: Final = _reason(
    "database_unavailable", 503, "Service unavailable", "The database cannot be reached just now."
)
SESSION_STORE_UNAVAILABLE: Final = _reason(
    "session_store_unavailable",
    503,
    "Service unavailable",
    "The session store cannot be reached just now.",
)
ISSUER_UNAVAILABLE: Final = _reason(
    "issuer_unavailable",
    503,
    "Service unavailable",
    "The keys of the token's issuer cannot be fetched just now.",
)
UPSTREAM_UNAVAILABLE: Final = _reason(
    "upstream_unavailable", 503, "Service unavailable", "The service is not available just now."
)
OVERLOADED: Final = _reason(
    "overloaded", 503, "Service unavailable", "Too much is going on. Try again in a moment."
)
UPSTREAM_TIMEOUT: Final = _reason(
    "upstream_timeout", 504, "Gateway timeout", "The service did not answer in time."
)
NOT_CACHED: Final = _reason(
    "not_cached", 504, "Not in the cache", "Only a kept answer was asked for, and there is none."
)
CLIENT_CLOSED: Final = _reason(
    "client_closed", 499, "Client closed request", "The client left before the answer."
)

REASONS: Final[Mapping[str, Reason]] = MappingProxyType(_REASONS)
