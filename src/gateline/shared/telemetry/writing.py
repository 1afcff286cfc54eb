"""Writing telemetry: what is queued on a pipeline, the same for threads and for coroutines."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

from prometheus_client import Counter

from gateline.shared.telemetry.entries import Entry, encode, level_rank
from gateline.shared.telemetry.figures import Minute, Second
from gateline.shared.telemetry.keys import (
    ENTRY,
    LIVE,
    LOGS,
    MINUTE_LIFE_SECONDS,
    MOST_LOGS,
    MOST_SECONDS,
    SECONDS,
    minute_key,
)

DROPPED: Final = Counter(
    "gateline_telemetry_dropped_total",
    "Log records and access lines that were not kept for the control room.",
    ["service"],
)
Item = TypeVar("Item")

_MOST_TOLD: Final = 50
_GRAVE: Final = level_rank("warning")


class Backlog(Generic[Item]):
    """A queue with an end: what does not fit is counted in `lost` and forgotten."""

    def __init__(self, most: int) -> None:
        self._items: deque[Item] = deque()
        self._most = most
        self.lost = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Add an item, or count it as lost; never waits."""
        if len(self._items) >= self._most:
            self.lost += 1
        else:
            self._items.append(item)

    def take(self, most: int) -> list[Item]:
        """Remove and return up to this many items, in order."""
        return [self._items.popleft() for _ in range(min(most, len(self._items)))]

    def take_lost(self) -> int:
        """Return how many were lost since the last call."""
        lost, self.lost = self.lost, 0
        return lost


def add_entries(pipe: Any, entries: Iterable[Entry]) -> None:
    """Queue entries for the log stream; tell of the grave ones, a bounded number at a time."""
    told = 0
    for entry in entries:
        pipe.xadd(LOGS, {ENTRY: encode(entry)}, maxlen=MOST_LOGS, approximate=True)
        if told < _MOST_TOLD and level_rank(entry["level"]) >= _GRAVE:
            told += 1
            tell(pipe, {"type": "log", **entry})


def add_second(pipe: Any, second: Second, minute: Minute) -> None:
    """Queue what an edge did in a second: for the minute's sums, for later, for those who watch."""
    event = second.event()
    if second.total.requests:
        key = minute_key(minute.at // 60)
        for name, count in minute.fields().items():
            pipe.hincrby(key, name, count)
        pipe.expire(key, MINUTE_LIFE_SECONDS)
        pipe.xadd(SECONDS, {ENTRY: encode(event)}, maxlen=MOST_SECONDS, approximate=True)
    tell(pipe, event)


def tell(pipe: Any, event: Mapping[str, Any]) -> None:
    """Queue an event for those who watch."""
    pipe.publish(LIVE, encode(event))


def lost_entry(service: str, at: str, lost: int) -> Entry:
    """Return the entry that says how many others are missing."""
    return {
        "at": at,
        "service": service,
        "level": "warning",
        "logger": "gateline.telemetry",
        "message": f"{lost} log records or access lines were not kept",
    }
