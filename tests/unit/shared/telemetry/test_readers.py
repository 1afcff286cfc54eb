"""What was told is read back, filtered, page by page."""

from typing import Any

import pytest
import redis

from gateline.shared.errors import ValidationFailed
from gateline.shared.telemetry.entries import LogQuery, iso
from gateline.shared.telemetry.figures import Figures, Minute, Second
from gateline.shared.telemetry.keys import ENTRY, LOGS, MINUTE_LIFE_SECONDS, minute_key
from gateline.shared.telemetry.readers import Telemetry
from gateline.shared.telemetry.writing import add_entries, add_second

NOW = 1_800_000_030.0


def entry(number: int, **more: Any) -> dict[str, Any]:
    """Return an entry of an info message."""
    return {
        "at": iso(NOW),
        "service": "web",
        "level": "info",
        "logger": "test",
        "message": f"number {number}",
        **more,
    }


def write(kv: redis.Redis, entries: list[dict[str, Any]]) -> None:
    """Write entries as a process does."""
    with kv.pipeline(transaction=False) as pipe:
        add_entries(pipe, entries)
        pipe.execute()


@pytest.fixture
def telemetry(kv: redis.Redis) -> Telemetry:
    """Give readers of an empty store."""
    return Telemetry(kv, lambda: NOW)


def test_logs_come_newest_first_and_page_by_page(kv: redis.Redis, telemetry: Telemetry) -> None:
    """The cursor of a page leads to the older ones, to the last of them, each of them once."""
    write(kv, [entry(number) for number in range(2_500)])
    seen: list[str] = []
    cursor = None
    while True:
        page = telemetry.logs(limit=999, cursor=cursor)
        seen += [item["message"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"number {number}" for number in reversed(range(2_500))]


def test_a_filter_looks_beyond_what_does_not_fit(kv: redis.Redis, telemetry: Telemetry) -> None:
    """A rare entry is found although thousands of others are newer."""
    write(kv, [entry(0, request_id="the-one-i-seek"), *(entry(n) for n in range(1, 2_100))])
    page = telemetry.logs(LogQuery(request_id="the-one-i-seek"), limit=10)
    assert [item["message"] for item in page.items] == ["number 0"]
    assert page.next_cursor is None


def test_a_full_page_at_the_very_end_has_no_next(kv: redis.Redis, telemetry: Telemetry) -> None:
    """A page that just holds the last entries says so."""
    write(kv, [entry(number) for number in range(3)])
    assert telemetry.logs(limit=3).next_cursor is None
    assert telemetry.logs(limit=2).next_cursor is not None


def test_what_arrives_later_is_told_by_arrival(kv: redis.Redis, telemetry: Telemetry) -> None:
    """A process that hands an older entry in late is not missed by who follows."""
    write(kv, [entry(1), entry(2, at=iso(NOW + 5))])
    newest = telemetry.logs().items[0]["id"]
    assert telemetry.logs(after=newest).items == []
    write(kv, [entry(3, at=iso(NOW - 5), service="api"), entry(4)])
    found = telemetry.logs(after=newest)
    assert [item["message"] for item in found.items] == ["number 4", "number 3"]
    only = telemetry.logs(LogQuery(service="api"), after=newest)
    assert [item["message"] for item in only.items] == ["number 3"]


def test_rubbish_in_the_stream_is_passed_over(kv: redis.Redis, telemetry: Telemetry) -> None:
    """What others wrote there does not hide what is ours."""
    kv.xadd(LOGS, {"other": "field"})
    kv.xadd(LOGS, {ENTRY: "{no json"})
    kv.xadd(LOGS, {ENTRY: "[1]"})
    write(kv, [entry(1)])
    assert [item["message"] for item in telemetry.logs().items] == ["number 1"]


@pytest.mark.parametrize("cursor", ["", "abc", "1-1 COUNT", "99999999999999999999-0", "1"])
def test_a_cursor_of_ones_own_making_is_refused(telemetry: Telemetry, cursor: str) -> None:
    """A cursor that was not given out is a validation error, not one of the store."""
    with pytest.raises(ValidationFailed):
        telemetry.logs(cursor=cursor)
    with pytest.raises(ValidationFailed):
        telemetry.logs(after=cursor)


def test_minutes_of_several_edges_are_one(kv: redis.Redis, telemetry: Telemetry) -> None:
    """Two edges add to one minute; it is kept for 25 hours; empty minutes are zeros."""
    made = Figures(requests=5, errors_5xx=1, duration_us_sum=50, buckets=(5, *[0] * 13))
    minute = Minute(int(NOW // 60) * 60, made, {"web": made})
    for edge in ("one", "two"):
        with kv.pipeline(transaction=False) as pipe:
            add_second(pipe, Second(iso(NOW), edge, 0, made, {"web": made}), minute)
            pipe.execute()
    before, current = telemetry.traffic(2)
    assert before == Minute(minute.at - 60)
    assert current == Minute(minute.at, made + made, {"web": made + made})
    assert 0 < kv.ttl(minute_key(minute.at // 60)) <= MINUTE_LIFE_SECONDS


def test_a_second_without_requests_leaves_nothing_behind(
    kv: redis.Redis, telemetry: Telemetry
) -> None:
    """Quiet edges fill no store."""
    with kv.pipeline(transaction=False) as pipe:
        add_second(pipe, Second(iso(NOW), "quiet"), Minute(int(NOW // 60) * 60))
        pipe.execute()
    assert kv.dbsize() == 0


def test_the_last_seconds_come_oldest_first(kv: redis.Redis) -> None:
    """The traffic of the last minute can be drawn from left to right."""
    made = Figures(requests=1)
    telemetry = Telemetry(kv)
    for number in range(3):
        with kv.pipeline(transaction=False) as pipe:
            add_second(pipe, Second(iso(NOW + number), "edge", 0, made), Minute(0, made))
            pipe.execute()
    assert [event["at"] for event in telemetry.seconds()] == [iso(NOW + n) for n in range(3)]


def test_the_last_minute_of_many_edges_is_whole(kv: redis.Redis) -> None:
    """Forty edge workers that are busy in every second of it: none of them is left out."""
    made = Figures(requests=1)
    with kv.pipeline(transaction=False) as pipe:
        for number in range(60 * 40):
            at = iso(NOW + number // 40)
            add_second(pipe, Second(at, f"edge-{number % 40}", 0, made), Minute(0, made))
        pipe.execute()
    assert sum(event["requests"] for event in Telemetry(kv).seconds()) == 60 * 40
