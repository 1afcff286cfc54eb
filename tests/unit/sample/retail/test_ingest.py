"""What a batch leaves behind in cameras and in the log of the service."""

import logging
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from gateline.sample.retail.ingest import tell
from gateline.sample.retail.models import Alert, LoggedEvent
from gateline.sample.retail.schemas import Ingested


def camera(shop: Any, code: str = "cam-01") -> dict[str, Any]:
    """Return a camera as it is shown."""
    items = shop("GET", "/cameras").json["items"]
    return next(item for item in items if item["id"] == code)


def test_a_camera_is_seen_by_its_events(shop: Any, queue: Any, camera_event: Any) -> None:
    """The latest event counts, in whatever order they come; being offline is no sign of life."""
    shop.report({**queue(1, 1, at=-3), "camera_id": "cam-01"})
    shop.report({**queue(2, 1, at=-9), "camera_id": "cam-01"}, camera_event(3, "offline", at=-1))
    assert camera(shop)["last_seen_at"] == "2025-03-12T11:57:00Z"
    assert camera(shop)["status"] == "offline"


def test_a_late_message_does_not_bring_a_camera_back(shop: Any, camera_event: Any) -> None:
    """What it said last by its own clock is its state."""
    shop.report(camera_event(1, "offline", at=-1))
    shop.report(camera_event(2, "online", at=-5))
    assert camera(shop)["status"] == "offline"
    shop.report(camera_event(3, "online"))
    assert camera(shop)["status"] == "online"


def test_the_log_tells_of_alerts(caplog: pytest.LogCaptureFixture) -> None:
    """A warning when one opens, nothing when nothing changed."""
    quiet = {"accepted": 3, "duplicates": 0, "alerts_opened": 0, "alerts_closed": 0}
    with caplog.at_level(logging.INFO, "gateline.sample.retail.ingest"):
        tell(Ingested(**quiet), "cameras")
        tell(Ingested(**{**quiet, "alerts_opened": 2}), "cameras")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Alerts: 2 opened, 0 closed by events of cameras"


def test_the_same_batch_from_two_sides_counts_once(
    shop: Any, queue: Any, camera_event: Any
) -> None:
    """Two senders at once, in opposite order: each event once, one alert, nobody waits for ever."""
    events = [queue(number, 8, at=-1, till=f"till-{number}") for number in range(20)]
    events += [camera_event(100, "offline"), camera_event(101, "offline", code="cam-02")]
    answers: list[Any] = []
    senders = [
        threading.Thread(target=lambda batch=batch: answers.append(shop.report(*batch)))
        for batch in (events, events[::-1])
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sum(answer.json["accepted"] for answer in answers) == len(events)
    for table in (LoggedEvent, Alert):
        [(number,)] = shop.execute(sa.select(sa.func.count()).select_from(table))
        assert number == len(events)
