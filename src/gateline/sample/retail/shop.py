"""Days in the sample shop: what its cameras and sensors report, the same for the same seed.

Times are those of the shop's clock, taken as UTC. Nothing here is saved or sent.
"""

import math
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from gateline.sample.retail.floor_plan import (
    CAMERAS,
    DOORS,
    ENTRANCES,
    SHELVES,
    THERMOMETERS,
    TILLS,
    Shelf,
    Thermometer,
)
from gateline.sample.retail.rules import AnyEvent
from gateline.sample.retail.schemas import Event

OPENS: Final = 8 * 60
CLOSES: Final = 21 * 60
"""Opening hours, in minutes since midnight."""

_STAY_MINUTES: Final = 24
_BUSIEST: Final = 3.0
"""Visitors a minute at the peak of a working day."""
_WEEKDAY_SHARE: Final = (0.85, 0.8, 0.9, 0.95, 1.15, 1.4, 0.6)
_IDS: Final = uuid.UUID("6d1f3c1e-0f57-4b7f-9c1b-6b1f6a1de5c0")
_EVENT: Final[TypeAdapter[AnyEvent]] = TypeAdapter(Event)

Report = tuple[float, dict[str, Any]]
"""Minute of the day, and the event without id and time."""


def crowd(minute: float) -> float:
    """Return how busy a working day is at this minute, from 0 to about 1."""
    if not OPENS <= minute < CLOSES:
        return 0.0
    noon = math.exp(-(((minute - 12.5 * 60) / 95) ** 2))
    evening = math.exp(-(((minute - 18 * 60) / 85) ** 2))
    return min(1.0, 0.15 + 0.75 * noon + 0.85 * evening)


def day_of_events(day: date, *, seed: int = 1, every: int = 15) -> list[AnyEvent]:
    """Return a day's events in the order of time; what is measured is so every few minutes."""
    # Each day from its own numbers: what one day is like does not hang on the day before.
    rng = random.Random(f"{seed}:{day.isoformat()}")  # noqa: S311 - a shop, no secret
    reports = [
        *_visitors(rng, _WEEKDAY_SHARE[day.weekday()], every),
        *(report for shelf in SHELVES for report in _shelf(rng, shelf, every)),
        *(report for place in THERMOMETERS for report in _thermometer(rng, place, every)),
        *(report for door in DOORS for report in _door(rng, *door)),
        *_camera_failures(rng),
    ]
    reports.sort(key=lambda report: report[0])
    midnight = datetime.combine(day, time(), UTC)
    return [
        event_at(
            midnight + timedelta(seconds=round(minute * 60)),
            str(uuid.uuid5(_IDS, f"{seed}:{every}:{day.isoformat()}:{number}")),
            what,
        )
        for number, (minute, what) in enumerate(reports)
        if 0 <= minute < 24 * 60
    ]


def days_of_events(start: datetime, *, seed: int = 1, every: int = 15) -> Iterator[AnyEvent]:
    """Yield the events from a time on, day after day, without end."""
    day = start.date()
    while True:
        for event in day_of_events(day, seed=seed, every=every):
            if event.occurred_at >= start:
                yield event
        day += timedelta(days=1)


def event_at(at: datetime, event_id: str, what: dict[str, Any]) -> AnyEvent:
    """Return an event made of its parts."""
    return _EVENT.validate_python({"id": event_id, "occurred_at": at, **what})


def _visitors(rng: random.Random, share: float, every: int) -> Iterator[Report]:
    inside = 0.0
    for minute in range(OPENS, CLOSES + every, every):
        came = max(0, round(rng.gauss(crowd(minute) * _BUSIEST * share * every, math.sqrt(every))))
        went = min(inside, inside * (1 - math.exp(-every / _STAY_MINUTES)) + came * 0.2)
        gone = round(inside) if minute >= CLOSES else round(went)
        came = 0 if minute >= CLOSES else came
        inside = max(0.0, inside + came - gone)
        yield from _counted(rng, minute, came, gone, round(inside))
        yield from _queues(rng, minute, inside)


