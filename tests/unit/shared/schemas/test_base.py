"""Field types, paging and cursors."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateline.shared.errors import ValidationFailed
from gateline.shared.schemas.base import (
    EmailAddress,
    Page,
    PageQuery,
    Schema,
    Timestamp,
    UserId,
    decode_cursor,
    encode_cursor,
    json_dump,
    timestamp_text,
)


class Event(Schema):
    """A payload with one of each."""

    user_id: UserId
    email: EmailAddress
    at: Timestamp


@pytest.mark.parametrize("given_id", [123, "123", "user_123", " user_123 "])
def test_a_user_id_is_accepted_in_every_documented_form(given_id: object) -> None:
    """Number, numeric string and `user_123` mean the same account."""
    assert TypeAdapter(UserId).validate_python(given_id) == 123


@pytest.mark.parametrize(
    "given_id", [0, -1, "user_", "user_1x", "order_1", "\u0661", "9" * 30, 2**63, True, 1.5]
)
def test_anything_else_is_no_user_id(given_id: object) -> None:
    """Other prefixes, other digits and numbers that PostgreSQL cannot hold are refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(UserId).validate_python(given_id, strict=True)


def test_times_are_shown_in_utc() -> None:
    """Every offset becomes UTC and ends in Z; no zone counts as UTC."""
    event = Event.model_validate(
        {"user_id": 1, "email": "a@example.com", "at": "2024-01-01T01:00:00+01:00"}
    )
    assert json_dump(event)["at"] == "2024-01-01T00:00:00Z"
    naive = dt.datetime(2024, 1, 1)  # noqa: DTZ001 # the point of the test
    assert timestamp_text(naive) == "2024-01-01T00:00:00Z"


def test_a_time_outside_the_calendar_is_refused() -> None:
    """A time that UTC cannot express is a wrong field, not a crash."""
    with pytest.raises(ValidationError):
        TypeAdapter(Timestamp).validate_python("0001-01-01T00:00:00+23:00")


def test_addresses_are_lower_cased() -> None:
    """One mailbox is one account, however it is typed."""
    assert TypeAdapter(EmailAddress).validate_python("Ana@Example.COM") == "ana@example.com"


def test_unknown_fields_are_refused() -> None:
    """A misspelt field does not pass silently."""
    with pytest.raises(ValidationError):
        Event.model_validate({"user_id": 1, "email": "a@example.com", "at": "2024-01-01", "x": 1})


def test_a_page_names_its_items_and_the_next_cursor() -> None:
    """The last page's cursor is null, not absent."""
    assert json_dump(Page[int](items=[1, 2])) == {"items": [1, 2], "next_cursor": None}


@pytest.mark.parametrize("limit", [0, 101, "x"])
def test_a_page_holds_one_to_a_hundred_items(limit: object) -> None:
    """Other limits are refused."""
    with pytest.raises(ValidationError):
        PageQuery.model_validate({"limit": limit})


def test_a_cursor_gives_back_what_it_was_given() -> None:
    """Sort keys survive, times as text."""
    cursor = encode_cursor(id=7, at=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    assert decode_cursor(cursor, "id", "at") == {"id": 7, "at": "2024-01-01T00:00:00Z"}
    assert PageQuery(cursor=cursor).position("id", "at") == {"id": 7, "at": "2024-01-01T00:00:00Z"}
    assert PageQuery().position("id") is None


@given(st.text())
def test_a_made_up_cursor_is_a_wrong_field(cursor: str) -> None:
    """Whatever is sent as a cursor, the answer is never a crash."""
    with pytest.raises(ValidationFailed) as caught:
        decode_cursor(cursor, "id")
    assert "cursor" in caught.value.fields


def test_a_cursor_of_another_list_is_refused() -> None:
    """The keys must be those of this list."""
    with pytest.raises(ValidationFailed):
        decode_cursor(encode_cursor(name="x"), "id")
