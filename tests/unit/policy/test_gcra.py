"""The bucket never admits more than its rate and its burst, whoever holds parts of it."""

from bisect import bisect_right
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leased_bucket import LIFE, LeasedBucket

from gateline.policy.gcra import Bucket, Lease, LimitRule, take
from gateline.policy.limits import Limit


def test_a_burst_is_admitted_at_once_and_then_the_rate() -> None:
    """Ten at once; then one each time that one has become free."""
    bucket = Bucket()
    admitted = []
    for now in [0.0] * 12 + [1.0, 1.0, 3.5, 3.5, 3.5]:
        bucket, grant = take(bucket, interval=1.0, burst=10, now=now)
        admitted.append(grant.granted)

    assert admitted == [1] * 10 + [0, 0] + [1, 0] + [1, 1, 0]


def test_a_refusal_says_when_one_is_free_again() -> None:
    """The wait is until the next one, not until all are free."""
    bucket, _ = take(Bucket(), interval=6.0, burst=3, now=100.0, wanted=3)

    _, grant = take(bucket, interval=6.0, burst=3, now=101.0)

    assert (grant.granted, grant.left, grant.retry) == (0, 0, 5.0)


def test_a_clock_that_is_set_back_admits_nothing_twice() -> None:
    """Time that seems to run backwards neither fills nor empties the bucket."""
    bucket, _ = take(Bucket(), interval=1.0, burst=5, now=100.0, wanted=5)

    later, grant = take(bucket, interval=1.0, burst=5, now=50.0)

    assert grant.granted == 0
    assert later.at == 100.0


def test_fractions_take_no_whole_request_away() -> None:
    """An interval that no binary fraction hits still gives each request of the burst."""
    bucket = Bucket()
    granted = 0
    for _ in range(7):
        bucket, grant = take(bucket, interval=1e6 / 7, burst=7, now=1.7e15)
        granted += grant.granted

    assert granted == 7


def test_what_comes_back_is_free_again() -> None:
    """An unused part of a lease is as if it had never been taken."""
    bucket, _ = take(Bucket(), interval=1.0, burst=10, now=0.0, wanted=10)

    _, grant = take(bucket, interval=1.0, burst=10, now=0.0, wanted=9, returned=4)

    assert grant.granted == 4


def test_a_lease_that_may_be_used_late_keeps_the_bucket_from_filling() -> None:
    """Until its end, and from then on the bucket refills."""
    full = Bucket()
    grants = [
        take(full, interval=1.0, burst=10, now=now, wanted=10, leases=[Lease(4, 5.0)])[1].granted
        for now in (4.0, 5.0, 7.0, 9.0)
    ]

    assert grants == [6, 6, 8, 10]


def test_what_was_admitted_without_asking_counts() -> None:
    """Requests that an edge let in alone leave less for everybody."""
    _, grant = take(Bucket(), interval=1.0, burst=10, now=0.0, wanted=10, owed=7)

    assert grant.granted == 3


@pytest.mark.parametrize(("edges", "burst", "interval"), [(1, 30, 0.1), (3, 10, 0.3), (40, 1, 4.0)])
def test_each_edge_has_its_part(edges: int, burst: int, interval: float) -> None:
    """Alone, every edge admits the rate and the burst divided by how many there are."""
    part = LimitRule(Limit(600, 60), 30).share(edges)

    assert part.burst == burst
    assert part.interval == pytest.approx(interval)


@dataclass
class Edge:
    """An edge that holds a lease and uses it whenever it likes."""

    held: int = 0
    until: int = 0
    used: list[int] = field(default_factory=list)


steps = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 2_500_000),
        st.sampled_from(["ask", "use", "use all", "ask some"]),
        st.integers(1, 12),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 20), st.sampled_from([100_000.0, 333_333.3, 1_000_000.0]))
def test_no_stretch_of_time_holds_more_than_rate_and_burst(
    steps: list[tuple[str, int, str, int]], burst: int, interval: float
) -> None:
    """However late leases are used, no window has more than the rate in it plus the burst."""
    bucket = LeasedBucket(interval, burst)
    edges = {name: Edge() for name in "abc"}
    now = 0
    for name, passed, what, count in steps:
        now += passed
        edge = edges[name]
        if edge.until <= now:
            edge.held = 0
        if what.startswith("use"):
            spent = edge.held if what == "use all" else min(edge.held, count)
            edge.used += [now] * spent
            edge.held -= spent
            continue
        at_once = count // 2 if what == "ask some" else 0
        grant = bucket.ask(name, now, count, used=at_once, returned=edge.held)
        spent = min(at_once, grant.granted)
        edge.used += [now] * spent
        edge.held = grant.granted - spent
        edge.until = now + LIFE

    used = sorted(moment for edge in edges.values() for moment in edge.used)
    for index, start in enumerate(used):
        for end in used[index:]:
            inside = bisect_right(used, end) - index
            assert inside <= burst + (end - start) / interval + 1e-3
