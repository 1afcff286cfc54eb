"""How many requests a limit still admits: the generic cell rate algorithm, a bucket that refills.

A bucket holds `burst` requests and gains one every `interval`. So in no stretch of time, wherever
it starts, more are admitted than the rate gives in that time plus the burst. Times have no unit
here: whoever asks uses one and the same for `interval`, `now` and what comes back.

The script `gcra_lease.lua` does the same inside the store, where all edges meet.
"""

from collections.abc import Sequence
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
        """Return what one of several edges may admit when they cannot ask each other.

        At least one request at once: less would admit nobody, ever. So all together keep to the
        rate, and to the larger of burst and number of edges at once.
        """
        if edges <= 1:
            return self
        slower = Limit(self.limit.requests, self.limit.seconds * edges)
        return LimitRule(slower, max(1, self.burst // edges), self.by, self.header)


def needs_no_identity(rules: Sequence[LimitRule]) -> bool:
    """Tell whether nothing but the client's address decides, so that nobody needs to be known."""
    return all(rule.by == "client" for rule in rules)


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
class Lease:
    """Some requests that may be used at any time before `until`."""

    count: int
    until: float


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
    leases: Sequence[Lease] = (),
    returned: int = 0,
    owed: int = 0,
) -> tuple[Bucket, Grant]:
    """Take up to `wanted` requests out of a bucket and return it with what was granted.

    `leases` were granted before, to whomever, and may have been used at any time until their end;
    those that have ended are dealt with here and need not be handed in again. `returned` of one
    that has not ended come back unused. `owed` were admitted without asking.
    """
    settled = bucket.settled(now)
    debt = max(settled.debt, _least_debt(leases, interval, now)) - returned * interval
    debt = max(0.0, debt) + owed * interval
    free = max(0, int(burst - debt / interval + _ROUNDING))
    granted = min(wanted, free)
    debt += granted * interval
    left = free - granted
    retry = 0.0 if left else max(0.0, debt - (burst - 1) * interval)
    return Bucket(debt, settled.at), Grant(granted, left, retry)


def _least_debt(leases: Sequence[Lease], interval: float, now: float) -> float:
    """Return how far from full a bucket is at the least, so that no late use comes on top of it.

    As long as a lease may be used, the bucket does not refill above what it leaves.
    """
    least, count = 0.0, 0
    for lease in sorted(leases, key=lambda one: -one.until):
        count += lease.count
        least = max(least, count * interval - max(0.0, now - lease.until))
    return least
