"""Whether a failed attempt is made again, and after how long.

What may be repeated follows RFC 9110, section 9.2: a request whose bytes may have reached an
upstream only when its method is safe or it carries an Idempotency-Key. A connection that never
opened carried nothing, so every request may try again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateline.policy.cache_control import date_seconds

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Outcome(Enum):
    """How an attempt failed."""

    CONNECT_FAILED = "connect_failed"
    """No byte was written."""
    LOST = "lost"
    """Bytes may have arrived, no whole answer came back."""
    TIMED_OUT = "timed_out"
    """Bytes may have arrived, no answer came in time."""
    STATUS = "status"
    """An answer came, with a status that may be passing."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` in all, waiting between them under an exponential ceiling.

    `base` and `cap` are seconds: before attempt n+1 the wait is drawn between 0 and
    min(cap, base * 2**(n-1)) ("full jitter"). `statuses` are answers worth another attempt.
    """

    attempts: int = 3
    base: float = 1.0
    cap: float = 8.0
    statuses: Collection[int] = frozenset({502, 503, 504})


def is_repeatable(method: str, has_idempotency_key: bool) -> bool:
    """Tell whether a request may be sent again although its bytes may have arrived."""
    return method in SAFE_METHODS or has_idempotency_key


def next_delay(
    policy: RetryPolicy,
    *,
    attempt: int,
    repeatable: bool,
    outcome: Outcome,
    status: int | None = None,
    retry_after: float | None = None,
    remaining: float,
    took: float = 0.0,
    elsewhere: bool = False,
    random: float,
) -> float | None:
    """Return the seconds to wait before the next attempt, or None to stop.

    `attempt` (from 1) is the one that just failed and `took` its seconds, `remaining` the seconds
    until the request's deadline, `random` a number in [0, 1). A `retry_after` of the upstream
    (seconds) is the least wait. A wait that would reach the deadline is not begun; nor is, after
    an answer, an attempt that would reach it by taking as long again: that answer is worth more
    than a time-out. When there is something `elsewhere` to try that has not failed (another
    endpoint, a fresh connection), an attempt without an answer is made there without a wait.
    """
    if attempt >= policy.attempts:
        return None
    if outcome is not Outcome.CONNECT_FAILED and not repeatable:
        return None
    if outcome is Outcome.STATUS and status not in policy.statuses:
        return None
    if elsewhere and outcome is not Outcome.STATUS:
        return 0.0 if remaining > 0.0 else None
    delay = random * min(policy.cap, policy.base * 2.0 ** (attempt - 1))
    delay = max(delay, retry_after or 0.0)
    needed = delay + took if outcome is Outcome.STATUS else delay
    return delay if needed < remaining else None


def retry_after_seconds(value: str, now: float) -> float | None:
    """Return the seconds that a Retry-After asks to wait (RFC 9110, section 10.2.3).

    `now` is epoch seconds, for its form as a date. None: it is neither form.
    """
    text = value.strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    until = date_seconds(text)
    return None if until is None else max(0.0, until - now)
