"""Unhurried work rests after each portion; all other work never does."""

import contextvars
import time
from collections.abc import Iterator

import pytest

from gateline.shared import pacing
from gateline.shared.pacing import give_way, in_portions, unhurried


class Clock:
    """The CPU time of a thread, which a test moves, and the rests that were taken."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rests: list[float] = []

    def work(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Give the clock by which pacing goes."""
    made = Clock()
    with monkeypatch.context() as patched:
        patched.setattr(time, "thread_time", lambda: made.now)
        patched.setattr(time, "sleep", made.rests.append)
        yield made


def test_work_rests_after_each_portion(clock: Clock) -> None:
    """What was worked counts from the last rest, over several loops."""
    portion = pacing._WORK_SECONDS
    with unhurried():
        for _ in in_portions(range(3)):
            clock.work(portion / 2)
        assert len(clock.rests) == 1
        clock.work(portion / 2)
        give_way()
        give_way()
    assert clock.rests == [pacing._REST_SECONDS] * 2


def test_other_work_never_rests(clock: Clock) -> None:
    """Neither before nor after, nor beside it in a context of its own."""
    beside = contextvars.copy_context()
    with unhurried():
        clock.work(1.0)
        beside.run(give_way)
    clock.work(1.0)
    assert list(in_portions("ab")) == ["a", "b"]
    assert clock.rests == []


def test_the_rest_is_longer_than_the_work() -> None:
    """An event loop beside it keeps most of its time."""
    assert pacing._REST_SECONDS >= 2 * pacing._WORK_SECONDS
