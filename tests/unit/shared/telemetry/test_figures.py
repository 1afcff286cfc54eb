"""Figures add up over services, seconds, minutes and edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.shared.telemetry.figures import (
    BOUNDS_MS,
    BUCKETS,
    Figures,
    Minute,
    Second,
    bucket_of,
    figures_of_event,
    total,
)

counts = st.integers(0, 10**6)
figures = st.builds(Figures, counts, counts, counts, counts, st.tuples(*([counts] * BUCKETS)))


def with_durations(*milliseconds: float) -> Figures:
    """Return figures of requests that took this long."""
    buckets = [0] * BUCKETS
    for one in milliseconds:
        buckets[bucket_of(one)] += 1
    return Figures(len(milliseconds), 0, 0, round(sum(milliseconds) * 1000), tuple(buckets))


@given(figures, figures)
def test_sums_do_not_depend_on_order(one: Figures, other: Figures) -> None:
    """Edges may add to a minute in any order."""
    assert one + other == other + one == total([one, other])


@given(st.dictionaries(st.sampled_from(["web", "auth", "edge"]), figures), figures)
def test_a_minute_comes_back_as_it_was_stored(
    by_service: dict[str, Figures], all_: Figures
) -> None:
    """The fields of the hash hold everything that is not zero, by service and for all."""
    minute = Minute(1_800_000_000, all_, {k: v for k, v in by_service.items() if v != Figures()})
    stored = {name: str(count) for name, count in minute.fields().items()}
    assert Minute.of_fields(1_800_000_000, stored) == minute


def test_a_duration_is_counted_up_to_its_bound() -> None:
    """A bound belongs to the bucket below it; beyond the last there is one more."""
    assert [bucket_of(bound) for bound in BOUNDS_MS] == list(range(len(BOUNDS_MS)))
    assert bucket_of(0) == 0
    assert bucket_of(BOUNDS_MS[-1] + 1) == BUCKETS - 1


def test_quantiles_lie_within_the_bucket_of_the_true_one() -> None:
    """Half of the requests took about a millisecond, the slowest a second."""
    made = with_durations(*([1.5] * 98), 700, 900)
    median, slow = made.quantile_ms(0.5), made.quantile_ms(0.99)
    assert median is not None
    assert 1 < median <= 2
    assert slow is not None
    assert 500 < slow <= 1000


def test_no_requests_have_no_durations() -> None:
    """Without a request there is neither a mean nor a quantile, and no error."""
    nothing = Figures()
    assert (nothing.mean_ms, nothing.quantile_ms(0.99), nothing.error_share) == (None, None, 0.0)


def test_the_mean_and_the_share_of_errors() -> None:
    """The mean is exact; refusals (4xx) are no errors."""
    made = Figures(requests=4, errors_4xx=2, errors_5xx=1, duration_us_sum=10_000)
    assert made.mean_ms == 2.5
    assert made.error_share == 0.25


def test_a_traffic_event_carries_what_can_be_added_up() -> None:
    """What the live channel tells in one second can be summed over edges and seconds."""
    made = with_durations(3, 30)
    second = Second("2026-01-02T03:04:05.678Z", "here:1", 2, made, {"web": made}, 3.0, 30.0)
    event = second.event()
    assert figures_of_event(event) == made
    assert event["type"] == "traffic"
    assert (event["requests"], event["errors"], event["in_flight"]) == (2, 0, 2)
    assert event["by_service"]["web"]["mean_ms"] == pytest.approx(16.5)
