"""How many requests may be repetitions."""

from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.budgets import may_retry
from gateline.policy.services import RetryBudget

BUDGET = RetryBudget(share=0.2, least=3)


def test_a_share_of_the_active_requests_may_be_repeated() -> None:
    """Of a hundred requests twenty are repeated at once, not one more."""
    assert may_retry(BUDGET, active=100, retrying=19)
    assert not may_retry(BUDGET, active=100, retrying=20)


def test_a_few_may_always_be() -> None:
    """A quiet service's single request is repeated too."""
    assert may_retry(BUDGET, active=1, retrying=0)
    assert may_retry(BUDGET, active=1, retrying=2)
    assert not may_retry(BUDGET, active=1, retrying=3)


def test_a_budget_of_nothing_allows_nothing() -> None:
    """Without a share and without a least, nothing is repeated."""
    assert not may_retry(RetryBudget(share=0.0, least=0), active=1000, retrying=0)


@given(active=st.integers(0, 5000))
def test_repetitions_add_at_most_a_quarter(active: int) -> None:
    """Taken as often as it is allowed, the budget makes at most 1.25 attempts of a request."""
    retrying = 0
    while may_retry(BUDGET, active=active, retrying=retrying):
        retrying += 1
    if active >= 15:
        assert active / (active - retrying) <= 1.25 + 1.5 / (active - retrying)
    else:
        assert retrying == 3
