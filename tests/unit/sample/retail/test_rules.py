"""What events mean, and what they do to alerts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from gateline.sample.retail.rules import QUEUE, AnyEvent, Change, Finding, change, judge
from gateline.sample.retail.schemas import Event

AT = datetime(2025, 3, 12, 12, tzinfo=UTC)
_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(Event)


def found(kind: str, data: dict[str, Any], **more: Any) -> tuple[str, str, str]:
    """Return rule, subject and level for an event."""
    made = _EVENT.validate_python(
        {"id": "e", "occurred_at": AT, "type": kind, "data": data, **more}
    )
    finding = judge(made)
    return finding.rule, finding.subject, finding.level


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("people_count", {"entered": 3, "left": 1}, ("crowded", "shop", "hold")),
        ("people_count", {"entered": 3, "left": 1, "inside": 70}, ("crowded", "shop", "normal")),
        ("people_count", {"entered": 3, "left": 1, "inside": 85}, ("crowded", "shop", "warning")),
        ("queue_length", {"till": "t", "length": 0}, ("queue_long", "t", "normal")),
        ("queue_length", {"till": "t", "length": 10}, ("queue_long", "t", "critical")),
        ("shelf", {"shelf": "A", "fill_percent": 50.0}, ("shelf_empty", "A", "normal")),
        ("shelf", {"shelf": "A", "fill_percent": 49.5}, ("shelf_empty", "A", "hold")),
        ("shelf", {"shelf": "A", "fill_percent": 20.0}, ("shelf_empty", "A", "warning")),
        ("shelf", {"shelf": "A", "fill_percent": 5.0}, ("shelf_empty", "A", "critical")),
        ("door", {"door": "d", "state": "open"}, ("door_open", "d", "normal")),
        ("door", {"door": "d", "state": "open", "open_seconds": 60}, ("door_open", "d", "hold")),
        (
            "door",
            {"door": "d", "state": "open", "open_seconds": 120},
            ("door_open", "d", "warning"),
        ),
        (
            "door",
            {"door": "d", "state": "closed", "open_seconds": 9000},
            ("door_open", "d", "normal"),
        ),
        ("temperature", {"sensor": "s", "celsius": 5.0}, ("too_warm", "s", "normal")),
        ("temperature", {"sensor": "s", "celsius": 7.0}, ("too_warm", "s", "warning")),
        (
            "temperature",
            {"sensor": "s", "celsius": 7.0, "kind": "room"},
            ("too_warm", "s", "normal"),
        ),
        (
            "temperature",
            {"sensor": "s", "celsius": -11.0, "kind": "freezer"},
            ("too_warm", "s", "critical"),
        ),
    ],
)
def test_what_an_event_means(
    kind: str, data: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """Each type has one rule, with thresholds where a person would put them."""
    assert found(kind, data) == expected


@pytest.mark.parametrize(
    ("state", "level"), [("online", "normal"), ("offline", "warning"), ("tampered", "critical")]
)
def test_cameras_speak_of_themselves(state: str, level: str) -> None:
    """The subject is the camera."""
    assert found("camera", {"state": state}, camera_id="cam-1") == ("camera_down", "cam-1", level)


def test_people_are_counted_by_zone() -> None:
    """Two floors are crowded each by itself."""
    assert found("people_count", {"entered": 0, "left": 0, "inside": 1}, zone="upstairs")[1] == (
        "upstairs"
    )


def test_messages_are_for_people() -> None:
    """They say what, where and how much."""
    data = {"shelf": "B1", "product": "Bread", "fill_percent": 12.5}
    made = _EVENT.validate_python({"id": "e", "occurred_at": AT, "type": "shelf", "data": data})
    assert judge(made).message == "Shelf B1 (Bread) is 12.5 % full"
    assert judge(made).severity == "warning"


@pytest.mark.parametrize(
    ("value", "level"),
    [(4, "normal"), (5, "hold"), (6.9, "hold"), (7, "warning"), (99, "critical")],
)
def test_a_band_holds_between_its_thresholds(value: float, level: str) -> None:
    """There is room between closing and opening."""
    assert QUEUE.level(value) == level


@pytest.mark.parametrize(
    ("level", "open_severity", "expected"),
    [
        ("normal", None, Change.NOTHING),
        ("hold", None, Change.NOTHING),
        ("warning", None, Change.OPEN),
        ("critical", None, Change.OPEN),
        ("normal", "warning", Change.CLOSE),
        ("hold", "warning", Change.NOTHING),
        ("warning", "warning", Change.NOTHING),
        ("critical", "warning", Change.WORSEN),
        ("warning", "critical", Change.NOTHING),
        ("normal", "critical", Change.CLOSE),
    ],
)
def test_what_a_finding_does(level: Any, open_severity: str | None, expected: Change) -> None:
    """An alert opens once, only worsens, and closes when all is well."""
    finding = Finding("queue_long", "till-1", level, "…")
    assert change(finding, AT, last_at=AT, open_severity=open_severity) is expected


@pytest.mark.parametrize(("level", "open_severity"), [("critical", None), ("normal", "warning")])
def test_what_comes_late_does_nothing(level: Any, open_severity: str | None) -> None:
    """A message that was held up must not undo what was said after it."""
    finding = Finding("queue_long", "till-1", level, "…")
    later = AT + timedelta(seconds=1)
    assert change(finding, AT, last_at=later, open_severity=open_severity) is Change.NOTHING
