"""How many of the requests under way may be repetitions."""

from gateline.policy.services import RetryBudget


def may_retry(budget: RetryBudget, *, active: int, retrying: int) -> bool:
    """Tell whether one more request may be tried again.

    `active` are the requests that wait for the service, `retrying` those of them that wait for,
    or are on, a further attempt. However badly a service fails, the load on it thus grows by no
    more than the share of the budget.
    """
    return retrying < max(budget.least, budget.share * active)
