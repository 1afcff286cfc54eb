"""The timer that moves with every request."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

from gateline.edge.upstream.timer import LazyTimer


class Handle:
    """A timer of the fake loop."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Note that it must not go off."""
        self.cancelled = True


class FakeLoop:
    """A loop whose time is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handles: list[Handle] = []

    def time(self) -> float:
        """Tell the time."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """Arm a timer."""
        handle = Handle(when, callback)
        self.handles.append(handle)
        return handle

    def advance(self, to: float) -> None:
        """Let time pass, and timers go off when they are due."""
        while due := [h for h in self.handles if not h.cancelled and h.when <= to]:
            first = min(due, key=lambda handle: handle.when)
            self.now = max(self.now, first.when)
            first.cancelled = True
            first.callback()
        self.now = to


def timer() -> tuple[FakeLoop, LazyTimer, list[float]]:
    """Build a timer on a fake loop, and the list of times at which it went off."""
    loop = FakeLoop()
    fired: list[float] = []
    made = LazyTimer(cast("asyncio.AbstractEventLoop", loop), lambda: fired.append(loop.now))
    return loop, made, fired


def test_it_goes_off_once() -> None:
    """The callback runs when the deadline has passed, and not again."""
    loop, made, fired = timer()
    made.set(5.0)
    loop.advance(100)
    assert fired == [5.0]


def test_moving_later_arms_nothing() -> None:
    """A thousand later deadlines cost one timer, and the last one counts."""
    loop, made, fired = timer()
    for step in range(1000):
        loop.advance(step / 1000)
        made.set(step / 1000 + 10)
    assert len(loop.handles) == 1
    loop.advance(10.5)
    assert not fired
    loop.advance(20)
    assert fired == [10.999]


def test_moving_earlier_is_exact() -> None:
    """An earlier deadline replaces the armed timer."""
    loop, made, fired = timer()
    made.set(30)
    made.set(2)
    loop.advance(50)
    assert fired == [2]
    assert loop.handles[0].cancelled


def test_infinity_is_no_deadline() -> None:
    """Setting infinity keeps the callback from running."""
    loop, made, fired = timer()
    made.set(5)
    made.set(inf)
    loop.advance(50)
    assert not fired
    made.set(60)
    loop.advance(70)
    assert fired == [60]


def test_stop() -> None:
    """A stopped timer leaves nothing in the loop and never goes off again."""
    loop, made, fired = timer()
    made.set(5)
    made.stop()
    made.stop()
    assert all(handle.cancelled for handle in loop.handles)
    made.set(7)
    loop.advance(10)
    assert not fired
