"""A line of callers that wait for something to become free: first come, first served."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Generic, TypeVar

from gateline.edge.upstream.errors import UpstreamTimeout

T = TypeVar("T")


class Line(Generic[T]):
    """Callers that wait for a `T`, none beyond its deadline.

    `waiters` may hold some that have given up; empty, it means that nobody waits.
    """

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: deque[asyncio.Future[T]] = deque()

    def __len__(self) -> int:
        return len(self.waiters)

    async def wait(self, deadline: float, take_back: Callable[[T], None]) -> T:
        """Wait for one's turn; raise UpstreamTimeout at the deadline (the loop's time).

        `take_back` gets what had just been handed to a caller that was cancelled.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self.waiters.append(waiter)
        timer = None if deadline == inf else loop.call_at(deadline, self._give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with contextlib.suppress(ValueError):
                    self.waiters.remove(waiter)
            elif waiter.exception() is None:
                take_back(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def first(self) -> "asyncio.Future[T] | None":
        """Take the first who still waits out of the line."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def refuse(self, error: Callable[[], Exception]) -> None:
        """Send everybody away, each with an error of its own."""
        while (waiter := self.first()) is not None:
            waiter.set_exception(error())

    def _give_up(self, waiter: "asyncio.Future[T]") -> None:
        if not waiter.done():
            self.waiters.remove(waiter)
            waiter.set_exception(UpstreamTimeout("queue"))
