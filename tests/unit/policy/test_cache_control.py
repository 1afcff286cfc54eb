"""Reading what caches are told."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.cache_control import (
    MOST_SECONDS,
    directives,
    first,
    http_date,
    is_unchanged,
    seconds,
)

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = b"Sun, 06 Nov 1994 08:49:36 GMT"
LATER = b"Sun, 06 Nov 1994 08:49:38 GMT"


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the machine into another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], {}),
        ([b"no-store"], {"no-store": None}),
        ([b"Max-Age=60, PUBLIC"], {"max-age": "60", "public": None}),
        ([b"max-age=60", b"public"], {"max-age": "60", "public": None}),
        ([b'max-age="60"'], {"max-age": "60"}),
        ([b"max-age=60, max-age=5"], {"max-age": "60"}),
        ([b'private="a, b", max-age=1'], {"private": "a, b", "max-age": "1"}),
        (
            [rb'max-age=60, ext="a\"", no-store'],
            {"max-age": "60", "ext": "a\\", "no-store": None},
        ),
        ([rb"ext=\, private"], {"ext": "\\", "private": None}),
        ([b'ext="a, private', b"public"], {"ext": "a, private,public", "no-store": None}),
        ([b" , ,=, max-age = 7 ,"], {"max-age": "7"}),
    ],
)
def test_directives_of_all_lines_count(lines: list[bytes], expected: dict[str, str | None]) -> None:
    """Names in any case, values quoted or not, the first of several (RFC 9111, section 5.2)."""
    assert directives([(b"cache-control", line) for line in lines]) == expected


@given(st.lists(st.binary(max_size=30), max_size=3))
def test_no_line_is_too_strange(lines: list[bytes]) -> None:
    """Whatever stands there, it is read without a failure."""
    found = directives([(b"cache-control", line) for line in lines])
    for name in found:
        assert 0 <= (seconds(found, name) or 0) <= MOST_SECONDS


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5", 5.0), ("0", 0.0), ("-5", 0.0), ("soon", 0.0), ("", 0.0), (None, 0.0), ("1.5", 0.0)],
)
def test_seconds_that_make_no_sense_are_none(value: str | None, expected: float) -> None:
    """A life time that cannot be read is at its end (RFC 9111, section 4.2.1)."""
    assert seconds({"max-age": value}, "max-age") == expected


def test_very_many_seconds_are_enough() -> None:
    """A number beyond 2^31 means 2^31; without the directive there is no number."""
    assert seconds({"max-age": "9" * 40}, "max-age") == MOST_SECONDS
    assert seconds({}, "max-age") is None


@pytest.mark.parametrize(
    "text", [DATE, b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_dates_are_read_in_all_three_forms(text: bytes, far_away: None) -> None:
    """The obsolete forms still count, and wherever we are it is UTC (RFC 9110, section 5.6.7)."""
    assert http_date(text) == 784111777


@pytest.mark.parametrize("text", [b"0", b"-1", b"", b"\xff", b"never", None])
def test_what_is_no_date_is_none(text: bytes | None) -> None:
    """Expires: 0 is no date, which means in the past to who asks."""
    assert http_date(text) is None


@pytest.mark.parametrize(
    ("fields", "etag", "modified", "expected"),
    [
        ({b"if-none-match": b'"a"'}, b'"a"', None, True),
        ({b"if-none-match": b'W/"a"'}, b'"a"', None, True),
        ({b"if-none-match": b'"a"'}, b'W/"a"', None, True),
        ({b"if-none-match": b'"x", "a"'}, b'"a"', None, True),
        ({b"if-none-match": b'"a,b"'}, b'"a,b"', None, True),
        ({b"if-none-match": b'"x", W/"a,b"'}, b'"a,b"', None, True),
        ({b"if-none-match": b'"a,b"'}, b'"b"', None, False),
        ({b"if-none-match": b'"a, b"'}, b'"a,b"', None, False),
        ({b"if-none-match": b"a, b"}, b"b", None, True),
        ({b"if-none-match": b"*"}, None, None, True),
        ({b"if-none-match": b'"b"'}, b'"a"', None, False),
        ({b"if-none-match": b'"b"', b"if-modified-since": LATER}, b'"a"', DATE, False),
        ({b"if-modified-since": DATE}, None, DATE, True),
        ({b"if-modified-since": LATER}, None, DATE, True),
        ({b"if-modified-since": EARLIER}, None, DATE, False),
        ({b"if-modified-since": b"x"}, None, DATE, False),
        ({b"if-modified-since": DATE}, b'"a"', None, False),
        ({}, b'"a"', DATE, False),
    ],
)
def test_who_has_it_already_is_told_so(
    fields: dict[bytes, bytes], etag: bytes | None, modified: bytes | None, expected: bool
) -> None:
    """Tags go before dates and are compared weakly (RFC 9110, section 13.2.2)."""
    assert is_unchanged(fields, etag, modified) is expected


def test_the_first_header_of_a_name_is_found() -> None:
    """Others of the same name do not count."""
    assert first([(b"a", b"1"), (b"b", b"2"), (b"b", b"3")], b"b") == b"2"
    assert first([], b"b") is None
