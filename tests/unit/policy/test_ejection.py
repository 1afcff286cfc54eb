"""When an endpoint is left out, and how it comes back."""

from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.ejection import (
    HealthTally,
    Outlier,
    ejection_seconds,
    most_ejected,
    slow_start_share,
)
from gateline.policy.services import EjectionPolicy, ProbePolicy

POLICY = EjectionPolicy(
    consecutive_failures=5, base_seconds=10, most_seconds=45, slow_start_seconds=10
)


@given(endpoints=st.integers(1, 200), share=st.floats(0, 1))
def test_never_more_than_the_share_and_never_all(endpoints: int, share: float) -> None:
    """Somebody always stays in."""
    most = most_ejected(EjectionPolicy(most_share=share), endpoints)
    assert 0 <= most < endpoints
    assert most <= endpoints * share


def test_half_of_the_endpoints_at_most() -> None:
    """By default one of two or three and two of four may be out; the only one never is."""
    assert [most_ejected(POLICY, endpoints) for endpoints in (1, 2, 3, 4, 5)] == [0, 1, 1, 2, 2]


def test_failures_in_a_row() -> None:
    """The fifth failure in a row is one too many; a good answer in between starts anew."""
    outlier = Outlier(POLICY)
    assert [outlier.failed(0.0) for _ in range(5)] == [False] * 4 + [True]
    outlier.failures = 0
    assert not outlier.failed(0.0)


def test_each_time_it_is_out_longer() -> None:
    """Ten seconds, then twenty, up to the most; back in it is trusted with less."""
    assert [ejection_seconds(POLICY, times) for times in (1, 2, 3, 4, 5, 99)] == [
        10.0,
        20.0,
        30.0,
        40.0,
        45.0,
        45.0,
    ]
    outlier = Outlier(POLICY)
    assert outlier.eject(100.0) == 110.0
    assert outlier.is_out
    outlier.readmit(110.0)
    assert not outlier.is_out
    assert outlier.eject(111.0) == 131.0
    assert outlier.prolong(131.0) == 161.0


def test_good_times_are_held_in_its_favour() -> None:
    """For each stay as long as its last time out it is forgiven one ejection."""
    outlier = Outlier(POLICY)
    outlier.eject(0.0)
    outlier.readmit(10.0)
    outlier.eject(11.0)
    outlier.readmit(31.0)
    assert outlier.times == 2
    outlier.eject(31.0 + 20.0)
    assert outlier.times == 2
    outlier.readmit(80.0)
    outlier.eject(5000.0)
    assert outlier.times == 1


def test_one_that_is_being_eased_in_has_one_chance() -> None:
    """In its slow start a single failure is one too many; later it is like all others."""
    outlier = Outlier(POLICY)
    outlier.eject(0.0)
    assert not outlier.failed(5.0)
    outlier.readmit(10.0)
    assert outlier.failed(12.0)
    outlier.failures = 0
    assert not outlier.failed(21.0)


def test_slow_start() -> None:
    """The share grows in a line from a tenth to all of it."""
    assert [slow_start_share(POLICY, since) for since in (0.0, 0.5, 5.0, 9.0, 10.0, 1e9)] == [
        0.1,
        0.1,
        0.5,
        0.9,
        1.0,
        1.0,
    ]
    assert slow_start_share(EjectionPolicy(slow_start_seconds=0), 0.0) == 1.0
    assert Outlier(POLICY).share(0.0) == 1.0


@given(
    steps=st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60),
    base=st.floats(0, 30),
)
def test_a_time_out_is_always_bounded(steps: list[tuple[float, bool]], base: float) -> None:
    """Whatever it does, an endpoint is never out for longer than the most."""
    policy = EjectionPolicy(base_seconds=base, most_seconds=45)
    outlier, now = Outlier(policy), 0.0
    for step, fails in steps:
        now += step
        if outlier.is_out:
            if now >= outlier.until:
                outlier.readmit(now)
        elif not fails:
            outlier.failures = 0
        elif outlier.failed(now):
            assert 0 <= outlier.eject(now) - now <= 45.0 + 1e-6


def test_health_checks_need_several_results_in_a_row() -> None:
    """Three failures take an endpoint out, two good answers bring it back, mixed ones nothing."""
    tally = HealthTally(ProbePolicy(healthy=2, unhealthy=3))
    assert [tally.note(good) for good in (False, False, True, False, False)] == [False] * 5
    assert tally.healthy
    assert tally.note(False)
    assert not tally.healthy
    assert [tally.note(good) for good in (True, False, True)] == [False] * 3
    assert tally.note(True)
    assert tally.healthy
