"""When a dead child is started again, and when no more."""

from gateline.local.restarts import RestartPolicy, Restarts

POLICY = RestartPolicy(delays=(0.1, 1.0), settled=10.0)


def test_deaths_in_a_row_wait_longer_and_longer() -> None:
    """Each death without recovery takes the next delay."""
    first = Restarts(POLICY).after_death(ready_at=None, now=1.0)
    second = first.after_death(ready_at=2.0, now=3.0)

    assert (first.delay, second.delay) == (0.1, 1.0)


def test_too_many_deaths_in_a_row_end_the_trying() -> None:
    """With the delays used up there is no next start."""
    restarts = Restarts(POLICY)
    for now in (1.0, 2.0, 3.0):
        restarts = restarts.after_death(ready_at=None, now=now)

    assert restarts.deaths == 3
    assert restarts.delay is None


def test_a_child_that_had_settled_starts_over() -> None:
    """A death after long service is a first death."""
    tired = Restarts(POLICY, deaths=2).after_death(ready_at=100.0, now=110.0)

    assert tired.deaths == 1
    assert tired.delay == 0.1


def test_a_short_life_is_no_recovery() -> None:
    """Having answered for a moment does not forgive."""
    restarts = Restarts(POLICY, deaths=1).after_death(ready_at=100.0, now=109.9)

    assert restarts.deaths == 2
