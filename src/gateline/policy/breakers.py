"""When a service is not asked any more because too many of its answers failed.

Times are seconds of whatever clock the caller uses, as long as it never goes back.
"""

from collections import deque
from enum import Enum
from math import inf
from typing import Final

from gateline.policy.services import BreakerPolicy

_BUCKETS: Final = 10


class BreakerState(Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing."""
    HALF_OPEN = "half_open"
    """One probe, on which the rest depends."""


class Breaker:
    """A circuit breaker over a rolling window of a tenth's grain.

    Ask `admit` before each attempt unless `closed`, then tell what became of it by `succeeded`,
    `failed` or `abandoned`, with the number that `admit` gave: 0 for what was under way while it
    was closed, else that of the probe. A closed breaker costs a comparison and an addition.
    """

    __slots__ = (
        "_before",
        "_failures",
        "_probe",
        "_probe_until",
        "_retry_at",
        "_successes",
        "_turn",
        "_width",
        "_window",
        "closed",
        "opened_total",
        "policy",
    )

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.closed = True
        self.opened_total = 0
        self._width = policy.window_seconds / _BUCKETS
        self._window: deque[tuple[float, int, int]] = deque()
        self._turn = -inf
        self._successes = self._failures = 0
        self._retry_at = self._probe_until = -inf
        self._probe = self._before = 0

    def state(self, now: float) -> BreakerState:
        """Return the state that a request at `now` would meet."""
        if self.closed:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if now >= self._retry_at else BreakerState.OPEN

    def admit(self, now: float) -> int | None:
        """Return the number of an attempt that may be made, None when none may.

        It is 0 while the breaker is closed; when half open, the first to ask is the probe. A probe
        of which nothing is heard for `open_seconds` makes room for another.
        """
        if self.closed:
            return 0
        if now < self._retry_at or now < self._probe_until:
            return None
        self._probe_until = now + self.policy.open_seconds
        self._probe += 1
        return self._probe

    def wait(self, now: float) -> float:
        """Return the seconds until the breaker may admit something."""
        return 0.0 if self.closed else max(0.0, self._retry_at - now, self._probe_until - now)

    def succeeded(self, now: float, probe: int = 0) -> None:
        """Take note of an attempt that was answered; a probe's closes the breaker."""
        if not self.closed:
            if self._is_of_this_opening(probe):
                self._close()
            return
        if now >= self._turn:
            self._roll(now)
        self._successes += 1

    def failed(self, now: float, probe: int = 0) -> bool:
        """Take note of an attempt that failed; return whether this opened the breaker."""
        if not self.closed:
            if not self._is_of_this_opening(probe):
                return False
            self._open(now)
            return True
        if now >= self._turn:
            self._roll(now)
        self._failures += 1
        if self._is_too_much():
            self._open(now)
            return True
        return False

    def abandoned(self, probe: int) -> None:
        """Take note that a probe ended, whether it told anything: the next may follow it now."""
        if probe == self._probe:
            self._probe_until = -inf

    def _is_of_this_opening(self, probe: int) -> bool:
        """Tell whether an attempt began since the breaker opened: news of others are too old.

        A probe that was given up counts as well, for a slow service would never come back else.
        """
        return probe > self._before

    def _is_too_much(self) -> bool:
        failures = self._failures + sum(bucket[2] for bucket in self._window)
        answered = failures + self._successes + sum(bucket[1] for bucket in self._window)
        policy = self.policy
        return answered >= policy.least_requests and failures >= policy.error_share * answered

    def _roll(self, now: float) -> None:
        """Begin a new bucket and drop those that left the window."""
        if self._successes or self._failures:
            self._window.append((self._turn, self._successes, self._failures))
            self._successes = self._failures = 0
        oldest = now - self.policy.window_seconds + self._width
        while self._window and self._window[0][0] <= oldest:
            self._window.popleft()
        self._turn = now + self._width

    def _open(self, now: float) -> None:
        self.closed = False
        self.opened_total += 1
        self._retry_at = now + self.policy.open_seconds
        self._probe_until = -inf
        self._before = self._probe

    def _close(self) -> None:
        self.closed = True
        self._window.clear()
        self._successes = self._failures = 0
        self._turn = self._probe_until = self._retry_at = -inf
