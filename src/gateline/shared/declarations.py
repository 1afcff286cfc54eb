"""What decorators note on a view for whoever describes it: who may call, what it reads and answers.

Nothing here changes what a view does. `@answers`, `@refuses` and `@takes` say what cannot be read
off the other decorators; `declared` gives everything that was noted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel

from gateline.policy.reasons import (
    SESSION_EXPIRED,
    SESSION_INVALID,
    SESSION_MISSING,
    SESSION_REVOKED,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKEN_TYPE_WRONG,
    UPSTREAM_BROKEN,
    UPSTREAM_INVALID,
    UPSTREAM_REFUSED,
    UPSTREAM_TIMEOUT,
    UPSTREAM_UNAVAILABLE,
    Reason,
)

View = TypeVar("View", bound=Callable[..., Any])
Model = type[BaseModel]

JSON: Final = "application/json"
HTML: Final = "text/html"
FORM: Final = "application/x-www-form-urlencoded"

SESSION_REASONS: Final = (
    SESSION_MISSING,
    SESSION_INVALID,
    SESSION_EXPIRED,
    SESSION_REVOKED,
    TOKEN_INVALID,
    TOKEN_EXPIRED,
    TOKEN_TYPE_WRONG,
)
"""Why a session or token may be refused."""

UPSTREAM_FAILURES: Final = (
    UPSTREAM_REFUSED,
    UPSTREAM_BROKEN,
    UPSTREAM_INVALID,
    UPSTREAM_UNAVAILABLE,
    UPSTREAM_TIMEOUT,
)
"""What a view may answer that asks another service on the way."""

_ATTRIBUTE: Final = "declared"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a view: `session` must be known, `optional` may be, `service` has a key.

    Empty `user_types` mean any.
    """

    kind: Literal["session", "optional", "service"]
    user_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that a view reads, or one that an answer carries."""

    name: str
    description: str
    pattern: str | None = None
    example: str | None = None


IDEMPOTENCY_KEY: Final = Header(
    "Idempotency-Key",
    "A create is done once for each key and user; the same key and body get the first answer again "
    "for 24 hours.",
    pattern=r"^[\x21-\x7e]{1,255}$",
)
IF_MATCH: Final = Header(
    "If-Match",
    "Do it only when the row still has this ETag (RFC 9110, section 13.1.1).",
    example='"1-1"',
)
ETAG: Final = Header("ETag", "Changes with every change of the row; see `If-Match`.")
LOCATION: Final = Header("Location", "Where what was made is found.")
REPLAYED: Final = Header(
    "Idempotency-Replayed", "`true` when this is the kept answer to an earlier request."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no error: status, body (none without a schema or a media type)."""

    status: int
    schema: Model | None = None
    description: str = ""
    media_type: str | None = JSON
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that was noted on a view."""

    access: Access | None = None
    answers: tuple[Answer, ...] = ()
    refusals: tuple[Reason, ...] = ()
    body: Model | None = None
    body_type: str = JSON
    body_required: bool = True
    query: Model | None = None
    headers: tuple[Header, ...] = ()
    unlisted: str = field(default="")


def declared(view: Callable[..., Any]) -> Declared:
    """Return what was noted on a view, directly or below the decorators around it."""
    found = getattr(view, _ATTRIBUTE, None)
    return found if isinstance(found, Declared) else Declared()


def note(view: View, **changes: Any) -> View:
    """Note more on a view and return it."""
    setattr(view, _ATTRIBUTE, replace(declared(view), **changes))
    return view


def answers(
    status: int,
    schema: Model | None = None,
    description: str = "",
    *,
    media_type: str | None = JSON,
    headers: tuple[Header, ...] = (),
) -> Callable[[View], View]:
    """Note one answer of a view; without a schema it has no JSON body.

    Put it once for each status, below the route.
    """
    if schema is None and media_type == JSON:
        media_type = None
    answer = Answer(status, schema, description, media_type, headers)

    def decorate(view: View) -> View:
        return note(view, answers=(answer, *declared(view).answers))

    return decorate


def refuses(*reasons: Reason) -> Callable[[View], View]:
    """Note reasons for which a view itself refuses, besides those of its decorators."""

    def decorate(view: View) -> View:
        return note(view, refusals=(*declared(view).refusals, *reasons))

    return decorate


def takes(
    *headers: Header,
    body: Model | None = None,
    form: Model | None = None,
    query: Model | None = None,
) -> Callable[[View], View]:
    """Note what a view reads without `@validate`: headers, an optional body, a form, a query."""

    def decorate(view: View) -> View:
        changes: dict[str, Any] = {"headers": (*declared(view).headers, *headers)}
        if query is not None:
            changes["query"] = query
        if body is not None or form is not None:
            changes |= {
                "body": form or body,
                "body_type": FORM if form else JSON,
                "body_required": form is not None,
            }
        return note(view, **changes)

    return decorate


def unlisted(why: str) -> Callable[[View], View]:
    """Leave a view out of the service's description, for a reason."""

    def decorate(view: View) -> View:
        return note(view, unlisted=why)

    return decorate
