"""What an event means: how bad it is, in words, and whether an alert opens or closes.

Pure: plain values in, plain values out. A measure that swings around a threshold must not open
and close an alert with every reading, so between `clear` and `warning` everything stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, assert_never

from gateline.sample.retail.schemas import (
    AlertSeverity,
    CameraReported,
    DoorMoved,
    PeopleCounted,
    QueueMeasured,
    Severity,
    ShelfSeen,
    TemperatureRead,
)

AnyEvent = PeopleCounted | QueueMeasured | ShelfSeen | DoorMoved | TemperatureRead | CameraReported
Level = Literal["normal", "hold", "warning", "critical"]
_RANK: Final[Mapping[str, int]] = MappingProxyType({"warning": 1, "critical": 2})


@dataclass(frozen=True, slots=True)
class Band:
    """Thresholds of a measure that is worse the higher it is."""

    clear: float
    warning: float
    critical: float

    def level(self, value: float) -> Level:
        """Return how bad a value is."""
        if value >= self.critical:
            return "critical"
        if value >= self.warning:
            return "warning"
        return "normal" if value <= self.clear else "hold"


INSIDE: Final = Band(clear=70, warning=85, critical=110)
QUEUE: Final = Band(clear=4, warning=7, critical=10)
EMPTINESS: Final = Band(clear=50, warning=80, critical=95)
"""In percent of the shelf."""
DOOR_SECONDS: Final = Band(clear=0, warning=120, critical=900)
CELSIUS: Final = MappingProxyType(
    {
        "chiller": Band(clear=5, warning=7, critical=10),
        "freezer": Band(clear=-18, warning=-15, critical=-12),
        "room": Band(clear=26, warning=28, critical=32),
    }
)
_CAMERA_LEVELS: Final[Mapping[str, Level]] = MappingProxyType(
    {"online": "normal", "offline": "warning", "tampered": "critical"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of an event: `subject` is the thing that the rule watches."""

    rule: str
    subject: str
    level: Level
    message: str

    @property
    def severity(self) -> Severity:
        """How the event stands in the log."""
        return self.level if self.level in ("warning", "critical") else "info"

    @property
    def alert_severity(self) -> AlertSeverity | None:
        """What an alert of it would be, None when there is nothing to alert."""
        return self.level if self.level in ("warning", "critical") else None


def judge(event: AnyEvent) -> Finding:
    """Return what the rule for this type of event says of it."""
    match event:
        case PeopleCounted():
            return _people(event)
        case QueueMeasured():
            return _queue(event)
        case ShelfSeen():
            return _shelf(event)
        case DoorMoved():
            return _door(event)
        case TemperatureRead():
            return _temperature(event)
        case CameraReported():
            return _camera(event)
        case _:
            assert_never(event)


def _people(event: PeopleCounted) -> Finding:
    data = event.data
    place = event.zone or "shop"
    words = f"{data.entered} came in, {data.left} went out"
    if data.inside is None:
        return Finding("crowded", place, "hold", words)
    return Finding("crowded", place, INSIDE.level(data.inside), f"{words}, {data.inside} inside")


def _queue(event: QueueMeasured) -> Finding:
    data = event.data
    waiting = "Nobody waits" if not data.length else f"{data.length} waiting"
    return Finding("queue_long", data.till, QUEUE.level(data.length), f"{waiting} at {data.till}")


def _shelf(event: ShelfSeen) -> Finding:
    data = event.data
    level = EMPTINESS.level(100 - data.fill_percent)
    what = f" ({data.product})" if data.product else ""
    message = f"Shelf {data.shelf}{what} is {data.fill_percent:g} % full"
    return Finding("shelf_empty", data.shelf, level, message)


def _door(event: DoorMoved) -> Finding:
    data = event.data
    if data.state == "closed":
        return Finding("door_open", data.door, "normal", f"Door {data.door} was closed")
    since = f" for {data.open_seconds} s" if data.open_seconds else ""
    level = DOOR_SECONDS.level(data.open_seconds)
    return Finding("door_open", data.door, level, f"Door {data.door} is open{since}")


def _temperature(event: TemperatureRead) -> Finding:
    data = event.data
    level = CELSIUS[data.kind].level(data.celsius)
    return Finding("too_warm", data.sensor, level, f"{data.sensor} is at {data.celsius:g} °C")


def _camera(event: CameraReported) -> Finding:
    state, camera = event.data.state, event.camera_id or ""
    words = {"online": "is online", "offline": "is offline", "tampered": "was tampered with"}
    return Finding("camera_down", camera, _CAMERA_LEVELS[state], f"Camera {camera} {words[state]}")


class Change(Enum):
    """What a finding does to the alert of its subject."""

    NOTHING = "nothing"
    OPEN = "open"
    WORSEN = "worsen"
    CLOSE = "close"


def change(
    finding: Finding,
    at: datetime,
    *,
    last_at: datetime | None,
    open_severity: str | None,
) -> Change:
    """Return what to do, given the time of the last finding and the open alert's severity.

    What is older than the last finding changes nothing: events may arrive late.
    """
    if last_at is not None and at < last_at:
        return Change.NOTHING
    severity = finding.alert_severity
    if severity is None:
        closes = finding.level == "normal" and open_severity is not None
        return Change.CLOSE if closes else Change.NOTHING
    if open_severity is None:
        return Change.OPEN
    return Change.WORSEN if _RANK[severity] > _RANK[open_severity] else Change.NOTHING
