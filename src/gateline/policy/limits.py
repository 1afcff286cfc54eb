"""Rate limits: how many requests in how much time, and what to tell the client.

The sliding log is exact: in no window of the given length are more requests admitted than the
limit says, wherever the window starts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `100/minute` (second, minute, hour or day); raise ValueError on anything else."""
        count, _, unit = text.strip().partition("/")
        if unit.strip() not in _UNITS or not count.strip().isdecimal() or int(count) < 1:
            msg = (
                f"{text!r} is not a rate limit: write it as 100/minute (second, minute, hour, day)"
            )
            raise ValueError(msg)
        return cls(int(count), _UNITS[unit.strip()])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a limit says of one request.

    `remaining` counts what is left after this request, `reset_at` is the epoch second at which the
    whole limit is free again, `retry_after` the seconds to wait (0 when allowed, else at least 1).
    """

    allowed: bool
    limit: int
    remaining: int
    reset_at: int
    retry_after: int


def sliding_log(limit: Limit, stamps: Sequence[float], now: float) -> Verdict:
    """Judge one request at `now` by the epoch seconds of those admitted before, oldest first.

    The caller appends `now` to its log when the verdict allows.
    """
    start = now - limit.seconds
    live = [stamp for stamp in stamps if stamp > start]
    return verdict(
        limit,
        used=len(live),
        oldest=live[0] if live else now,
        newest=live[-1] if live else now,
        now=now,
    )


def verdict(limit: Limit, *, used: int, oldest: float, newest: float, now: float) -> Verdict:
    """Judge one request at `now` when `used` others lie in the window from `oldest` to `newest`."""
    allowed = used < limit.requests
    last = now if allowed else newest
    return Verdict(
        allowed=allowed,
        limit=limit.requests,
        remaining=max(0, limit.requests - used - 1),
        reset_at=math.ceil(last + limit.seconds),
        retry_after=0 if allowed else max(1, math.ceil(oldest + limit.seconds - now)),
    )


def limit_headers(verdict: Verdict) -> dict[str, str]:
    """Return X-RateLimit-Limit, -Remaining, -Reset; on a refusal Retry-After (RFC 9110, 10.2.3)."""
    headers = {
        "X-RateLimit-Limit": str(verdict.limit),
        "X-RateLimit-Remaining": str(verdict.remaining),
        "X-RateLimit-Reset": str(verdict.reset_at),
    }
    if not verdict.allowed:
        headers["Retry-After"] = str(verdict.retry_after)
    return headers
