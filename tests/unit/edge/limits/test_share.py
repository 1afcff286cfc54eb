"""What an edge decides by itself, with a clock that the test holds."""

import pytest
from leased_bucket import LeasedBucket

from gateline.edge.limits.share import Share
from gateline.edge.limits.store import LEASE_SECONDS, Answer
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit

FAST = LimitRule(Limit(1000, 10), 1000)
SLOW = LimitRule(Limit(10, 60), 10)


def _asked(share: Share, answer: Answer, now: float) -> Share:
    share.learn(answer, now, now, edges=1)
    return share


def test_what_is_held_is_spent_without_asking() -> None:
    """A lease of three is three requests; then the store must be asked."""
    share = _asked(Share("key", FAST, 0.0), Answer(3, 997, 0.03, 0.0), now=0.0)

    assert [share.spend(0.1) for _ in range(4)] == [True, True, True, None]


def test_a_lease_ends_with_its_time() -> None:
    """What was not used in time is not spent: others have it by then."""
    share = _asked(Share("key", FAST, 0.0), Answer(3, 997, 0.03, 0.0), now=0.0)

    assert share.spend(LEASE_SECONDS) is None


def test_a_refusal_holds_until_one_is_free() -> None:
    """While the store cannot have anything, it is not asked."""
    share = _asked(Share("key", SLOW, 0.0), Answer(0, 0, 60.0, 6.0), now=0.0)

    assert [share.spend(now) for now in (0.1, 3.0, 5.9)] == [False, False, False]
    assert share.retry_after(2.0) == 4.0
    assert share.spend(6.1) is None


def test_an_empty_bucket_is_asked_once_in_ten_requests() -> None:
    """A key that wants more than its limit does not ask for each request that becomes free."""
    share = _asked(Share("key", FAST, 0.0), Answer(0, 0, 10.0, 0.01), now=0.0)

    verdicts = [share.spend(0.02 + number / 1000) for number in range(10)]

    assert verdicts == [False] * 9 + [None]


def test_an_empty_bucket_is_asked_after_half_a_second_at_the_latest() -> None:
    """Nobody who comes seldom is refused for long after something is free."""
    share = _asked(Share("key", FAST, 0.0), Answer(0, 0, 10.0, 0.01), now=0.0)

    assert share.spend(0.3) is None


def test_the_lease_grows_with_the_pace_and_shrinks_again() -> None:
    """Twice as much each time it is used up soon, up to a part of the limit; little when slow."""
    share = Share("key", FAST, 0.0)
    wanted = []
    now = 0.0
    for _ in range(11):
        now += 0.1
        question = share.question(now, edges=2, waiting=1)
        wanted.append(question.wanted)
        _asked(share, Answer(question.wanted, 500, 1.0, 0.0), now)
        share.held = 0
    later = share.question(now + 60.0, edges=2, waiting=1)

    assert wanted == [2, 4, 8, 16, 32, 64, 125, 125, 125, 125, 125]
    assert later.wanted == 1


def test_a_small_limit_is_not_held_back_from_others() -> None:
    """Of ten a minute no edge takes more than it needs."""
    share = Share("key", SLOW, 0.0)

    assert [share.question(number / 10, 1, 1).wanted for number in range(4)] == [1, 1, 1, 1]


def test_those_who_wait_are_asked_for_together() -> None:
    """As many as wait are wanted, and said to be used at once."""
    question = Share("key", SLOW, 0.0).question(0.0, edges=3, waiting=7)

    assert (question.wanted, question.used) == (7, 7)


def test_what_is_not_used_is_told_with_the_next_question() -> None:
    """A lease that ran out comes back, and the next one is as large as what was used."""
    share = _asked(Share("key", FAST, 0.0), Answer(8, 900, 0.1, 0.0), now=0.0)
    share.spend(1.0)
    share.spend(1.1)
    question = share.question(LEASE_SECONDS + 1.0, edges=1, waiting=1)

    assert (question.returned, question.wanted) == (6, 2)


def test_alone_an_edge_admits_its_part() -> None:
    """Four edges without a store admit a quarter each, at a quarter of the rate."""
    share = Share("key", FAST, 0.0)

    assert sum(share.spend_alone(0.0, edges=4) for _ in range(300)) == 250
    assert sum(share.spend_alone(2.0, edges=4) for _ in range(300)) == 50


