"""Long work on a thread beside an event loop: a little at a time, with rests between.

Of the threads of a process one runs at a time. While another computes, an event loop waits for its
turn at every step, of which a request has several; while the other rests, it waits for nobody.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Final, TypeVar

_WORK_SECONDS: Final = 0.0002
_REST_SECONDS: Final = 0.0015

_Item = TypeVar("_Item")


class _Pace:
    """How long a thread has worked since its last rest, in seconds of its own CPU time."""

    __slots__ = ("_rested_at",)

    def __init__(self) -> None:
        self._rested_at = time.thread_time()

    def give_way(self) -> None:
        if time.thread_time() - self._rested_at >= _WORK_SECONDS:
            time.sleep(_REST_SECONDS)
            self._rested_at = time.thread_time()


_pace: ContextVar[_Pace | None] = ContextVar("pace", default=None)


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Rest now and then in what follows, wherever it gives way; not for an event loop's thread."""
    token = _pace.set(_Pace())
    try:
        yield
    finally:
        _pace.reset(token)


def give_way() -> None:
    """Rest if this is unhurried work and it is time to; else go on at once."""
    pace = _pace.get()
    if pace is not None:
        pace.give_way()


def in_portions(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield the items, giving way before each."""
    for item in items:
        give_way()
        yield item
