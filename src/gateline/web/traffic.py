"""From the telemetry of all edges to the figures that the control room shows."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateline.shared.telemetry import Figures, Minute, Telemetry, figures_of_event, total
from gateline.web.admin_schemas import Traffic, TrafficPoint, TrafficSum

_MINUTES: Final = 60
_SECONDS: Final = 60
_GAUGE_SECONDS: Final = 3
_MEDIAN: Final = 0.5
_TAIL: Final = 0.99


def read_traffic(telemetry: Telemetry, now: float) -> Traffic:
    """Return the traffic of the last minute and hour; raises the store's errors."""
    minutes = telemetry.traffic(_MINUTES)
    seconds = telemetry.seconds(_SECONDS)
    return Traffic(
        last_minute=TrafficSum(**_sum(total(figures_of_event(event) for event in seconds))),
        last_hour=TrafficSum(**_sum(total(minute.total for minute in minutes))),
        in_flight=_in_flight(seconds, now),
        edges=sorted({str(event.get("edge", "")) for event in seconds}),
        by_service=_by_service(minutes),
        seconds=merged_seconds(seconds),
        minutes=[
            TrafficPoint(at=dt.datetime.fromtimestamp(minute.at, dt.UTC), **_sum(minute.total))
            for minute in minutes
        ],
    )


def merged_seconds(events: Iterable[Mapping[str, Any]]) -> list[TrafficPoint]:
    """Return one point for each second in which an edge had something to do, oldest first.

    A second of a single edge keeps its exact quantiles; those of several come from the histogram.
    """
    by_second: dict[dt.datetime, list[Mapping[str, Any]]] = {}
    for event in events:
        if (second := _second(event)) is not None:
            by_second.setdefault(second, []).append(event)
    return [_point(at, told) for at, told in sorted(by_second.items())]


def _point(at: dt.datetime, events: Sequence[Mapping[str, Any]]) -> TrafficPoint:
    values = _sum(total(figures_of_event(event) for event in events))
    if len(events) == 1:
        values |= {name: events[0].get(name) for name in ("p50_ms", "p99_ms")}
    return TrafficPoint(at=at, **values)


def _sum(figures: Figures) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "errors": figures.errors_5xx,
        "errors_4xx": figures.errors_4xx,
        "error_share": round(figures.error_share, 6),
        "mean_ms": _rounded(figures.mean_ms),
        "p50_ms": _rounded(figures.quantile_ms(_MEDIAN)),
        "p99_ms": _rounded(figures.quantile_ms(_TAIL)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _by_service(minutes: Sequence[Minute]) -> dict[str, TrafficSum]:
    names = sorted({name for minute in minutes for name in minute.by_service})
    return {
        name: TrafficSum(
            **_sum(total(minute.by_service.get(name, Figures()) for minute in minutes))
        )
        for name in names
    }


def _in_flight(events: Sequence[Mapping[str, Any]], now: float) -> int:
    """Add up what each edge said last; one that has said nothing for a while is idle."""
    last: dict[str, int] = {}
    for event in events:
        second = _second(event)
        if second is not None and second.timestamp() >= now - _GAUGE_SECONDS:
            last[str(event.get("edge"))] = int(event.get("in_flight") or 0)
    return sum(last.values())


def _second(event: Mapping[str, Any]) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(str(event.get("at"))).replace(microsecond=0)
    except ValueError:
        return None
