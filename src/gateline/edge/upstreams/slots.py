"""How many requests one service has at once, and who waits for a place."""

import asyncio
from collections import deque
from math import ceil

from gateline.edge.exchange import Refused
from gateline.policy.reasons import OVERLOADED
from gateline.policy.services import ConcurrencyPolicy


class Slots:
    """Lets `limit` requests in at once; some more wait for a short while, in line.

    Who entered must leave, whatever happened.
    """

    __slots__ = ("_waiters", "in_use", "policy", "refused_total")

    def __init__(self, policy: ConcurrencyPolicy) -> None:
        self.policy = policy
        self.in_use = 0
        self.refused_total = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Count the requests in line."""
        return len(self._waiters)

    async def enter(self) -> None:
        """Take a place, waiting for one; raise Refused (503 with Retry-After) when none comes."""
        if self.in_use < self.policy.limit and not self._waiters:
            self.in_use += 1
        elif len(self._waiters) >= self.policy.queue:
            raise self._refusal()
        else:
            await self._wait()

    def leave(self) -> None:
        """Give the place back: to the first in line, if somebody waits."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.in_use -= 1

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(self.policy.wait_seconds, self._give_up, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            self._waiters.remove(waiter)
            waiter.set_exception(self._refusal())

    def _pass_on(self, waiter: "asyncio.Future[None]") -> None:
        """Leave the line, or give back the place that came a moment too late."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            self.leave()

    def _refusal(self) -> Refused:
        self.refused_total += 1
        seconds = max(1, ceil(self.policy.wait_seconds))
        return Refused(OVERLOADED, [(b"retry-after", b"%d" % seconds)])
