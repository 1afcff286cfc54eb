"""Reading telemetry back, for the control room. Errors of the store pass through."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import redis

from gateline.shared.errors import ValidationFailed
from gateline.shared.telemetry.entries import Entry, LogQuery
from gateline.shared.telemetry.figures import Minute
from gateline.shared.telemetry.keys import ENTRY, LOGS, SECONDS, minute_key

_BATCH: Final = 1000
_MOST_MINUTES: Final = 24 * 60
_PLACE: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,19}")

Rows = Iterable[tuple[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, newest first; `next_cursor` asks for older ones, None when there are none."""

    items: list[Entry]
    next_cursor: str | None


class Telemetry:
    """What all processes told, read from Valkey; `clock` gives epoch seconds."""

    def __init__(self, kv: redis.Redis, clock: Callable[[], float] = time.time) -> None:
        self._kv = kv
        self._clock = clock

    def traffic(self, minutes: int = 60) -> list[Minute]:
        """Return the last minutes (1 to 1440), the oldest first and the one that runs last."""
        current = int(self._clock() // 60)
        wanted = range(current - min(max(minutes, 1), _MOST_MINUTES) + 1, current + 1)
        with self._kv.pipeline(transaction=False) as pipe:
            for minute in wanted:
                pipe.hgetall(minute_key(minute))
            hashes = cast("list[dict[str, str]]", pipe.execute())
        return [
            Minute.of_fields(minute * 60, fields)
            for minute, fields in zip(wanted, hashes, strict=True)
        ]

    def seconds(self, seconds: int = 60) -> list[Entry]:
        """Return the traffic events of the last seconds, the oldest first, of every edge."""
        start = int((self._clock() - seconds) * 1000)
        rows = self._kv.xrevrange(SECONDS, min=str(start))
        return traffic_events(cast("Rows", rows))

    def logs(
        self,
        query: LogQuery | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        after: str | None = None,
    ) -> LogPage:
        """Return up to `limit` entries that the query takes, newest first.

        An entry has its `id` in the stream too. Those `after` one arrived later, whatever the
        moment they tell of: each process hands its entries in when it can. Raises ValidationFailed
        for a malformed `cursor` or `after`.
        """
        query = query or LogQuery()
        start = "-" if query.since is None else str(max(0, int(query.since * 1000)))
        start = _beyond("after", after, start)
        end = _beyond("cursor", cursor, "+")
        found: list[Entry] = []
        while True:
            rows = cast("list[Any]", self._kv.xrevrange(LOGS, end, start, count=_BATCH))
            for row_id, entry in _entries(rows):
                if not query.takes(entry):
                    continue
                if len(found) == limit:
                    return LogPage(found, str(found[-1]["id"]))
                found.append({"id": row_id, **entry})
            if len(rows) < _BATCH:
                return LogPage(found, None)
            end = f"({rows[-1][0]}"


def traffic_events(rows: Rows) -> list[Entry]:
    """Return the events in rows of the stream of seconds that came newest first, oldest first."""
    return [event for _, event in _entries(rows)][::-1]


def _beyond(field: str, place: str | None, otherwise: str) -> str:
    """Return the end of a range of the stream that leaves out what is at `place`."""
    if place is None:
        return otherwise
    if not _PLACE.fullmatch(place):
        raise ValidationFailed(fields={field: ["is not one that was given out"]})
    return f"({place}"


def _entries(rows: Rows) -> Iterable[tuple[str, Entry]]:
    """Yield what can be read; anybody with access to the store may have written there."""
    for row_id, fields in rows:
        try:
            entry = json.loads(fields.get(ENTRY, ""))
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield row_id, entry
