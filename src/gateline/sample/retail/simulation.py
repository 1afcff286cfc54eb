"""A day in the shop, played faster: its events are reported to the edge processor as they come.

The shop's clock runs ahead; events carry the time at which they are sent, so that whoever watches
sees them as live.
"""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from gateline.policy.retries import RetryPolicy
from gateline.policy.services import Service, endpoints_at
from gateline.sample.retail.rules import AnyEvent
from gateline.sample.retail.schemas import BATCH_LIMIT, Ingested
from gateline.sample.retail.shop import days_of_events
from gateline.shared.schemas.base import json_dump
from gateline.shared.upstream import Call, Upstream, UpstreamFailed

STEP_SECONDS: Final = 1.0
"""Events are sent at most that often: a service has a hundred requests a minute."""
EVERY: Final = 5
"""Minutes of the shop between two measurements of a thing."""
MOST_KEPT: Final = 10 * BATCH_LIMIT
"""Events kept while the edge processor is away; the oldest go first."""

_RETRY: Final = RetryPolicy(base=0.25, cap=1.0)
_TIMEOUT: Final = 5.0


class ReportFailed(Exception):
    """The edge processor did not take a batch: it is away, or it refused."""


class Reporter:
    """Sends events to the edge processor at `base_url` with a service key."""

    def __init__(
        self,
        base_url: str,
        service_key: str,
        *,
        upstream: Callable[[Service], Upstream] = Upstream,
    ) -> None:
        service = Service("events", endpoints_at(base_url), timeout=_TIMEOUT, retry=_RETRY)
        self._upstream = upstream(service)
        self._key = service_key

    def report(self, events: Sequence[AnyEvent]) -> Ingested:
        """Send up to 1000 events; raise ReportFailed when they were not taken."""
        batch = {"events": [json_dump(event) for event in events]}
        # Events have ids: sending them once more is no harm.
        call = Call("POST", "/events", self._headers(), json.dumps(batch).encode(), repeatable=True)
        try:
            answer = self._upstream.call(call)
        except UpstreamFailed as error:
            raise ReportFailed(error.message) from error
        body = answer.body if isinstance(answer.body, bytes) else b""
        if answer.status != 200:
            raise ReportFailed(f"It answered with {answer.status}: {_message(body)}")
        try:
            return Ingested.model_validate_json(body)
        except ValueError as error:
            raise ReportFailed("Its answer is not the documented one.") from error

    def close(self) -> None:
        """Close the idle connections."""
        self._upstream.close()

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("X-Service-Key", self._key),
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            ("User-Agent", "gateline-simulator"),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """One step: the shop's time, what became of what was sent, and what could not be sent."""

    shop_time: datetime
    sent: Ingested
    problem: str | None = None
    waiting: int = 0


def simulate(
    report: Callable[[Sequence[AnyEvent]], Ingested],
    start: datetime,
    *,
    speed: float,
    seconds: float,
    seed: int = 1,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Progress]:
    """Play the shop from `start` for so many real seconds (0: for ever), step by step.

    What cannot be sent is kept for the next step.
    """
    days = _Lookahead(days_of_events(start, seed=seed, every=EVERY))
    begun = clock()
    waiting: list[AnyEvent] = []
    for step in itertools.count(1):
        passed = min(step * STEP_SECONDS, seconds or float("inf"))
        sleep(max(0.0, begun + passed - clock()))
        shop_time = start + timedelta(seconds=passed * speed)
        waiting += [_live(event, clock()) for event in days.until(shop_time)]
        del waiting[:-MOST_KEPT]
        yield _step(report, shop_time, waiting)
        if seconds and passed >= seconds:
            return


def _step(
    report: Callable[[Sequence[AnyEvent]], Ingested],
    shop_time: datetime,
    waiting: list[AnyEvent],
) -> Progress:
    """Send what waits, as far as it is taken; take out of the list what was."""
    sent = Ingested(accepted=0, duplicates=0, alerts_opened=0, alerts_closed=0)
    while waiting:
        batch = waiting[:BATCH_LIMIT]
        try:
            sent = _sum(sent, report(batch))
        except ReportFailed as error:
            return Progress(shop_time, sent, str(error), len(waiting))
        del waiting[: len(batch)]
    return Progress(shop_time, sent)


def _sum(one: Ingested, other: Ingested) -> Ingested:
    return Ingested(
        **{name: getattr(one, name) + getattr(other, name) for name in Ingested.model_fields}
    )


def _message(body: bytes) -> str:
    """Return what a refusal says to a person."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "it gave no reason."


def _live(event: AnyEvent, now: float) -> AnyEvent:
    """Return an event as of now, under an id of its own: every run is a new day."""
    at = datetime.fromtimestamp(now, UTC)
    return event.model_copy(update={"id": str(uuid.uuid4()), "occurred_at": at})


class _Lookahead:
    """Gives the events of an endless stream up to a time, and keeps the next one."""

    def __init__(self, events: Iterator[AnyEvent]) -> None:
        self._events = events
        self._next = next(events)

    def until(self, at: datetime) -> Iterator[AnyEvent]:
        """Yield those before a time."""
        while self._next.occurred_at < at:
            yield self._next
            self._next = next(self._events)
