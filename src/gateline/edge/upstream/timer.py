"""One timer for a deadline that moves with every request."""

import asyncio
from collections.abc import Callable
from math import inf

# Clocks of event loops count milliseconds; what is due within one is due.
GRAIN = 0.001


class LazyTimer:
    """Call back once the latest deadline that was set has passed.

    Moving the deadline later costs one comparison: the loop's timer stays as it is and is set
    anew only when it goes off too early. A connection that serves ten thousand requests a second
    thus arms one timer every few seconds, not ten thousand.
    """

    __slots__ = ("_armed", "_callback", "_due", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._due = inf
        self._armed = inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due: float) -> None:
        """Move the deadline to `due`, in the loop's time; `inf` for none."""
        self._due = due
        if due < self._armed:
            self._arm(due)

    def stop(self) -> None:
        """End for good: let go of the loop's timer and of the callback's owner."""
        self._due = self._armed = inf
        self._callback = _nothing
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = due
        self._handle = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._armed = inf
        due = self._due
        if due - self._loop.time() <= GRAIN:
            self._due = inf
            self._callback()
        elif due < inf:
            self._arm(due)


def _nothing() -> None:
    pass
