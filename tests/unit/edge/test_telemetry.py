"""What an edge tells once a second, and that telling never costs a request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from edge_people import People

from gateline.edge.telemetry import Telemetry
from gateline.shared import kv
from gateline.shared.telemetry import Entry
from gateline.shared.telemetry import Telemetry as Readers
from gateline.shared.telemetry.keys import LIVE
from gateline.shared.telemetry.writing import Backlog

NOW = 1_800_000_030.25
OWN = "db=12"


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    """Give an empty store of our own: the edges of other tests tell about themselves too."""
    client = redis.Redis.from_url(redis_url.replace("db=0", OWN), decode_responses=True, protocol=2)
    client.flushdb()
    yield client
    client.close()


def exchange(number: int = 0, status: int = 200, route: str | None = "pages") -> Any:
    """Return what telemetry reads of a finished exchange."""
    return SimpleNamespace(
        method="GET",
        path=f"/page/{number}",
        status=status,
        route=SimpleNamespace(name=route) if route else None,
        service="web",
        identity=SimpleNamespace(user_id=7),
        reason=None,
        request_id=f"request-{number}",
    )


def with_telemetry(
    people: People, use: Callable[[Telemetry, Backlog[Entry]], Awaitable[None]], **changes: Any
) -> None:
    """Run a coroutine with an edge's telemetry."""

    async def run() -> None:
        own = {"redis_url": people.settings.redis_url.replace("db=0", OWN), **changes}
        client = kv.connect_async(people.settings.model_copy(update=own))
        records = Backlog[Entry](100)
        telemetry = Telemetry(
            client, "here:1", records=records, in_flight=lambda: 3, clock=lambda: NOW
        )
        try:
            await use(telemetry, records)
        finally:
            await client.aclose()

    asyncio.run(run())


def test_a_second_is_summed_up(people: People, store: redis.Redis) -> None:
    """Counts, errors and durations of a second are in the minute and in the event."""

    async def use(telemetry: Telemetry, _: Backlog[Entry]) -> None:
        telemetry.count(
            {
                ("GET", "pages", 200, "web"): [0.010] * 98 + [0.4],
                ("POST", "auth", 503, "auth"): [0.002],
                ("GET", "unmatched", 404, ""): [0.0001],
                ("GET", "livez", 200, ""): [0.0001] * 50,
            }
        )
        await telemetry.flush()
        await telemetry.flush()

    with_telemetry(people, use)
    readers = Readers(store, lambda: NOW)
    (minute,) = readers.traffic(1)
    assert (minute.total.requests, minute.total.errors_4xx, minute.total.errors_5xx) == (101, 1, 1)
    assert {name: one.requests for name, one in minute.by_service.items()} == {
        "web": 99,
        "auth": 1,
        "edge": 1,
    }
    slow = minute.total.quantile_ms(0.995)
    assert slow is not None
    assert 200 < slow <= 500
    rows: Any = store.xrange("gateline:seconds")
    assert len(rows) == 1
    assert '"p50_ms":10.0' in rows[0][1]["entry"]
    assert '"in_flight":3' in rows[0][1]["entry"]


def test_lines_of_many_requests_are_a_choice(people: People, store: redis.Redis) -> None:
    """A flood of requests fills neither memory nor the stream; failures have room of their own."""

    async def use(telemetry: Telemetry, _: Backlog[Entry]) -> None:
        for number in range(5_000):
            telemetry.note(exchange(number, 500 if number % 20 == 0 else 200), 0.001)
        await telemetry.flush()

    with_telemetry(people, use)
    items = Readers(store).logs(limit=1_000).items
    assert len(items) == 300
    assert sum(item["status"] == 500 for item in items) > 100
    assert items[-1]["user_id"] == 7


def test_probes_and_watchers_leave_no_lines(people: People, store: redis.Redis) -> None:
    """What machines ask all the time would hide what people do."""

    async def use(telemetry: Telemetry, _: Backlog[Entry]) -> None:
        for route in ("health", "livez", "readyz", "socket-io"):
            telemetry.note(exchange(route=route), 0.001)
        telemetry.note(exchange(route=None), 0.001)
        await telemetry.flush()

    with_telemetry(people, use)
    assert len(Readers(store).logs().items) == 1


def test_at_most_twenty_requests_are_told_failures_first(
    people: People, store: redis.Redis
) -> None:
    """Those who watch see what failed, and a sample of the rest."""
    with store.pubsub() as pubsub:  # type: ignore[no-untyped-call]  # the library does not say
        pubsub.subscribe(LIVE)
        assert pubsub.get_message(timeout=5)

        async def use(telemetry: Telemetry, _: Backlog[Entry]) -> None:
            for number in range(100):
                telemetry.note(exchange(number, 502 if number < 5 else 200), 0.001)
            await telemetry.flush()

        with_telemetry(people, use)
        told = []
        while (message := pubsub.get_message(timeout=0.2)) is not None:
            told.append(str(message["data"]))
    mine = [text for text in told if '"path":"/page/' in text and '"type":"request"' in text]
    assert len(mine) == 20
    assert sum('"status":502' in text for text in mine) == 5


def test_log_records_of_the_edge_go_along(people: People, store: redis.Redis) -> None:
    """What the log handler gathered is written; what it lost is said."""

    async def use(telemetry: Telemetry, records: Backlog[Entry]) -> None:
        records.put({"at": "2026-01-01T00:00:00.000Z", "level": "info", "message": "kept"})
        records.lost = 4
        await telemetry.flush()

    with_telemetry(people, use)
    assert [item["message"] for item in Readers(store).logs().items] == [
        "4 log records or access lines were not kept",
        "kept",
    ]


def test_a_path_that_was_refused_cannot_fake_a_line(people: People, store: redis.Redis) -> None:
    """Control characters of a refused request are shown escaped."""

    async def use(telemetry: Telemetry, _: Backlog[Entry]) -> None:
        wicked = exchange(status=400)
        wicked.path = "/a\r\nb\x1b[2J"
        telemetry.note(wicked, 0.001)
        await telemetry.flush()

    with_telemetry(people, use)
    (item,) = Readers(store).logs().items
    assert item["path"] == "/a\\r\\nb\\x1b[2J"


def test_a_store_that_is_away_is_no_error(people: People, caplog: pytest.LogCaptureFixture) -> None:
    """Telling nobody is said once and costs nothing else."""

    async def use(telemetry: Telemetry, _: Backlog[Entry]) -> None:
        for _round in range(3):
            telemetry.note(exchange(), 0.001)
            telemetry.count({("GET", "pages", 200, "web"): [0.001]})
            await telemetry.flush()
        assert telemetry._missing >= 3

    with_telemetry(people, use, redis_url="redis://127.0.0.1:1/0")
    assert len([one for one in caplog.records if "told nothing" in one.message]) == 1
