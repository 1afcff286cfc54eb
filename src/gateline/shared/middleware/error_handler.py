"""Every error that leaves a service goes through here: one body, no detail of a crash.

What is written to the client is a stable reason, a sentence and the request id. Tracebacks go to
the log only. HTML is never sent; an app with pages registers its own handlers for them.
"""

import logging
from http import HTTPStatus
from typing import Final

import psycopg.errors
import redis.exceptions
from flask import Flask, Response, g, jsonify
from sqlalchemy import exc as sqlalchemy_errors
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from gateline.policy import reasons
from gateline.policy.reasons import Reason
from gateline.shared.errors import (
    ApiError,
    DatabaseUnavailable,
    InternalError,
    Overloaded,
    SessionStoreUnavailable,
)
from gateline.shared.middleware.request_context import current_request_id

_log: Final = logging.getLogger(__name__)

RETRY_AFTER: Final = {"Retry-After": "1"}

_BY_STATUS: Final[dict[int, Reason]] = {
    400: reasons.BAD_REQUEST,
    401: reasons.SESSION_MISSING,
    403: reasons.ROLE_MISSING,
    404: reasons.NOT_FOUND,
    405: reasons.METHOD_NOT_ALLOWED,
    406: reasons.NOT_ACCEPTABLE,
    409: reasons.CONFLICT,
    411: reasons.LENGTH_REQUIRED,
    412: reasons.PRECONDITION_FAILED,
    413: reasons.PAYLOAD_TOO_LARGE,
    415: reasons.UNSUPPORTED_MEDIA_TYPE,
    429: reasons.LIMIT_SPENT,
    431: reasons.HEADERS_TOO_LARGE,
    500: reasons.INTERNAL_ERROR,
    502: reasons.UPSTREAM_REFUSED,
    503: reasons.OVERLOADED,
    504: reasons.UPSTREAM_TIMEOUT,
}
# What comes right by trying again, in PostgreSQL's words.
_CONTENTION: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
)
# Also a store that answers but cannot do its work just now.
_STORE_AWAY: Final = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
)


def init_error_handlers(app: Flask) -> None:
    """Answer every error of the app with the standard body."""
    app.register_error_handler(ApiError, render)
    app.register_error_handler(HTTPException, _from_werkzeug)
    app.register_error_handler(Exception, _from_exception)


def render(error: ApiError) -> Response:
    """Return the answer to an error, in JSON."""
    g.reason = error.reason.code
    response = jsonify(error.body(current_request_id()))
    response.status_code = error.status
    response.headers.update(error.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def as_api_error(error: Exception) -> ApiError:
    """Return what the client is told about any exception; log those that are our fault."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error)
    known = _of_storage(error)
    if known is not None:
        _log.warning("%s: %s", known.reason.code, _first_line(error))
        return known
    _log.error("request crashed", exc_info=error)
    return InternalError()


def _from_werkzeug(error: HTTPException) -> Response | HTTPException:
    if error.response is not None or (error.code or 500) < HTTPStatus.BAD_REQUEST:
        return error
    return render(as_api_error(error))


def _from_exception(error: Exception) -> Response:
    return render(as_api_error(error))


def _of_http(error: HTTPException) -> ApiError:
    original = getattr(error, "original_exception", None)
    if isinstance(original, Exception):
        return as_api_error(original)
    status = error.code or 500
    reason = _BY_STATUS.get(status) or _unlisted(status, error.name)
    return ApiError(reason=reason, headers=_kept_headers(error))


def _unlisted(status: int, name: str) -> Reason:
    nearest = (
        reasons.INTERNAL_ERROR
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else reasons.BAD_REQUEST
    )
    return Reason(nearest.code, status, name, nearest.message)


def _kept_headers(error: HTTPException) -> dict[str, str]:
    headers = dict(error.get_headers())
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return {
        name: headers[name]
        for name in ("Allow", "Retry-After", "WWW-Authenticate")
        if name in headers
    }


def _of_storage(error: Exception) -> ApiError | None:
    if isinstance(error, sqlalchemy_errors.DBAPIError):
        if isinstance(error.orig, _CONTENTION):
            return Overloaded(headers=RETRY_AFTER)
        lost = isinstance(
            error, (sqlalchemy_errors.OperationalError, sqlalchemy_errors.InterfaceError)
        )
        if lost or error.connection_invalidated:
            return DatabaseUnavailable(headers=RETRY_AFTER)
    if isinstance(error, sqlalchemy_errors.TimeoutError):
        return Overloaded(headers=RETRY_AFTER)
    if isinstance(error, _STORE_AWAY):
        return SessionStoreUnavailable(headers=RETRY_AFTER)
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
