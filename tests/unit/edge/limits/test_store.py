"""The script in the store does what the policy says, and its client survives what stores do."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis
import redis.asyncio
from edge_people import People
from hypothesis import given, settings
from hypothesis import strategies as st
from leased_bucket import LIFE, LeasedBucket

from gateline.edge.limits.store import Question, StoreAway, ValkeyStore
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit
from gateline.shared import kv, lua

HOUR = LimitRule(Limit(10, 3600), 10)
Scenario = Callable[["redis.asyncio.Redis"], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
_numbers = itertools.count()

asks = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 2_500_000),
        st.integers(0, 12),
        st.integers(0, 4),
        st.integers(0, 9),
        st.integers(0, 2),
    ),
    max_size=30,
)


@pytest.fixture
def run(people: People) -> Run:
    """Run a scenario with a connection to the real store."""

    def run_scenario(scenario: Scenario) -> None:
        async def whole() -> None:
            store = kv.connect_async(people.settings)
            try:
                await scenario(store)
            finally:
                await store.aclose()

        asyncio.run(whole())

    return run_scenario


@settings(deadline=None, max_examples=60)
@given(asks, st.integers(1, 20), st.sampled_from([100_000.0, 1e6 / 7, 1_000_000.0]))
def test_the_script_agrees_with_the_policy(
    people: People, asks: list[tuple[str, int, int, int, int, int]], burst: int, interval: float
) -> None:
    """Grant for grant, the store's bucket and its leases are those of the pure function."""
    script: Any = people.kv.register_script(lua.source("gcra_lease"))
    key = f"gcra-test:{next(_numbers)}"
    people.kv.delete(key)
    now = 1_790_000_000_000_000
    model = LeasedBucket(interval, burst)
    for edge, passed, wanted, used, returned, owed in asks:
        now += passed
        expected = model.ask(edge, now, wanted, used=used, returned=returned, owed=owed)
        words = (edge, repr(interval), burst, wanted, used, returned, owed, LIFE, now)
        granted, left, debt, retry = script(keys=[key], args=words)

        assert (granted, left) == (expected.granted, expected.left)
        assert retry == pytest.approx(expected.retry, abs=1.5)
        assert debt == pytest.approx(model.bucket.debt, abs=1.5)


def test_a_bucket_ends_when_it_is_full(people: People) -> None:
    """Nothing is kept of a key of which nothing needs to be known."""
    script: Any = people.kv.register_script(lua.source("gcra_lease"))
    script(keys=["gcra-test:life"], args=("a", 2_000_000, 10, 3, 3, 0, 0, LIFE, ""))

    assert 6_000 <= people.kv.pttl("gcra-test:life") <= 7_001


def test_those_who_ask_together_are_answered_together(run: Run, people: People) -> None:
    """Many questions at once are few round trips, each with an answer of its own."""

    async def scenario(connection: "redis.asyncio.Redis") -> None:
        store = ValkeyStore(connection, "edge", prefix="together:")
        keys = [f"key-{number}" for number in range(40)]
        before = people.kv.info("stats")["total_reads_processed"]
        answers = await asyncio.gather(
            *(store.ask(Question(key, HOUR, wanted=3, used=3)) for key in keys)
        )

        assert [one.granted for one in answers] == [3] * 40
        assert store.operations == 40
        assert people.kv.info("stats")["total_reads_processed"] - before < 15

    run(scenario)


def test_a_store_that_forgot_the_script_is_told_again(run: Run) -> None:
    """A store that was started anew costs nobody a refusal."""

    async def scenario(connection: "redis.asyncio.Redis") -> None:
        store = ValkeyStore(connection, "edge", prefix="forgotten:")
        question = Question("key", HOUR, wanted=1, used=1)
        await store.ask(question)
        await connection.script_flush()

        assert (await store.ask(question)).left == 8

    run(scenario)


def test_a_store_that_hangs_is_away(run: Run, people: People) -> None:
    """Nobody waits longer than agreed, and who asked meanwhile does not wait again."""

    async def scenario(connection: "redis.asyncio.Redis") -> None:
        store = ValkeyStore(connection, "edge", prefix="hanging:", answer_seconds=0.05)
        await store.ask(Question("key", HOUR, wanted=1, used=1))
        people.kv.client_pause(600, all=True)
        try:
            first = asyncio.ensure_future(store.ask(Question("key", HOUR, wanted=1, used=1)))
            await asyncio.sleep(0.01)
            second = asyncio.ensure_future(store.ask(Question("key", HOUR, wanted=1, used=1)))
            done, _ = await asyncio.wait({first, second}, timeout=0.4)
        finally:
            people.kv.client_unpause()

        assert {type(one.exception()) for one in done} == {StoreAway}
        assert len(done) == 2

    run(scenario)


def test_edges_know_how_many_they_are(run: Run) -> None:
    """One that leaves counts no more."""

    async def scenario(connection: "redis.asyncio.Redis") -> None:
        one = ValkeyStore(connection, "one", prefix="edges:")
        other = ValkeyStore(connection, "other", prefix="edges:")

        assert await one.greet() == 1
        assert await other.greet() == 2
        assert await one.greet() == 2
        assert await one.greet(leaving=True) == 1

    run(scenario)


def test_nothing_listens(people: People) -> None:
    """A store that refuses the connection is away too."""

    async def scenario() -> None:
        nowhere = people.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
        store = ValkeyStore(kv.connect_async(nowhere), "edge")
        with pytest.raises(StoreAway):
            await store.ask(Question("key", HOUR, wanted=1, used=1))
        with pytest.raises(StoreAway):
            await store.greet()

    asyncio.run(scenario())
