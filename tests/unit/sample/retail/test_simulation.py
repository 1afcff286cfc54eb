"""A day in the shop, played faster."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from gateline.policy.reasons import UPSTREAM_REFUSED
from gateline.policy.services import Service
from gateline.sample.retail import simulation
from gateline.sample.retail.rules import AnyEvent
from gateline.sample.retail.schemas import Ingested
from gateline.sample.retail.simulation import Reporter, ReportFailed, simulate
from gateline.shared.upstream import Answer, Call, UpstreamFailed

START = datetime(2025, 3, 15, 11, 30, tzinfo=UTC)
NOON = datetime(2025, 3, 12, 12, tzinfo=UTC).timestamp()


def taken(number: int) -> Ingested:
    """Return the answer to a batch that was taken."""
    return Ingested(accepted=number, duplicates=0, alerts_opened=1, alerts_closed=0)


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Processor:
    """Takes events, or fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.events: list[AnyEvent] = []

    def __call__(self, events: Sequence[AnyEvent]) -> Ingested:
        """Take a batch."""
        if self.failures:
            self.failures -= 1
            raise ReportFailed("It is away.")
        self.events += events
        return taken(len(events))


def play(processor: Processor, seconds: float, speed: float = 60) -> list[simulation.Progress]:
    """Play from half past eleven with a clock that nobody waits for."""
    clock = Time()
    steps = simulate(processor, START, speed=speed, seconds=seconds, clock=clock, sleep=clock.sleep)
    return list(steps)


def test_an_hour_takes_a_minute() -> None:
    """At speed 60: sixty steps, the shop's clock an hour on, events of that hour."""
    processor = Processor()
    steps = play(processor, 60)
    assert len(steps) == 60
    assert steps[-1].shop_time == datetime(2025, 3, 15, 12, 30, tzinfo=UTC)
    assert sum(step.sent.accepted for step in steps) == len(processor.events) > 60


def test_events_are_live() -> None:
    """They carry the time at which they are sent, and ids of their own in every run."""
    first, second = Processor(), Processor()
    play(first, 5)
    play(second, 5)
    times = {event.occurred_at.timestamp() - NOON for event in first.events}
    assert times <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert [event.type for event in first.events] == [event.type for event in second.events]
    assert not {event.id for event in first.events} & {event.id for event in second.events}


def test_what_cannot_be_sent_is_sent_later() -> None:
    """An edge processor that was away for three steps misses nothing."""
    failing, steady = Processor(failures=3), Processor()
    steps = play(failing, 10)
    play(steady, 10)
    assert [step.problem for step in steps[:4]] == ["It is away."] * 3 + [None]
    assert steps[2].waiting > 0
    assert len(failing.events) == len(steady.events)


def test_a_fast_day_is_sent_in_batches() -> None:
    """At an hour a second no batch is larger than one may be."""
    sizes: list[int] = []

    def report(events: Sequence[AnyEvent]) -> Ingested:
        sizes.append(len(events))
        return taken(len(events))

    clock = Time()
    for _ in simulate(report, START, speed=36_000, seconds=3, clock=clock, sleep=clock.sleep):
        pass
    assert max(sizes) == 1000


def test_without_an_end_it_goes_on() -> None:
    """0 seconds means for ever, past midnight too."""
    clock = Time()
    steps = simulate(Processor(), START, speed=3600, seconds=0, clock=clock, sleep=clock.sleep)
    assert list(islice(steps, 20))[-1].shop_time.date() > START.date()


class Wire:
    """Stands in for the connections to the edge processor."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer
        self.calls: list[Call] = []

    def __call__(self, service: Service) -> "Wire":
        """Be the connections to a service."""
        assert service.urls == ("http://events.invalid",)
        return self

    def call(self, call: Call) -> Answer:
        """Answer, or be away."""
        self.calls.append(call)
        if self.answer is None:
            raise UpstreamFailed(UPSTREAM_REFUSED, "events")
        return self.answer

    def close(self) -> None:
        """Have nothing to close."""


def report_over(wire: Any) -> Ingested:
    """Report the first events of a run over a wire."""
    processor = Processor()
    play(processor, 3)
    return Reporter("http://events.invalid", "the-key", upstream=wire).report(processor.events)


def test_events_are_posted_with_the_key() -> None:
    """As the edge processor reads them; they may be sent again."""
    wire = Wire(Answer(200, [], taken(3).model_dump_json().encode()))
    assert report_over(wire) == taken(3)
    [call] = wire.calls
    assert (call.method, call.target, call.repeatable) == ("POST", "/events", True)
    assert dict(call.headers)["X-Service-Key"] == "the-key"
    assert isinstance(call.body, bytes)
    event = json.loads(call.body)["events"][0]
    assert set(event) == {"id", "type", "camera_id", "zone", "occurred_at", "data"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "could not be reached"),
        (Answer(403, [], b'{"message": "A valid service key is needed."}'), "valid service key"),
        (Answer(500, [], b"oops"), "500: it gave no reason"),
        (Answer(200, [], b"{}"), "not the documented one"),
    ],
)
def test_what_goes_wrong_is_said(answer: Answer | None, said: str) -> None:
    """For a person, with what the edge processor said."""
    with pytest.raises(ReportFailed, match=said):
        report_over(Wire(answer))
