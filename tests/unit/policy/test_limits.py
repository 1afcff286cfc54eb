"""Rate limits never admit more than they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.limits import Limit, limit_headers, sliding_log


@pytest.mark.parametrize(
    ("text", "requests", "seconds"),
    [("100/minute", 100, 60), ("5/second", 5, 1), (" 10 / hour ", 10, 3600), ("1/day", 1, 86400)],
)
def test_parse(text: str, requests: int, seconds: int) -> None:
    """A limit is written as a number per unit of time."""
    assert Limit.parse(text) == Limit(requests, seconds)


@pytest.mark.parametrize("text", ["", "100", "100/fortnight", "0/minute", "-1/minute", "x/minute"])
def test_parse_refuses(text: str) -> None:
    """Anything else is refused with what would be right."""
    with pytest.raises(ValueError, match="100/minute"):
        Limit.parse(text)


def test_counts_down_then_refuses() -> None:
    """The last of the limit passes, the next is told how long to wait."""
    limit = Limit(2, 60)
    first = sliding_log(limit, [], 1000.0)
    assert (first.allowed, first.remaining, first.reset_at) == (True, 1, 1060)
    second = sliding_log(limit, [1000.0], 1010.0)
    assert (second.allowed, second.remaining) == (True, 0)
    third = sliding_log(limit, [1000.0, 1010.0], 1020.0)
    assert (third.allowed, third.remaining, third.retry_after) == (False, 0, 40)
    assert limit_headers(third) == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1070",
        "Retry-After": "40",
    }


def test_allowed_answers_carry_no_retry_after() -> None:
    """Retry-After belongs to refusals."""
    assert "Retry-After" not in limit_headers(sliding_log(Limit(2, 60), [], 0.0))


@given(
    requests=st.integers(1, 5),
    gaps=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_the_limit(requests: int, gaps: list[float]) -> None:
    """In no window of the limit's length, wherever it starts, are more admitted."""
    limit = Limit(requests, 10)
    admitted: list[float] = []
    now = 1000.0
    for gap in gaps:
        now += gap
        if sliding_log(limit, admitted, now).allowed:
            admitted.append(now)
    for start in admitted:
        assert sum(1 for stamp in admitted if start <= stamp < start + 10) <= requests
