"""What the clinic's views answer, said once for each kind of view."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from gateline.policy.reasons import ACCOUNT_INACTIVE, CONFLICT, ROLE_MISSING
from gateline.shared.declarations import (
    ETAG,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    LOCATION,
    REPLAYED,
    answers,
    refuses,
    takes,
)
from gateline.shared.schemas.base import Page, Schema

View = TypeVar("View", bound=Callable[..., Any])

# Somebody whose row was deleted has no part in the clinic any more.
_BY_VIEWER: Final = (refuses(ACCOUNT_INACTIVE),)
_FIELDS: Final = (*_BY_VIEWER, refuses(CONFLICT, ROLE_MISSING))


def shows(schema: type[Schema]) -> Callable[[View], View]:
    """Say that a view shows something that has no ETag."""
    return _each(answers(200, schema), *_BY_VIEWER)


def shows_row(schema: type[Schema]) -> Callable[[View], View]:
    """Say that a view shows a row."""
    return _each(answers(200, schema, headers=(ETAG,)), *_BY_VIEWER)


def lists(schema: type[Schema]) -> Callable[[View], View]:
    """Say that a view shows a page of rows."""
    return shows(Page[schema])  # type: ignore[valid-type] # made at run time, as Pydantic does


def creates(schema: type[Schema]) -> Callable[[View], View]:
    """Say that a view creates a row, once for each Idempotency-Key."""
    made = answers(201, schema, headers=(LOCATION, ETAG, REPLAYED))
    return _each(made, takes(IDEMPOTENCY_KEY), *_FIELDS)


def changes(schema: type[Schema]) -> Callable[[View], View]:
    """Say that a view changes a row and shows it."""
    return _each(shows_row(schema), takes(IF_MATCH), *_FIELDS)


def removes(view: View) -> View:
    """Say that a view deletes a row."""
    done = answers(204, description="It is deleted.")
    return _each(done, takes(IF_MATCH), refuses(CONFLICT), *_BY_VIEWER)(view)


def _each(*notes: Callable[[Any], Any]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        for write in notes:
            write(view)
        return view

    return decorate
