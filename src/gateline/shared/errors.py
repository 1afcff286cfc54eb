"""The errors that a service answers with, and the one body in which every error is written.

Raise one of these anywhere below a view; `middleware.error_handler` renders it. Each class carries
a default reason (`gateline.policy.reasons`), which fixes status, `error` phrase and message.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gateline.policy import reasons
from gateline.policy.reasons import Reason


def error_body(
    reason: Reason,
    *,
    request_id: str,
    message: str | None = None,
    error: str | None = None,
    **details: Any,
) -> dict[str, Any]:
    """Return the standard body: `error`, `message` and `details` with reason and request id.

    Further keywords are added to the details.
    """
    refusal = ApiError(message, reason=reason, error=error, details=details)
    return refusal.body(request_id)


class ApiError(Exception):
    """A refusal or failure that the client is told about.

    `message` is a sentence for a person and never holds a secret; `error` replaces the reason's
    short phrase where a document prescribes another; `fields` maps field names to what is wrong
    with them; `details` and `headers` are added to the answer as they are.
    """

    default_reason: ClassVar[Reason] = reasons.BAD_REQUEST

    def __init__(
        self,
        message: str | None = None,
        *,
        reason: Reason | None = None,
        details: Mapping[str, Any] | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        error: str | None = None,
    ) -> None:
        self.reason = reason or self.default_reason
        self.message = message or self.reason.message
        self.error = error or self.reason.error
        self.details = dict(details or {})
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}
        self.headers = dict(headers or {})
        super().__init__(self.message)

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.reason.status

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the standard error body."""
        details = {**self.details, **({"fields": self.fields} if self.fields else {})}
        return {
            "error": self.error,
            "message": self.message,
            "details": {**details, "reason": self.reason.code, "request_id": request_id},
        }


class BadRequest(ApiError):
    """The request is not valid."""


class ValidationFailed(ApiError):
    """Fields are missing, unknown, oversized or wrongly typed; `fields` names each."""

    default_reason = reasons.VALIDATION_FAILED


class MalformedJson(ApiError):
    """The body is not valid JSON."""

    default_reason = reasons.MALFORMED_JSON


class HostNotAllowed(ApiError):
    """The Host header names a host that is not served."""

    default_reason = reasons.HOST_NOT_ALLOWED


class Unauthorized(ApiError):
    """There is no valid session or credential."""

    default_reason = reasons.SESSION_MISSING


class Forbidden(ApiError):
    """The caller is known and may not."""

    default_reason = reasons.ROLE_MISSING


class NotFound(ApiError):
    """There is nothing at this address, or nothing the caller may see."""

    default_reason = reasons.NOT_FOUND


class MethodNotAllowed(ApiError):
    """The address does not answer that method; pass an `Allow` header."""

    default_reason = reasons.METHOD_NOT_ALLOWED


class NotAcceptable(ApiError):
    """No representation that the client accepts is offered."""

    default_reason = reasons.NOT_ACCEPTABLE


class Conflict(ApiError):
    """The request conflicts with what is there."""

    default_reason = reasons.CONFLICT


class PreconditionFailed(ApiError):
    """The resource was changed in the meantime."""

    default_reason = reasons.PRECONDITION_FAILED


class PayloadTooLarge(ApiError):
    """The body is larger than allowed."""

    default_reason = reasons.PAYLOAD_TOO_LARGE


class UnsupportedMediaType(ApiError):
    """The body's content type is not one that is read here."""

    default_reason = reasons.UNSUPPORTED_MEDIA_TYPE


class TooManyRequests(ApiError):
    """A rate limit is spent; pass the limit's headers."""

    default_reason = reasons.LIMIT_SPENT


class InternalError(ApiError):
    """Something went wrong on our side; the client learns the request id and nothing else."""

    default_reason = reasons.INTERNAL_ERROR


class BadGateway(ApiError):
    """An upstream could not be reached or answered rubbish."""

    default_reason = reasons.UPSTREAM_REFUSED


class GatewayTimeout(ApiError):
    """An upstream did not answer in time."""

    default_reason = reasons.UPSTREAM_TIMEOUT


class Unavailable(ApiError):
    """Something that is needed is away just now; trying again later is right."""

    default_reason = reasons.UPSTREAM_UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached."""

    default_reason = reasons.DATABASE_UNAVAILABLE


class SessionStoreUnavailable(Unavailable):
    """Valkey cannot be reached."""

    default_reason = reasons.SESSION_STORE_UNAVAILABLE


class Overloaded(Unavailable):
    """Too much is going on."""

    default_reason = reasons.OVERLOADED
