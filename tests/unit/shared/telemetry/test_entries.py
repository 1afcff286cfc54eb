"""Entries of the log stream, and which of them a query takes."""

import pytest

from gateline.shared.telemetry.entries import LogQuery, encode, iso, level_rank

ENTRY = {
    "at": "2026-01-02T03:04:05.678Z",
    "service": "auth",
    "level": "warning",
    "logger": "gateline.auth",
    "message": "An Account was locked",
    "path": "/api/auth/login",
    "request_id": "abcdefgh",
}


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        (LogQuery(), True),
        (LogQuery(service="auth"), True),
        (LogQuery(service="web"), False),
        (LogQuery(level="info"), True),
        (LogQuery(level="warning"), True),
        (LogQuery(level="error"), False),
        (LogQuery(text="account WAS"), True),
        (LogQuery(text="/auth/LOGIN"), True),
        (LogQuery(text="nothing of the kind"), False),
        (LogQuery(request_id="abcdefgh"), True),
        (LogQuery(request_id="abcdefg"), False),
        (LogQuery(since=1767323045.0), True),
        (LogQuery(since=1767323046.0), False),
        (LogQuery(service="auth", text="locked", level="error"), False),
    ],
)
def test_a_query_takes_what_fits_every_field(query: LogQuery, taken: bool) -> None:
    """Every field of a query that is not empty must fit."""
    assert query.takes(ENTRY) is taken


def test_times_are_utc_to_the_millisecond() -> None:
    """Epoch seconds are written in UTC with three decimals and a Z."""
    assert iso(1767323045.6789) == "2026-01-02T03:04:05.678Z"
    assert iso(1767323045) == "2026-01-02T03:04:05.000Z"


def test_an_unknown_level_counts_as_info() -> None:
    """Levels of other libraries do not hide an entry from those who want info."""
    assert level_rank("notice") == level_rank("info") < level_rank("warning")


def test_entries_are_one_line_of_json() -> None:
    """Line breaks and other scripts stay within one line of JSON."""
    assert encode({"message": "a\nñ"}) == '{"message":"a\\nñ"}'
