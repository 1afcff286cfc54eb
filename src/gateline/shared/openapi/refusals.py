"""Errors in a document: which reasons an operation may be refused for, as shared responses.

One response stands for one set of reasons with the same status; its key names them, so that the
documents of several services can be put together without a clash.
"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateline.policy import reasons
from gateline.policy.reasons import Reason
from gateline.shared.declarations import HTML, JSON
from gateline.shared.openapi.components import ERROR, REF

RESPONSES: Final = "#/components/responses/"
REASONS: Final = "x-reasons"
_PAGE: Final = "page"

BODY: Final = (
    reasons.BAD_REQUEST,
    reasons.VALIDATION_FAILED,
    reasons.MALFORMED_JSON,
    reasons.PAYLOAD_TOO_LARGE,
    reasons.UNSUPPORTED_MEDIA_TYPE,
)
FORM: Final = (reasons.BAD_REQUEST, reasons.VALIDATION_FAILED, reasons.PAYLOAD_TOO_LARGE)
ALWAYS: Final = (
    reasons.HOST_NOT_ALLOWED,
    reasons.INTERNAL_ERROR,
    reasons.DATABASE_UNAVAILABLE,
    reasons.SESSION_STORE_UNAVAILABLE,
    reasons.OVERLOADED,
)

_HEADERS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        401: ("WWW-Authenticate",),
        405: ("Allow",),
        429: ("Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
        503: ("Retry-After",),
    }
)

HEADERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "X-Request-ID": {
            "description": "The id of this request in every log.",
            "schema": {"type": "string"},
        },
        "WWW-Authenticate": {
            "description": "How to prove who one is.",
            "schema": {"type": "string", "examples": ["Bearer"]},
        },
        "Allow": {
            "description": "The methods that the address answers.",
            "schema": {"type": "string", "examples": ["GET, HEAD, OPTIONS"]},
        },
        "Retry-After": {
            "description": "Seconds to wait.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "X-RateLimit-Limit": {
            "description": "Requests that are allowed in the window.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "X-RateLimit-Remaining": {
            "description": "Requests that are left.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "X-RateLimit-Reset": {
            "description": "When all are there again, in seconds since the epoch.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
    }
)
"""Headers of answers, for `components.headers`."""


def header_ref(name: str) -> dict[str, str]:
    """Return the reference to one of `HEADERS`."""
    return {"$ref": f"#/components/headers/{name}"}


def by_status(found: Iterable[Reason]) -> dict[int, list[Reason]]:
    """Return reasons by their status, each once, in the order of `REASONS`."""
    wanted = {reason.code for reason in found}
    grouped: dict[int, list[Reason]] = {}
    for reason in reasons.REASONS.values():
        if reason.code in wanted:
            grouped.setdefault(reason.status, []).append(reason)
    return dict(sorted(grouped.items()))


def refusal_responses(
    found: Iterable[Reason], responses: dict[str, Any], *, as_page: bool = False
) -> dict[str, Any]:
    """Return what an operation says of its refusals, by status; fill `responses` as needed.

    With `as_page`, those who ask for text/html get a page that says the same.
    """
    said: dict[str, Any] = {}
    for status, several in by_status(found).items():
        key = ".".join([reason.code for reason in several] + ([_PAGE] if as_page else []))
        responses.setdefault(key, _response(status, several, as_page=as_page))
        said[str(status)] = {"$ref": f"{RESPONSES}{key}"}
    return said


def reasons_of(said: Mapping[str, Any], responses: Mapping[str, Any]) -> tuple[list[Reason], bool]:
    """Return the reasons of an operation's refusals, and whether they come as pages as well."""
    codes: list[str] = []
    as_page = False
    for one in said.values():
        key = one.get("$ref", "").removeprefix(RESPONSES)
        codes += responses.get(key, {}).get(REASONS, ())
        as_page = as_page or key.endswith(f".{_PAGE}")
    return [reasons.REASONS[code] for code in codes if code in reasons.REASONS], as_page


def _response(status: int, several: Collection[Reason], *, as_page: bool) -> dict[str, Any]:
    names = ("X-Request-ID", *_HEADERS.get(status, ()))
    codes = [reason.code for reason in several]
    content: dict[str, Any] = {
        JSON: {
            "schema": _schema(codes),
            "examples": {reason.code: {"value": _example(reason)} for reason in several},
        }
    }
    if as_page:
        content[HTML] = {"schema": {"type": "string"}}
    return {
        "description": "\n".join(f"* `{one.code}`: {one.message}" for one in several),
        "headers": {name: header_ref(name) for name in names},
        "content": content,
        REASONS: codes,
    }


def _schema(codes: Collection[str]) -> dict[str, Any]:
    details = {"type": "object", "properties": {"reason": {"enum": list(codes)}}}
    return {
        "allOf": [
            {"$ref": f"{REF}{ERROR}"},
            {"type": "object", "properties": {"details": details}},
        ]
    }


def _example(reason: Reason) -> dict[str, Any]:
    details: dict[str, Any] = {"reason": reason.code, "request_id": "5f2b8c1d9e3a4f60"}
    if reason is reasons.VALIDATION_FAILED:
        details["fields"] = {"email": ["is required"]}
    return {"error": reason.error, "message": reason.message, "details": details}
