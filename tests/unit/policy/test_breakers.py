"""When a service is left alone, and how that ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.breakers import Breaker, BreakerState
from gateline.policy.services import BreakerPolicy

POLICY = BreakerPolicy(error_share=0.5, least_requests=10, window_seconds=10, open_seconds=5)


def _admits(breaker: Breaker, now: float) -> bool:
    return breaker.admit(now) is not None


def _opened(at: float = 0.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(10):
        breaker.failed(at)
    return breaker


def test_it_opens_at_the_share_of_enough_requests() -> None:
    """Half of ten answers must have failed; nine failures alone are too few to tell."""
    breaker = Breaker(POLICY)
    assert not any(breaker.failed(0.1 * number) for number in range(9))
    assert _admits(breaker, 1.0)
    assert breaker.failed(1.0)
    assert not _admits(breaker, 1.0)
    assert (breaker.opened_total, breaker.state(1.0)) == (1, BreakerState.OPEN)


def test_good_answers_keep_it_closed() -> None:
    """Just under half is not enough, however many fail."""
    breaker = Breaker(POLICY)
    for number in range(200):
        breaker.succeeded(number * 0.02)
        breaker.succeeded(number * 0.02)
        assert not breaker.failed(number * 0.02)


def test_what_left_the_window_counts_no_more() -> None:
    """Failures of long ago do not open a breaker, nor do good answers of long ago keep it shut."""
    breaker = Breaker(POLICY)
    for _ in range(9):
        breaker.failed(0.0)
    assert not breaker.failed(11.0)
    breaker = Breaker(POLICY)
    for _ in range(1000):
        breaker.succeeded(0.0)
    assert [breaker.failed(11.0) for _ in range(10)] == [False] * 9 + [True]


def test_a_single_probe_decides() -> None:
    """After the pause one request is let through; the others wait for what becomes of it."""
    breaker = _opened()
    assert [_admits(breaker, now) for now in (0.0, 4.9)] == [False, False]
    assert breaker.wait(3.0) == 2.0
    assert breaker.state(5.0) is BreakerState.HALF_OPEN
    assert [_admits(breaker, 5.0) for _ in range(5)] == [True, False, False, False, False]
    breaker.succeeded(5.5, 1)
    assert breaker.closed
    assert _admits(breaker, 5.5)


def test_a_failed_probe_opens_it_again() -> None:
    """The pause begins anew with the probe's failure."""
    breaker = _opened()
    probe = breaker.admit(5.0)
    assert probe
    assert breaker.failed(6.0, probe)
    assert [_admits(breaker, now) for now in (6.0, 10.9, 11.0)] == [False, False, True]
    assert breaker.opened_total == 2


def test_a_probe_that_tells_nothing_makes_room() -> None:
    """A client that left in the middle of the probe does not keep the service shut."""
    breaker = _opened()
    probe = breaker.admit(5.0)
    assert probe
    breaker.abandoned(probe)
    assert _admits(breaker, 5.1)
    assert not _admits(breaker, 9.0)
    assert _admits(breaker, 10.1)


def test_late_failures_change_nothing() -> None:
    """What was under way when it opened neither opens it again nor makes the pause longer."""
    breaker = _opened()
    assert not breaker.failed(4.0)
    assert not breaker.failed(5.5)
    assert _admits(breaker, 5.5)
    assert breaker.opened_total == 1


def test_late_good_news_do_not_close_an_open_one() -> None:
    """An answer that had been under way does not end the pause."""
    breaker = _opened()
    for now in (1.0, 5.5):
        breaker.succeeded(now)
        assert not breaker.closed
    assert breaker.admit(6.0)
    breaker.succeeded(6.1)
    assert not breaker.closed


def test_a_probe_given_up_lets_no_third_in_beside_the_second() -> None:
    """Its end says nothing of the one that took its place; its answer still tells something."""
    breaker = _opened()
    slow, second = breaker.admit(5.0), breaker.admit(10.0)
    assert slow
    assert second
    breaker.abandoned(slow)
    assert breaker.admit(10.1) is None
    breaker.succeeded(10.2, slow)
    assert breaker.closed


def test_a_probe_of_an_earlier_opening_tells_nothing() -> None:
    """What another probe found since then is newer."""
    breaker = _opened()
    slow, second = breaker.admit(5.0), breaker.admit(10.0)
    assert slow
    assert second
    assert breaker.failed(11.0, second)
    breaker.succeeded(16.5, slow)
    assert not breaker.closed
    assert not breaker.failed(16.5, slow)
    assert breaker.admit(16.5)


def test_closed_again_it_has_forgotten() -> None:
    """After a good probe it takes as much as before to open it."""
    breaker = _opened()
    probe = breaker.admit(5.0)
    assert probe
    breaker.succeeded(5.0, probe)
    assert not any(breaker.failed(5.1) for _ in range(9))
    assert breaker.failed(5.1)


EVENTS = st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["good", "bad", "lost"])), max_size=80)


@given(events=EVENTS)
def test_whatever_happens_it_lets_somebody_through_in_time(
    events: list[tuple[float, str]],
) -> None:
    """No order of events shuts a service off for longer than the pause and a silent probe."""
    breaker, now, shut_since = Breaker(POLICY), 0.0, None
    for step, event in events:
        now += step
        probe = breaker.admit(now)
        if probe is None:
            shut_since = now if shut_since is None else shut_since
            assert now - shut_since <= POLICY.open_seconds
            assert 0 < breaker.wait(now) <= POLICY.open_seconds
            continue
        shut_since = None
        if event == "good":
            breaker.succeeded(now, probe)
        elif event == "bad":
            breaker.failed(now, probe)
        else:
            breaker.abandoned(probe)


@given(outcomes=st.lists(st.booleans(), min_size=1, max_size=200))
def test_within_one_window_it_counts_exactly(outcomes: list[bool]) -> None:
    """As long as nothing leaves the window it opens at exactly the first moment it should."""
    breaker, failed = Breaker(POLICY), 0
    for number, good in enumerate(outcomes, start=1):
        now = number * 0.01
        failed += not good
        if good:
            breaker.succeeded(now)
            continue
        opened = breaker.failed(now)
        assert opened is (number >= POLICY.least_requests and failed / number >= POLICY.error_share)
        if opened:
            return


@pytest.mark.parametrize("quiet", [10.0, 15.0, 1000.0])
def test_a_quiet_time_empties_the_window(quiet: float) -> None:
    """The first failure after a pause is the first of a new window."""
    breaker = Breaker(POLICY)
    for _ in range(9):
        breaker.failed(0.0)
    assert not breaker.failed(quiet)
    assert not breaker.failed(quiet)
