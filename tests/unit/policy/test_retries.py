"""What is sent again, and when."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.retries import (
    Outcome,
    RetryPolicy,
    is_repeatable,
    next_delay,
    retry_after_seconds,
)

POLICY = RetryPolicy(attempts=3, base=1.0, cap=8.0)


def _delay(outcome: Outcome, **given_values: object) -> float | None:
    values: dict[str, object] = {
        "attempt": 1,
        "repeatable": True,
        "status": None,
        "retry_after": None,
        "remaining": 10.0,
        "random": 0.5,
    }
    return next_delay(POLICY, outcome=outcome, **(values | given_values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "key", "expected"),
    [
        ("GET", False, True),
        ("HEAD", False, True),
        ("OPTIONS", False, True),
        ("POST", False, False),
        ("PUT", False, False),
        ("DELETE", False, False),
        ("POST", True, True),
    ],
)
def test_repeatable(method: str, key: bool, expected: bool) -> None:
    """Safe methods and requests with an Idempotency-Key may be sent again."""
    assert is_repeatable(method, key) is expected


def test_backoff_doubles_under_full_jitter() -> None:
    """The wait is drawn under a ceiling that doubles from one second."""
    assert _delay(Outcome.LOST, random=0.5) == 0.5
    assert _delay(Outcome.LOST, attempt=2, random=0.5) == 1.0
    assert _delay(Outcome.LOST, random=0.0) == 0.0


def test_attempts_are_counted_out() -> None:
    """After the last attempt there is no other."""
    assert _delay(Outcome.CONNECT_FAILED, attempt=3) is None


def test_connect_failures_repeat_every_method() -> None:
    """A request of which no byte was written may always try again."""
    assert _delay(Outcome.CONNECT_FAILED, repeatable=False) is not None


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.TIMED_OUT, Outcome.STATUS])
def test_an_unsafe_request_is_never_sent_twice(outcome: Outcome) -> None:
    """A request whose bytes may have arrived is repeated only if it is safe."""
    assert _delay(outcome, repeatable=False, status=503) is None


def test_statuses() -> None:
    """Only listed statuses are worth another attempt."""
    assert _delay(Outcome.STATUS, status=503) is not None
    assert _delay(Outcome.STATUS, status=500) is None


def test_retry_after_is_the_least_wait() -> None:
    """An upstream that asks for time gets it, if the deadline allows."""
    assert _delay(Outcome.STATUS, status=503, retry_after=3.0) == 3.0
    assert _delay(Outcome.STATUS, status=503, retry_after=30.0) is None


@given(
    attempt=st.integers(1, 5),
    remaining=st.floats(-5, 20),
    random=st.floats(0, 1, exclude_max=True),
    outcome=st.sampled_from(Outcome),
)
def test_a_wait_never_reaches_the_deadline(
    attempt: int, remaining: float, random: float, outcome: Outcome
) -> None:
    """Whatever happens, the wait ends before the deadline."""
    delay = _delay(outcome, attempt=attempt, remaining=remaining, random=random, status=503)
    assert delay is None or 0 <= delay < remaining


def test_an_answer_is_worth_more_than_a_time_out() -> None:
    """After a slow 503 nothing is tried that would reach the deadline by taking as long again."""
    slow = {"status": 503, "took": 6.0, "remaining": 4.0, "random": 0.0}
    assert _delay(Outcome.STATUS, **slow) is None
    assert _delay(Outcome.STATUS, **{**slow, "took": 3.0}) == 0.0
    assert _delay(Outcome.LOST, **slow) == 0.0


def test_elsewhere_is_tried_at_once() -> None:
    """Another endpoint need not be waited for; an answer that says it is too much is."""
    for outcome in (Outcome.CONNECT_FAILED, Outcome.LOST, Outcome.TIMED_OUT):
        assert _delay(outcome, elsewhere=True) == 0.0
        assert _delay(outcome, elsewhere=True, remaining=0.0) is None
    assert _delay(Outcome.STATUS, elsewhere=True, status=503) == 0.5
    assert _delay(Outcome.LOST, elsewhere=True, repeatable=False) is None
    assert _delay(Outcome.LOST, elsewhere=True, attempt=3) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("\u0663", None),
    ],
)
def test_retry_after_in_both_forms(value: str, expected: float | None) -> None:
    """Seconds and dates are understood; a date that is past asks for nothing."""
    assert retry_after_seconds(value, 1445412480.0) == expected


def test_retry_after_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the machine is (RFC 9110, section 5.6.7)."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-5")
        time.tzset()
        assert retry_after_seconds("Wed Oct 21 07:28:10 2015", 1445412480.0) == 10.0
    time.tzset()
