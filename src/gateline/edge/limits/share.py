"""What one edge holds of one limit for one key, and what it decides without asking.

No I/O and no clock here: `now` is a time of the event loop's clock.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from gateline.edge.limits.store import LEASE_SECONDS, Answer, Question
from gateline.policy.gcra import Bucket, LimitRule, take
from gateline.policy.rate_limit_fields import Standing

_SOON_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5
_REQUESTS_AN_OPERATION: Final = 10
_LEAST_LEASE: Final = 4

Waiter = asyncio.Future[bool]


class Share:
    """One key's part of a limit on this edge.

    `held` may be spent until `until`; `left` were free besides, and all is free again at
    `reset_at`, as far as this edge knows. `reset_field` is how clients are told of that. `lease`
    numbers what is held: it changes when the store is told what of it was used.

    An answer that left nothing free holds until another request is free, and a little longer while
    few requests come: what is refused then stays free for the next ones.
    """

    __slots__ = (
        "_alone",
        "_asked_at",
        "_before",
        "_leased",
        "_lent",
        "_retry_at",
        "_rule",
        "_seen",
        "_spent_alone",
        "_step",
        "_used",
        "held",
        "key",
        "lease",
        "left",
        "reset_at",
        "reset_field",
        "until",
        "used_at",
        "waiters",
    )

    def __init__(self, key: str, rule: LimitRule, now: float) -> None:
        self.key = key
        self._rule = rule
        self.held = 0
        self.until = 0.0
        self.used_at = now
        self.waiters: deque[Waiter] | None = None
        self.reset_field: tuple[bytes, bytes] | None = None
        self.left = rule.burst
        self.reset_at = now
        self._retry_at = 0.0
        self._before = 0.0
        self._seen = 0
        self._step = 1
        self._lent = 0
        self._used = self._leased = self.lease = 0
        self._asked_at = 0.0
        self._alone: Bucket | None = None
        self._spent_alone = 0

    def spend(self, now: float) -> bool | None:
        """Admit (True) or refuse (False) one request; None: the store must be asked."""
        if self.held and now < self.until:
            self.held -= 1
            self.used_at = now
            return True
        self._seen += 1
        if now < self._retry_at or (now < self._before and self._seen < _REQUESTS_AN_OPERATION):
            return False
        return None

    def refuses(self, now: float) -> bool:
        """Tell whether `spend` would refuse a request; nothing is counted."""
        if self.held and now < self.until:
            return False
        return now < self._retry_at or (
            now < self._before and self._seen + 1 < _REQUESTS_AN_OPERATION
        )

    def give_back(self, lease: int) -> None:
        """Take one request back that was spent of this lease and refused by another limit.

        Of a lease that is not held any more the store takes it for used, and lets the bucket fill
        again: spent later, it would come on top of the limit.
        """
        if lease == self.lease:
            self.held += 1

    def keep_lease(self) -> None:
        """Let go of what was granted for requests that did not wait for it.

        The store takes it for used at once, so it cannot be held, nor come back.
        """
        self.held = min(self.held, self._leased)

    def question(self, now: float, edges: int, waiting: int) -> Question:
        """Return what to ask for: what `waiting` requests need and a lease that suits the pace."""
        most = self._rule.burst // (4 * edges)
        if most < _LEAST_LEASE:
            most = 1  # so small a limit is not worth holding back from others
        if self.held:
            self._step = max(1, self._lent - self.held)  # it ran out before it was used
        elif now - self._asked_at < _SOON_SECONDS:
            self._step *= 2
        elif now - self._asked_at > LEASE_SECONDS:
            self._step = 1
        self._step = min(self._step, most)
        self._asked_at = now
        self.lease += 1
        self._used = waiting
        asked = Question(
            self.key,
            self._rule,
            wanted=max(waiting, self._step),
            used=waiting,
            returned=self.held,
            owed=self._owed(now, edges),
        )
        self.held = 0
        self.used_at = now
        return asked

    def give_up(self, now: float) -> Question:
        """Return the question that brings back what is held and not used."""
        back = Question(self.key, self._rule, wanted=0, used=0, returned=self.held)
        self._asked_at = now
        self.lease += 1
        self.left += self.held
        self.held = 0
        return back

    def is_idle(self, now: float, seconds: float) -> bool:
        """Tell whether nothing was spent or asked for this long."""
        return self.waiters is None and now - self.used_at >= seconds

    def is_forgettable(self, now: float) -> bool:
        """Tell whether dropping this loses nothing that a decision could need."""
        return (
            self.waiters is None
            and now >= max(self.until, self._retry_at)
            and (self._alone is None or self._alone.settled(now).debt <= 0.0)
        )

    def learn(self, answer: Answer, asked_at: float, now: float, edges: int) -> None:
        """Take an answer; `asked_at` is when the question went out, so a lease never ends late."""
        self.held = self._lent = answer.granted
        self._leased = max(0, answer.granted - self._used)
        self.until = asked_at + LEASE_SECONDS
        self.left = answer.left
        self.reset_at = now + answer.reset
        self.reset_field = None
        self._seen = 0
        self._alone = None
        self._spent_alone = 0
        self._retry_at = now + answer.retry
        self._before = now + self._pause(edges) if answer.left == 0 else 0.0

    def spend_alone(self, now: float, edges: int) -> bool:
        """Judge one request by this edge's part of the limit: the store is away."""
        if self.held and now < self.until:
            self.held -= 1
            return True
        rule = self._rule.share(edges)
        bucket = self._alone or self._first_alone(rule, now, edges)
        self._alone, grant = take(bucket, interval=rule.interval, burst=rule.burst, now=now)
        self.used_at = now
        self.left = grant.left
        self._retry_at = now + grant.retry
        self._before = 0.0
        self.reset_at = now + self._alone.debt
        self.reset_field = None
        self._spent_alone += grant.granted
        return grant.granted == 1

    def standing(self, now: float) -> Standing:
        """Tell where the client stands, as far as this edge knows."""
        return Standing(self.left + self.held, max(0.0, self.reset_at - now))

    def retry_after(self, now: float) -> float:
        """Return the seconds until one request is free again."""
        return max(self._retry_at - now, self._rule.interval if now < self._before else 0.0)

    def _pause(self, edges: int) -> float:
        """Return for how long an empty bucket is left to fill, so that asking it is worth while.

        Never so long that it could run over.
        """
        worth = min(_REQUESTS_AN_OPERATION * edges, self._rule.burst / 2)
        return min(_PAUSE_SECONDS, worth * self._rule.interval)

    def _first_alone(self, rule: LimitRule, now: float, edges: int) -> Bucket:
        """Begin where the store left off: this edge's part of what was free then and since."""
        debt = max(0.0, self.reset_at - now)
        free = max(0.0, self._rule.burst - debt / self._rule.interval) / edges
        return Bucket(max(0.0, rule.burst - free) * rule.interval, now)

    def _owed(self, now: float, edges: int) -> int:
        """Return what was admitted alone and still counts: the store does not know of it."""
        if self._alone is None:
            return 0
        missing = self._alone.settled(now).debt / self._rule.share(edges).interval
        return min(self._spent_alone, round(missing))


def wait_on(share: Share, new: Callable[[], Waiter]) -> Waiter:
    """Return a future for one more request that waits for the answer that is on its way."""
    waiter = new()
    if share.waiters is None:
        share.waiters = deque()
    share.waiters.append(waiter)
    return waiter
