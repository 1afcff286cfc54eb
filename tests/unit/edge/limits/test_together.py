"""Several limits that count the same requests, over time: what they admit, what refusing costs."""

import asyncio
from collections import defaultdict

from edge_exchange import Answered, exchange_for
from hypothesis import given, settings
from hypothesis import strategies as st
from leased_bucket import LeasedBucket
from virtual_time import run_virtually

from gateline.edge.exchange import Refused
from gateline.edge.limits.keeper import LimitKeeper
from gateline.edge.limits.store import Answer, Question
from gateline.edge.limits.together import LimitsTogether
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit

_ROUND_TRIP = 0.003


class ModelStore:
    """The store as its script is held against it, a round trip away; edges share `buckets`."""

    def __init__(self, edge: str, buckets: dict[str, LeasedBucket]) -> None:
        self.operations = 0
        self._edge = edge
        self._buckets = buckets

    async def ask(self, question: Question) -> Answer:
        """Answer after half of the round trip's time, and let it travel back for the other."""
        await asyncio.sleep(_ROUND_TRIP / 2)
        rule = question.rule
        bucket = self._buckets.setdefault(
            question.key, LeasedBucket(rule.interval * 1e6, rule.burst)
        )
        grant = bucket.ask(
            self._edge,
            int(asyncio.get_running_loop().time() * 1e6),
            question.wanted,
            used=question.used,
            returned=question.returned,
            owed=question.owed,
        )
        await asyncio.sleep(_ROUND_TRIP / 2)
        debt = bucket.bucket.debt / 1e6
        return Answer(grant.granted, grant.left, debt, grant.retry / 1e6)

    async def greet(self, *, leaving: bool = False) -> int:
        """Count the edges."""
        return 2 - leaving


class Fleet:
    """Two edges with one route of two limits, the second by header X-Tenant."""

    def __init__(self, *rules: LimitRule) -> None:
        self.buckets: dict[str, LeasedBucket] = {}
        self.edges = [self._edge(name, rules) for name in ("one", "two")]
        self.admitted: dict[tuple[int, str], list[float]] = defaultdict(list)

    def _edge(self, name: str, rules: tuple[LimitRule, ...]) -> LimitsTogether:
        keeper = LimitKeeper(ModelStore(name, self.buckets))
        keeper.edges = 2
        limits = keeper.together("route", rules)
        assert limits is not None
        return limits

    async def ask(self, edge: int, client: str, tenant: bytes) -> bool:
        """Send one request; tell whether it was admitted."""
        exchange = exchange_for(Answered(), headers=[(b"x-tenant", tenant)], client=client)
        try:
            waiting = self.edges[edge].take(exchange)
            if waiting is not None:
                await waiting
        except Refused:
            return False
        now = asyncio.get_running_loop().time()
        self.admitted[(0, client)].append(now)
        self.admitted[(1, tenant.decode())].append(now)
        return True


def _most_within(times: list[float], rule: LimitRule) -> float:
    """Return by how many the admitted exceed rate and burst in any stretch of time."""
    return max(
        (last - first + 1) - (rule.burst + (times[last] - times[first]) / rule.interval)
        for first in range(len(times))
        for last in range(first, len(times))
    )


RULES = st.builds(
    lambda requests, seconds, burst: (Limit(requests, seconds), burst),
    st.integers(1, 40),
    st.sampled_from([1, 5, 20]),
    st.integers(1, 40),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.001, 0.02, 0.3, 2.0, 6.0]),
        st.integers(0, 1),
        st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        st.sampled_from([b"a", b"b"]),
        st.integers(1, 12),
        st.booleans(),
    ),
    min_size=5,
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(RULES, RULES, STEPS)
def test_no_limit_is_exceeded_whatever_the_other_says(
    first: tuple[Limit, int],
    second: tuple[Limit, int],
    steps: list[tuple[float, int, str, bytes, int, bool]],
) -> None:
    """In no stretch of time more than rate and burst, though some give up while they wait."""
    rules = (LimitRule(*first), LimitRule(*second, "header", b"x-tenant"))
    fleet = Fleet(*rules)

    async def scenario() -> None:
        asking = []
        for pause, edge, client, tenant, count, leaves in steps:
            await asyncio.sleep(pause)
            several = [asyncio.ensure_future(fleet.ask(edge, client, tenant)) for _ in range(count)]
            asking += several
            if leaves:
                await asyncio.sleep(_ROUND_TRIP / 3)
                for one in several[::2]:
                    one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    run_virtually(scenario())
    for (which, _), times in fleet.admitted.items():
        # What is counted when it comes is counted in the store up to a round trip earlier.
        slack = 2 * _ROUND_TRIP / rules[which].interval
        assert _most_within(times, rules[which]) <= slack + 1e-6


def test_a_limit_that_refuses_for_sure_costs_the_others_nothing() -> None:
    """Whoever hammers against one limit does not use up the other by that."""
    rules = (
        LimitRule(Limit(10, 3600), 10),
        LimitRule(Limit(1, 3600), 1, "header", b"x-tenant"),
    )
    fleet = Fleet(*rules)

    async def scenario() -> list[bool]:
        verdicts = [await fleet.ask(0, "10.0.0.1", b"a") for _ in range(30)]
        return [
            *verdicts,
            *[await fleet.ask(0, "10.0.0.1", b"b%d" % number) for number in range(9)],
        ]

    verdicts = run_virtually(scenario())
    assert verdicts[:30] == [True] + [False] * 29
    assert sum(verdicts[30:]) >= 8