@pytest.mark.parametrize(("burst", "edges"), [(1, 8), (5, 8), (8, 8), (21, 8), (1, 1)])
def test_alone_all_edges_together_keep_to_the_rate(burst: int, edges: int) -> None:
    """Also where the burst is less than one request for each: then one each may come at once."""
    rule = LimitRule(Limit(60, 60), burst)
    shares = [Share("k", rule, 0.0) for _ in range(edges)]

    def press(start: float, seconds: int) -> int:
        moments = [start + tick / 10 for tick in range(seconds * 10)]
        return sum(share.spend_alone(now, edges) for now in moments for share in shares)

    assert press(0.0, 60) <= 60 + burst, "it begins with what was known to be free"
    assert press(100_000.0, 60) <= 60 + max(burst, edges)
    assert press(200_000.0, 600) >= 600


def test_alone_it_begins_where_the_store_left_off() -> None:
    """Losing the store does not fill the bucket again."""
    share = _asked(Share("key", SLOW, 0.0), Answer(1, 0, 60.0, 6.0), now=0.0)
    share.spend(0.0)

    assert share.spend_alone(0.1, edges=1) is False
    assert share.spend_alone(6.1, edges=1) is True


def test_what_was_admitted_alone_is_told_once_the_store_is_back() -> None:
    """The others learn of it, until an answer says that the store knows."""
    share = Share("key", FAST, 0.0)
    for _ in range(20):
        share.spend_alone(0.0, edges=2)
    lost = share.question(0.05, edges=2, waiting=1)
    told = share.question(0.05, edges=2, waiting=1)
    _asked(share, Answer(1, 900, 1.0, 0.0), 0.05)
    share.held = 0

    assert lost.owed == told.owed == 18
    assert share.question(0.1, edges=2, waiting=1).owed == 0


def test_only_what_nobody_needs_is_forgotten() -> None:
    """Neither a lease nor a refusal that still holds."""
    fresh = Share("key", FAST, 0.0)
    leased = _asked(Share("key", FAST, 0.0), Answer(5, 900, 1.0, 0.0), 0.0)
    refused = _asked(Share("key", SLOW, 0.0), Answer(0, 0, 60.0, 6.0), 0.0)

    assert fresh.is_forgettable(0.0)
    assert not leased.is_forgettable(1.0)
    assert leased.is_forgettable(LEASE_SECONDS)
    assert not refused.is_forgettable(5.0)


def _drive(rule: LimitRule, *, edges: int, pace: float, seconds: float) -> tuple[int, int, int]:
    """Send `pace` requests a second to each edge; return how many, admitted, and store questions.

    The store is the bucket that the script is held against, without a network between.
    """
    bucket = LeasedBucket(rule.interval * 1e6, rule.burst)
    shares = [Share("key", rule, 0.0) for _ in range(edges)]
    sent = admitted = asked = 0
    for tick in range(int(seconds * pace)):
        for number, share in enumerate(shares):
            now = (tick + number / edges) / pace
            verdict = share.spend(now)
            if verdict is None:
                question = share.question(now, edges, 1)
                grant = bucket.ask(
                    str(number),
                    int(now * 1e6),
                    question.wanted,
                    used=question.used,
                    returned=question.returned,
                )
                debt = bucket.bucket.debt / 1e6
                answer = Answer(grant.granted, grant.left, debt, grant.retry / 1e6)
                share.learn(answer, now, now, edges)
                asked += 1
                verdict = bool(share.held)
                share.held -= verdict
            sent += 1
            admitted += verdict
    return sent, admitted, asked


@pytest.mark.parametrize("pace", [2.0, 4.9, 20.0, 500.0])
@pytest.mark.parametrize("edges", [1, 2, 4])
def test_a_busy_key_asks_once_in_ten_requests(pace: float, edges: int) -> None:
    """Below its limit and above it, from a few requests a second on; and what is free is admitted.

    Above the limit some may still be free in the store at the end, at most what half a second
    brings and what the edges hold.
    """
    rule = LimitRule(Limit(600, 60), 600)
    sent, admitted, asked = _drive(rule, edges=edges, pace=pace, seconds=60.0)
    free = 600 + 600

    assert asked <= sent / 10 + 10
    assert admitted <= free + 1
    assert admitted >= min(sent, free * 0.9)
