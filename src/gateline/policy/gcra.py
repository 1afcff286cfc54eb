"""How many requests a limit still admits: the generic cell rate algorithm, a bucket that refills.

A bucket holds `burst` requests and gains one every `interval`. So in no stretch of time, wherever
it starts, more are admitted than the rate gives in that time plus the burst. Times have no unit
here: whoever asks uses one and the same for `interval`, `now` and what comes back.

The script `gcra_lease.lua` does the same inside the store, where all edges meet.
"""

from dataclasses import dataclass
from typing import Final, Literal

from gateline.policy.limits import Limit

LimitedBy = Literal["client", "user", "service_key", "route", "header"]

_ROUNDING: Final = 1e-6
"""Of a request: what sums of fractions may be off without taking a whole one away."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """`limit` for each value of `by`, with `burst` requests allowed at once.

    `client` is the address, `user` the identity (the address of the anonymous), `service_key` the
    calling service, `route` everybody together, `header` the value of `header` (lower case).
    """

    limit: Limit
    burst: int
    by: LimitedBy = "client"
    header: bytes = b""

    @property
    def interval(self) -> float:
        """Seconds in which one more request becomes free."""
        return self.limit.seconds / self.limit.requests

    def share(self, edges: int) -> "LimitRule":
        """Return what one of several edges may admit when they cannot ask each other."""
        if edges <= 1:
            return self
        slower = Limit(self.limit.requests, self.limit.seconds * edges)
        return LimitRule(slower, max(1, self.burst // edges), self.by, self.header)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that at the time `at` would take `debt` to be full again."""

    debt: float = 0.0
    at: float = 0.0

    def settled(self, now: float) -> "Bucket":
        """Return the same bucket later; a clock that was set back changes nothing."""
        passed = max(0.0, now - self.at)
        return Bucket(max(0.0, self.debt - passed), max(now, self.at))


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bucket answers: how many were taken, how many are left, when there is one again.

    `retry` is the time until one more is free, 0 while there is one.
    """

    granted: int
    left: int
    retry: float


def take(
    bucket: Bucket,
    *,
    interval: float,
    burst: int,
    now: float,
    wanted: int = 1,
    returned: int = 0,
    held: int = 0,
    owed: int = 0,
) -> tuple[Bucket, Grant]:
    """Take up to `wanted` requests out of a bucket and return it with what was granted.

    `returned` were granted before and not used. `held` were granted to others who have not said
    that they used them: as long as that may be, the bucket does not refill above what they leave,
    so that a late use never comes on top of a full bucket. `owed` were admitted without asking.
    """
    settled = bucket.settled(now)
    debt = max(0.0, settled.debt - returned * interval) + owed * interval
    debt = max(debt, held * interval)
    free = max(0, int(burst - debt / interval + _ROUNDING))
    granted = min(wanted, free)
    debt += granted * interval
    left = free - granted
    retry = 0.0 if left else max(0.0, debt - (burst - 1) * interval)
    return Bucket(debt, settled.at), Grant(granted, left, retry)
