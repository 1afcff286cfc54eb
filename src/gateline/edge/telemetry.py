"""What this edge tells the control room: once a second its traffic, and what requests there were.

A request costs a comparison and mostly an append; everything else is done once a second, and a
store that is away loses what could not be told.
"""

import asyncio
import bisect
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline.edge.exchange import Exchange
from gateline.shared.telemetry.entries import Entry, iso
from gateline.shared.telemetry.figures import BOUNDS_MS, Figures, Minute, Second, total
from gateline.shared.telemetry.writing import (
    DROPPED,
    Backlog,
    add_entries,
    add_second,
    lost_entry,
    tell,
)

SERVICE: Final = "edge"
Durations = Mapping[tuple[str, str, int, str], Sequence[float]]
"""Seconds that requests took, by method, route, status and service."""

# What orchestrators ask, and the polls of those who watch: telling of them would cause more.
UNTOLD: Final = frozenset({"health", "livez", "readyz", "socket-io"})
"""Routes that are no traffic: probes, and those who watch."""

_ACCESS_LOGGER: Final = "gateline.edge.access"
_MOST_LINES: Final = 200
_MOST_WITH_ERRORS: Final = 300
_MOST_TOLD: Final = 20
_MOST_RECORDS: Final = 1_000
_TICK_SECONDS: Final = 1.0
_STORE_SECONDS: Final = 1.5
_BOUNDS: Final = tuple(bound / 1000 for bound in BOUNDS_MS)
_log = logging.getLogger(__name__)

_Line = tuple[float, str, str, int, float, str, str, int | str | None, str | None, str]


class Telemetry:
    """Gathers one worker's traffic and log records, and tells them once a second.

    `edge` names this process among all edges, `records` is what its log handler gathers,
    `in_flight` tells how many requests are under way.
    """

    def __init__(
        self,
        kv: "Redis",
        edge: str,
        *,
        records: Backlog[Entry],
        in_flight: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kv = kv
        self._edge = edge
        self._records = records
        self._in_flight = in_flight
        self._clock = clock
        self._lines: list[_Line] = []
        self._durations: dict[str, dict[int, list[float]]] = {}
        self._missing = 0
        self._away = False

    def note(self, exchange: Exchange, seconds: float) -> None:
        """Keep the access line of a finished exchange, if this second has room for it.

        When many requests come, only some are kept; those that failed have room of their own.
        """
        lines = self._lines
        if len(lines) >= _MOST_LINES and (exchange.status < 500 or len(lines) >= _MOST_WITH_ERRORS):
            return
        route = exchange.route.name if exchange.route is not None else ""
        if route in UNTOLD:
            return
        identity, reason = exchange.identity, exchange.reason
        lines.append(
            (
                self._clock(),
                exchange.method,
                exchange.path,
                exchange.status,
                seconds,
                route,
                exchange.service,
                identity.user_id if identity is not None else None,
                reason.code if reason is not None else None,
                exchange.request_id,
            )
        )

    def count(self, durations: Durations) -> None:
        """Take the durations of finished requests; probes and those who watch are no traffic."""
        for (_, route, status, service), seconds in durations.items():
            if route not in UNTOLD:
                by_class = self._durations.setdefault(service or SERVICE, {})
                by_class.setdefault(status // 100, []).extend(seconds)

    async def run(self) -> None:
        """Tell once a second until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(_TICK_SECONDS)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Tell what has gathered; never raises for a store that is away."""
        now = self._clock()
        second, minute = self._sum_up(now)
        lines, self._lines = self._lines, []
        requests = [_entry(line) for line in lines]
        entries = [*self._records.take(_MOST_RECORDS), *requests]
        self._miss(self._records.take_lost())
        if self._missing:
            entries.append(lost_entry(SERVICE, iso(now), self._missing))
        try:
            async with (
                asyncio.timeout(_STORE_SECONDS),
                self._kv.pipeline(transaction=False) as pipe,
            ):
                add_entries(pipe, entries)
                add_second(pipe, second, minute)
                for entry in _most_telling(requests):
                    tell(pipe, {"type": "request", **entry})
                await pipe.execute()
        except (RedisError, OSError) as error:
            self._lost_touch(error, len(entries))
        else:
            self._missing = 0
            self._away = False

    def _lost_touch(self, error: Exception, entries: int) -> None:
        self._miss(entries)
        if not self._away:
            self._away = True
            _log.warning("the control room is told nothing: %s", type(error).__name__)

    def _miss(self, entries: int) -> None:
        if entries:
            self._missing += entries
            DROPPED.labels(SERVICE).inc(entries)

    def _sum_up(self, now: float) -> tuple[Second, Minute]:
        durations, self._durations = self._durations, {}
        by_service = {name: _figures(by_class) for name, by_class in durations.items()}
        everything = total(by_service.values())
        ordered = sorted(_all(durations.values()))
        second = Second(
            at=iso(now),
            edge=self._edge,
            in_flight=self._in_flight(),
            total=everything,
            by_service=by_service,
            p50_ms=_quantile_ms(ordered, 0.50),
            p99_ms=_quantile_ms(ordered, 0.99),
        )
        return second, Minute(int(now // 60) * 60, everything, by_service)


def _all(by_service: Iterable[Mapping[int, Sequence[float]]]) -> list[float]:
    return [one for by_class in by_service for group in by_class.values() for one in group]


def _figures(by_class: Mapping[int, Sequence[float]]) -> Figures:
    ordered = sorted(_all([by_class]))
    # How many took at most each bound; the differences are the buckets.
    until = [bisect.bisect_right(ordered, bound) for bound in _BOUNDS]
    return Figures(
        requests=len(ordered),
        errors_4xx=len(by_class.get(4, ())),
        errors_5xx=len(by_class.get(5, ())),
        duration_us_sum=round(sum(ordered) * 1_000_000),
        buckets=tuple(
            after - before
            for before, after in zip([0, *until], [*until, len(ordered)], strict=True)
        ),
    )


def _quantile_ms(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)


def _most_telling(requests: Sequence[Entry]) -> list[Entry]:
    """Return at most 20: those that failed first, then the latest ones, in their order."""
    if len(requests) <= _MOST_TOLD:
        return list(requests)
    ranked = sorted(
        range(len(requests)), key=lambda index: (requests[index]["status"] < 500, -index)
    )
    return [requests[index] for index in sorted(ranked[:_MOST_TOLD])]


def _entry(line: _Line) -> Entry:
    at, method, path, status, seconds, route, upstream, user_id, reason, request_id = line
    # Only refused requests have a path that was not checked; it may hold anything.
    shown = path if path.isascii() and path.isprintable() else ascii(path)[1:-1]
    entry: Entry = {
        "at": iso(at),
        "service": SERVICE,
        "level": "info",
        "logger": _ACCESS_LOGGER,
        "message": f"{method[:20]} {shown[:500]} {status} {seconds * 1000:.1f}ms",
        "method": method[:20],
        "path": shown[:500],
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
    }
    given = {"request_id": request_id, "route": route, "upstream": upstream}
    entry |= {name: value for name, value in given.items() if value}
    known = {"user_id": user_id, "reason": reason}
    return entry | {name: value for name, value in known.items() if value is not None}
