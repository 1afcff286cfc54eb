"""What payload schemas are made of: the strict base class, paging, and field types.

Bodies are validated strictly (a string is no number); query strings leniently, since there
everything is a string. A `BeforeValidator` of a field must therefore return the field's own type.
"""

import base64
import binascii
import datetime as dt
import json
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    PlainSerializer,
    RootModel,
    WithJsonSchema,
)

from gateline.shared.errors import ValidationFailed

T = TypeVar("T")

PAGE_LIMIT: Final = 100
PAGE_DEFAULT: Final = 20
MAX_ID: Final = 2**63 - 1

_MAX_CURSOR: Final = 1024
_USER_PREFIX: Final = "user_"


class Schema(BaseModel):
    """A payload: unknown fields are refused, surrounding blanks dropped, objects immutable."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        json_schema_serialization_defaults_required=True,
    )


def _user_id(value: object) -> object:
    if isinstance(value, str):
        digits = value.strip().removeprefix(_USER_PREFIX)
        if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_ID)):
            return int(digits)
        raise ValueError("must be a user id: 123 or user_123")
    return value


def _in_utc(value: dt.datetime) -> dt.datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    try:
        return aware.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999") from None


def timestamp_text(value: dt.datetime) -> str:
    """Return a time as RFC 3339 text in UTC, ending in `Z`."""
    return _in_utc(value).isoformat().replace("+00:00", "Z")


def _lower(value: str) -> str:
    return value.lower()


UserId = Annotated[
    int,
    BeforeValidator(_user_id, json_schema_input_type=int | str),
    Field(ge=1, le=MAX_ID, examples=[123]),
]
"""An account's number; input may also be `"123"` or `"user_123"`."""

Timestamp = Annotated[
    dt.datetime,
    AfterValidator(_in_utc),
    PlainSerializer(timestamp_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-15T09:30:00Z"]}),
]
"""A time in UTC; input without a zone counts as UTC, output ends in `Z`."""

EmailAddress = Annotated[
    EmailStr, AfterValidator(_lower), Field(max_length=254, examples=["ana@example.com"])
]
"""An e-mail address in lower case."""


class Page(Schema, Generic[T]):
    """One page of a list; `next_cursor` asks for the following one and is null on the last."""

    items: list[T]
    next_cursor: str | None = None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name a page for what is on it, as readers of the API see it."""
        return f"PageOf{params[0].__name__}"


class JsonObject(RootModel[dict[str, Any]]):
    """Any JSON object."""


class PageQuery(Schema):
    """Which page of a list is wanted."""

    limit: int = Field(PAGE_DEFAULT, ge=1, le=PAGE_LIMIT, description="Most items on the page.")
    cursor: str | None = Field(
        None, max_length=_MAX_CURSOR, description="`next_cursor` of the page before."
    )

    def position(self, *keys: str) -> dict[str, Any] | None:
        """Return what the cursor holds, or None on the first page; see `decode_cursor`."""
        return None if self.cursor is None else decode_cursor(self.cursor, *keys)


def encode_cursor(**position: Any) -> str:
    """Return an opaque cursor holding JSON-able values, such as the last item's sort key."""
    text = json.dumps(position, separators=(",", ":"), sort_keys=True, default=_plain)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *keys: str) -> dict[str, Any]:
    """Return what `encode_cursor` was given; raise ValidationFailed on anything else.

    With `keys`, the cursor must hold exactly these. Values are the client's word: compare with
    them, never trust them.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if not isinstance(position, dict) or (keys and position.keys() != set(keys)):
        raise ValidationFailed(fields={"cursor": ["is not a cursor of this list"]})
    return position


def _plain(value: object) -> str:
    return timestamp_text(value) if isinstance(value, dt.datetime) else str(value)


class ErrorBody(Schema):
    """The body of every error."""

    error: str = Field(description="Short phrase.", examples=["Validation failed"])
    message: str = Field(description="A sentence for a person.")
    details: dict[str, Any] = Field(
        description="Always `reason` (stable, machine-readable) and `request_id`; `fields` maps "
        "field names to what is wrong with them.",
    )


def json_dump(model: BaseModel) -> dict[str, Any]:
    """Return the model as JSON-able values, ready for a Flask view to return."""
    dumped: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return dumped
