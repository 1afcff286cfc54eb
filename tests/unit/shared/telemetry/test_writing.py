"""What is written, how much of it is kept, and what is told at once."""

import json

import redis

from gateline.shared.telemetry.keys import LIVE, LOGS, MOST_LOGS
from gateline.shared.telemetry.writing import Backlog, add_entries, lost_entry


def test_a_full_backlog_counts_what_it_drops() -> None:
    """Nothing waits for room: what does not fit is counted."""
    backlog = Backlog[int](3)
    for number in range(5):
        backlog.put(number)
    assert (len(backlog), backlog.take(2), backlog.take(9)) == (3, [0, 1], [2])
    assert (backlog.take_lost(), backlog.take_lost()) == (2, 0)


def test_the_stream_is_capped(kv: redis.Redis) -> None:
    """The stream holds about its limit, however much was written."""
    entry = lost_entry("test", "2026-01-02T03:04:05.678Z", 1) | {"level": "info"}
    for _ in range(25):
        with kv.pipeline(transaction=False) as pipe:
            add_entries(pipe, [entry] * 1_000)
            pipe.execute()
    assert MOST_LOGS <= kv.xlen(LOGS) < MOST_LOGS + 1_000


def test_only_grave_entries_are_told_at_once(kv: redis.Redis) -> None:
    """Those who watch hear of warnings and worse, and of a bounded number of them at a time."""
    base = lost_entry("test", "2026-01-02T03:04:05.678Z", 1)
    with kv.pubsub() as pubsub:  # type: ignore[no-untyped-call]  # the library does not say
        pubsub.subscribe(LIVE)
        assert pubsub.get_message(timeout=5) is not None
        with kv.pipeline(transaction=False) as pipe:
            add_entries(pipe, [base | {"level": "info"}, *[base] * 60, base | {"level": "error"}])
            pipe.execute()
        told = []
        while (message := pubsub.get_message(timeout=0.2)) is not None:
            event = json.loads(message["data"])
            # The channel is one for all databases: edges of other tests speak on it too.
            if event.get("service") == "test":
                told.append(event)
    assert len(told) == 50
    assert told[0] == {"type": "log", **base}
