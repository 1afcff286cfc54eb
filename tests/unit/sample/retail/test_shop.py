"""Days in the sample shop."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest

from gateline.sample.retail.floor_plan import CAMERAS, SHELVES, THERMOMETERS
from gateline.sample.retail.rules import judge
from gateline.sample.retail.schemas import PeopleCounted
from gateline.sample.retail.shop import CLOSES, OPENS, crowd, day_of_events, days_of_events

SATURDAY = date(2025, 3, 15)


def test_a_day_is_the_same_every_time() -> None:
    """For one seed; another seed is another day, as is another date."""
    day = day_of_events(SATURDAY)
    assert day == day_of_events(SATURDAY)
    assert day != day_of_events(SATURDAY, seed=2)
    ids = {event.id for event in day + day_of_events(SATURDAY + timedelta(days=1))}
    assert len(ids) > len(day)


def test_a_day_is_in_order_and_within_itself() -> None:
    """Events come in the order of time, each with an id of its own."""
    day = day_of_events(SATURDAY)
    times = [event.occurred_at for event in day]
    assert times == sorted(times)
    assert {at.date() for at in times} == {SATURDAY}
    assert len({event.id for event in day}) == len(day)


def test_every_kind_of_event_happens() -> None:
    """A week has all types, and each rule fires at least once."""
    week = [event for number in range(7) for event in day_of_events(SATURDAY + timedelta(number))]
    kinds = Counter(event.type for event in week)
    assert set(kinds) == {
        *("people_count", "queue_length", "shelf", "door", "temperature", "camera"),
    }
    fired = {finding.rule for finding in map(judge, week) if finding.alert_severity}
    assert fired >= {"queue_long", "shelf_empty", "camera_down"}
    calm = sum(judge(event).alert_severity is None for event in week)
    assert calm / len(week) > 0.95, "trouble is the exception"


def test_nobody_is_lost_in_the_shop() -> None:
    """Who came in went out by closing time, and never more than had come."""
    counts = [event.data for event in day_of_events(SATURDAY) if isinstance(event, PeopleCounted)]
    inside = 0
    for count in counts:
        inside += count.entered - count.left
        if count.inside is not None:
            assert count.inside >= 0
    assert abs(inside) <= len(counts), "rounding, no crowd"
    assert counts[-1].inside == 0


@pytest.mark.parametrize(
    ("minute", "busy"), [(OPENS - 1, False), (OPENS, True), (CLOSES - 1, True), (CLOSES, False)]
)
def test_people_come_while_it_is_open(minute: int, *, busy: bool) -> None:
    """Noon and evening are the busiest."""
    assert (crowd(minute) > 0) is busy
    assert crowd(18 * 60) > crowd(15 * 60) < crowd(12.5 * 60)


def test_days_follow_each_other() -> None:
    """The stream starts in the middle of a day and has no end."""
    start = datetime(2025, 3, 15, 20, tzinfo=UTC)
    events = list(islice(days_of_events(start, every=30), 400))
    assert events[0].occurred_at >= start
    assert events[-1].occurred_at > start + timedelta(hours=4)


def test_the_floor_plan_is_consistent() -> None:
    """Codes are unique; shelves hang under cameras that are there."""
    codes = [camera.code for camera in CAMERAS]
    assert len(set(codes)) == len(codes) == 12
    assert {shelf.camera for shelf in SHELVES} <= set(codes)
    assert len({place.code for place in THERMOMETERS}) == len(THERMOMETERS)
