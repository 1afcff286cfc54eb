"""When one endpoint of several is left out for a while, and how it comes back.

Two things take it out: failures of requests (an *outlier*, which comes back by itself) and failed
health checks. Times are seconds of a clock that never goes back.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from gateline.policy.services import EjectionPolicy, ProbePolicy

_LEAST_SHARE: Final = 0.1


def most_ejected(policy: EjectionPolicy, endpoints: int) -> int:
    """Return how many of so many endpoints may be left out at once; never the only one."""
    return min(int(endpoints * policy.most_share), endpoints - 1)


def ejection_seconds(policy: EjectionPolicy, times: int) -> float:
    """Return how long an endpoint stays out that is ejected for the n-th time (from 1) in a row."""
    return float(min(policy.base_seconds * times, policy.most_seconds))


def slow_start_share(policy: EjectionPolicy, since: float) -> float:
    """Return which share of its weight an endpoint has that came back `since` seconds ago."""
    if since >= policy.slow_start_seconds:
        return 1.0
    return max(_LEAST_SHARE, since / policy.slow_start_seconds)


@dataclass(slots=True)
class Outlier:
    """What is known of one endpoint's failures; `until` and `returned_at` are times.

    While it is eased back (`slow_start_seconds`), a single failure ejects it again. An endpoint
    that stays in for as long as it was out is forgiven one ejection.
    """

    policy: EjectionPolicy
    failures: int = 0
    times: int = 0
    until: float = -inf
    returned_at: float = -inf

    @property
    def is_out(self) -> bool:
        """Tell whether it is left out at present."""
        return self.until > -inf

    def failed(self, now: float) -> bool:
        """Take note of a failure; return whether it is one too many."""
        self.failures += 1
        if self.is_out:
            return False
        returning = now - self.returned_at < self.policy.slow_start_seconds
        return returning or self.failures >= self.policy.consecutive_failures

    def eject(self, now: float) -> float:
        """Leave it out from now on; return until when."""
        stayed, last = now - self.returned_at, ejection_seconds(self.policy, self.times)
        forgiven = self.times if stayed == inf or last <= 0 else int(stayed / last)
        self.times = max(0, self.times - forgiven) + 1
        self.until = now + ejection_seconds(self.policy, self.times)
        return self.until

    def prolong(self, now: float) -> float:
        """Leave it out longer, for it was looked at and is not back; return until when."""
        self.times += 1
        self.until = now + ejection_seconds(self.policy, self.times)
        return self.until

    def readmit(self, now: float) -> None:
        """Let it in again, with a small share at first."""
        self.until = -inf
        self.failures = 0
        self.returned_at = now

    def share(self, now: float) -> float:
        """Return which share of its weight it has."""
        return slow_start_share(self.policy, now - self.returned_at)


@dataclass(slots=True)
class HealthTally:
    """What active health checks say of one endpoint, which counts as healthy at first."""

    policy: ProbePolicy
    healthy: bool = True
    in_a_row: int = 0

    def note(self, good: bool) -> bool:
        """Take the result of a check; return whether it changed the verdict."""
        if good is self.healthy:
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        needed = self.policy.healthy if good else self.policy.unhealthy
        if self.in_a_row < needed:
            return False
        self.healthy = good
        self.in_a_row = 0
        return True
