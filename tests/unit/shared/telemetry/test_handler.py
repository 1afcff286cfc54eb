"""Log records become entries, in the background, whatever the store does."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import structlog

from gateline.local.engines import wait_until
from gateline.shared.telemetry.entries import LogQuery
from gateline.shared.telemetry.handler import WritingHandler, entry_of_record
from gateline.shared.telemetry.readers import Telemetry

THREAD = "gateline-telemetry"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture
def make_handler(make_settings: Callable[..., Any]) -> Iterator[Callable[[str], WritingHandler]]:
    """Give a function that makes a handler writing to a store; it is closed at the end."""
    handlers: list[WritingHandler] = []

    def make(redis_url: str) -> WritingHandler:
        handlers.append(WritingHandler("test", make_settings(REDIS_URL=redis_url)))
        return handlers[-1]

    yield make
    for handler in handlers:
        handler.close()


def record(message: object = "it happened", *args: Any, **extra: Any) -> logging.LogRecord:
    """Return a log record as a logger makes it."""
    logger = logging.getLogger("gateline.test")
    made = logger.makeRecord(logger.name, logging.WARNING, "f", 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_a_record_is_kept_with_who_when_and_how_grave(
    kv: redis.Redis, redis_url: str, make_handler: Callable[[str], WritingHandler]
) -> None:
    """An entry says when, which service, how grave, by which logger and what."""
    handler = make_handler(redis_url)
    handler.handle(record("it happened %d times", 3))
    telemetry = Telemetry(kv)
    assert wait_until(lambda: bool(telemetry.logs().items), seconds=5)
    (entry,) = telemetry.logs().items
    assert entry["message"] == "it happened 3 times"
    assert (entry["service"], entry["level"], entry["logger"]) == (
        "test",
        "warning",
        "gateline.test",
    )
    assert entry["at"].endswith("Z")


def test_secrets_never_get_there() -> None:
    """Tokens and passwords are taken out of messages, paths and tracebacks."""
    made = record("Authorization: Bearer %s", TOKEN, path=f"/x/{TOKEN}")
    made.exc_info = (ValueError, ValueError(f"password=hunter2-{TOKEN}"), None)
    entry = entry_of_record(made, "test")
    assert "ValueError" in entry["message"]
    assert TOKEN not in str(entry)
    assert "hunter2" not in str(entry)


def test_an_access_line_keeps_its_fields() -> None:
    """What the request context adds to its record can be filtered by; nothing else is taken."""
    entry = entry_of_record(record(method="GET", status=200, duration_ms=1.5, other="x"), "test")
    assert (entry["method"], entry["status"], entry["duration_ms"]) == ("GET", 200, 1.5)
    assert "other" not in entry


def test_the_request_is_known() -> None:
    """An entry carries the id of the request in which it was logged, and its service."""
    with structlog.contextvars.bound_contextvars(request_id="abcdefgh", service="web"):
        entry = entry_of_record(record(), "test")
    assert (entry["request_id"], entry["service"]) == ("abcdefgh", "web")


def test_a_structured_event_is_one_line() -> None:
    """An event of structlog shows its pairs after its text."""
    event = {"event": "order made", "order": 7, "level": "info", "request_id": "abcdefgh"}
    entry = entry_of_record(record(event), "test")
    assert entry["message"] == "order made order=7"
    assert entry["request_id"] == "abcdefgh"


def test_a_record_that_cannot_be_shown_breaks_nobody(
    make_handler: Callable[[str], WritingHandler],
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong arguments of a log call stay the logging module's business."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    make_handler(redis_url).handle(record("%d %d", "one"))


def test_a_store_that_is_away_holds_nobody_up(
    make_handler: Callable[[str], WritingHandler],
) -> None:
    """Ten thousand records are taken in no time, the rest is lost and counted."""
    handler = make_handler("redis://127.0.0.1:1/0")
    made = record()
    started = time.perf_counter()
    for _ in range(10_000):
        handler.handle(made)
    assert time.perf_counter() - started < 2.0
    assert len(handler.backlog) <= 5_000
    assert handler.backlog.lost > 0


def test_what_was_lost_is_said_when_the_store_is_back(
    kv: redis.Redis,
    valkey_relay: Any,
    make_handler: Callable[[str], WritingHandler],
) -> None:
    """After an outage an entry tells how many are missing."""
    handler = make_handler(f"redis://127.0.0.1:{valkey_relay.port}/11")
    valkey_relay.cut()
    handler.handle(record("during the outage"))
    assert wait_until(lambda: handler._missing == 1, seconds=5)
    valkey_relay.restore()
    handler.handle(record("after it"))
    telemetry = Telemetry(kv)
    assert wait_until(lambda: len(telemetry.logs().items) == 2, seconds=5)
    told = telemetry.logs(LogQuery(text="not kept")).items
    assert told[0]["message"] == "1 log records or access lines were not kept"


def test_closing_writes_what_is_left_and_ends_the_thread(
    kv: redis.Redis, redis_url: str, make_handler: Callable[[str], WritingHandler]
) -> None:
    """Nothing that was logged just before the end is lost, and no thread is left behind."""
    handler = make_handler(redis_url)
    for number in range(1_200):
        handler.handle(record("number %d", number))
    handler.close()
    assert len(Telemetry(kv).logs(limit=2_000).items) == 1_200
    assert not any(thread.name == THREAD for thread in threading.enumerate())


def test_no_thread_starts_before_the_first_record(
    make_handler: Callable[[str], WritingHandler], redis_url: str
) -> None:
    """A process that forks before it serves has a thread in each child, and none in itself."""
    make_handler(redis_url)
    assert not any(thread.name == THREAD for thread in threading.enumerate())