def _counted(
    rng: random.Random, minute: int, came: int, gone: int, inside: int
) -> Iterator[Report]:
    left = (came, gone)
    for number, (camera, zone, part) in enumerate(ENTRANCES):
        last = number == len(ENTRANCES) - 1
        here = left if last else (round(left[0] * part), round(left[1] * part))
        left = (left[0] - here[0], left[1] - here[1])
        data = {"entered": here[0], "left": here[1]} | ({"inside": inside} if last else {})
        what = {"type": "people_count", "camera_id": camera, "zone": zone, "data": data}
        yield minute + (number + rng.random()) / 2, what


def _queues(rng: random.Random, minute: int, inside: float) -> Iterator[Report]:
    """Yield the queues of the tills that are open; a till is opened when the others are full."""
    manned = min(len(TILLS), 1 + int(inside // 28))
    for till in TILLS[:manned]:
        length = max(0, round(rng.gauss(inside / manned / 6.5, 1.4)))
        yield (
            minute + 0.5 + rng.random(),
            {
                "type": "queue_length",
                "camera_id": "cam-03",
                "zone": "checkout",
                "data": {"till": till, "length": length, "wait_seconds": length * 75},
            },
        )


def _shelf(rng: random.Random, shelf: Shelf, every: int) -> Iterator[Report]:
    fill, refill_at = rng.uniform(85, 100), math.inf
    for minute in range(OPENS, CLOSES, every * 2):
        yield minute + rng.uniform(2, 6), _seen(shelf, fill)
        fill = max(0.0, fill - shelf.hourly * (0.3 + crowd(minute)) * every / 30)
        if fill <= 35 and refill_at == math.inf:
            refill_at = minute + rng.uniform(10, 90)
        if minute >= refill_at:
            fill, refill_at = rng.uniform(90, 100), math.inf
    yield CLOSES + rng.uniform(20, 50), _seen(shelf, 100.0)


def _seen(shelf: Shelf, fill: float) -> dict[str, Any]:
    return {
        "type": "shelf",
        "camera_id": shelf.camera,
        "zone": shelf.zone,
        "data": {
            "shelf": shelf.code,
            "product": shelf.product,
            "fill_percent": float(round(fill)),
        },
    }


def _thermometer(rng: random.Random, place: Thermometer, every: int) -> Iterator[Report]:
    """Yield temperatures; on one day in five something is left open for an hour or two."""
    fails_at = rng.uniform(0, 22 * 60) if rng.random() < 0.2 else math.inf
    minutes, peak = rng.uniform(60, 120), rng.uniform(5, 8.5)
    for minute in range(0, 24 * 60, every * 2):
        along = (minute - fails_at) / minutes
        warmer = peak * math.sin(math.pi * along) if 0 <= along <= 1 else 0.0
        celsius = round(place.usual + rng.gauss(0, 0.25) + warmer, 1)
        data = {"sensor": place.code, "celsius": celsius, "kind": place.kind}
        what = {"type": "temperature", "zone": place.zone, "data": data}
        yield minute + rng.uniform(0, 2), what


def _door(rng: random.Random, door: str, zone: str, camera: str) -> Iterator[Report]:
    """Yield openings, one after the other; an open door reports itself every five minutes."""
    minute = 6.5 * 60 + rng.uniform(0, 60)
    while minute < CLOSES:
        stays = min(rng.expovariate(1 / 1.5), 40.0)
        steps = [0.0, *(float(step) for step in range(5, math.ceil(stays), 5)), stays]
        for step in steps:
            state = "closed" if step == stays else "open"
            data = {"door": door, "state": state, "open_seconds": round(step * 60)}
            what = {"type": "door", "camera_id": camera, "zone": zone, "data": data}
            yield minute + step, what
        minute += stays + rng.uniform(40, 150)


def _camera_failures(rng: random.Random) -> Iterator[Report]:
    for place in rng.sample(CAMERAS, k=rng.choice((0, 1, 1, 2))):
        gone = rng.uniform(0, 23 * 60)
        for minute, state in ((gone, "offline"), (gone + rng.uniform(4, 45), "online")):
            yield (
                minute,
                {
                    "type": "camera",
                    "camera_id": place.code,
                    "zone": place.zone,
                    "data": {"state": state},
                },
            )
