"""Several edges, one limit: what they admit together, what it costs, what a lost store does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for, identity
from edge_people import People

from gateline.edge.exchange import Exchange, Refused
from gateline.edge.limits import LimitKeeper, ValkeyStore
from gateline.edge.limits.store import Answer, Question, StoreAway
from gateline.edge.limits.together import LimitsTogether
from gateline.policy.credentials import ApiKey
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit
from gateline.policy.reasons import LIMIT_SPENT
from gateline.policy.routes import Destination, Route
from gateline.shared import kv

HOUR = LimitRule(Limit(400, 3600), 400)
SMALL = LimitRule(Limit(3, 3600), 3)
Scenario = Callable[[], Coroutine[Any, Any, None]]
_numbers = itertools.count()


class LostStore:
    """A store that is away until it is told to come back; then it grants everything."""

    def __init__(self) -> None:
        self.operations = 0
        self.away = True
        self.edges = 1
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        """Answer, or be away."""
        self.operations += 1
        if self.away:
            raise StoreAway("ConnectionError")
        self.asked.append(question)
        return Answer(question.wanted, 100, 1.0, 0.0)

    async def greet(self, *, leaving: bool = False) -> int:
        """Count edges, or be away."""
        if self.away:
            raise StoreAway("ConnectionError")
        return self.edges - leaving


def _plan(*routes: Route, api_keys: tuple[ApiKey, ...] = ()) -> Any:
    return SimpleNamespace(routes=routes, api_keys=api_keys)


@asynccontextmanager
async def _keepers(people: People, count: int) -> AsyncIterator[list[tuple[LimitKeeper, Any]]]:
    """Give edges of one fleet, each with a connection of its own."""
    prefix = f"fleet-{next(_numbers)}:"
    connections = [kv.connect_async(people.settings) for _ in range(count)]
    stores = [
        ValkeyStore(one, f"edge-{number}", prefix=prefix) for number, one in enumerate(connections)
    ]
    for store in stores:
        await store.greet()
    keepers = [LimitKeeper(store) for store in stores]
    for keeper in keepers:
        keeper.edges = count
    try:
        yield list(zip(keepers, stores, strict=True))
    finally:
        for connection in connections:
            await connection.aclose()


async def _ask(limits: LimitsTogether, **known: Any) -> tuple[bool, Exchange]:
    exchange = exchange_for(Answered(), **known)
    try:
        waiting = limits.take(exchange)
        if waiting is not None:
            await waiting
    except Refused as error:
        refused = error
    else:
        return True, exchange
    assert refused.reason is LIMIT_SPENT
    assert int(dict(refused.headers)[b"retry-after"]) >= 1
    return False, exchange


def _limits(keeper: LimitKeeper, *rules: LimitRule, name: str = "route") -> LimitsTogether:
    limits = keeper.together(name, rules)
    assert limits is not None
    return limits


def test_edges_admit_the_limit_together_and_seldom_ask(people: People) -> None:
    """Four thousand at once over two edges: exactly the limit, and few store operations."""

    async def scenario() -> None:
        async with _keepers(people, 2) as edges:
            both = [_limits(keeper, HOUR) for keeper, _ in edges]
            admitted = 0
            for _ in range(20):
                verdicts = await asyncio.gather(*(_ask(both[number % 2]) for number in range(200)))
                admitted += sum(verdict for verdict, _ in verdicts)
            operations = sum(store.operations for _, store in edges)

            assert 400 <= admitted <= 401
            assert operations <= 400

    asyncio.run(scenario())


def test_one_after_the_other_costs_little_as_well(people: People) -> None:
    """A client that does not ask in parallel is served from leases too."""

    async def scenario() -> None:
        async with _keepers(people, 2) as edges:
            both = [_limits(keeper, HOUR) for keeper, _ in edges]
            verdicts = [(await _ask(both[number % 2]))[0] for number in range(1200)]
            operations = sum(store.operations for _, store in edges)

            assert 400 <= sum(verdicts) <= 401
            assert operations <= 120

    asyncio.run(scenario())


def test_what_one_edge_holds_comes_back(people: People) -> None:
    """An edge that needs its lease no more, or stops, leaves all of the limit to the others."""

    async def scenario() -> None:
        async with _keepers(people, 2) as edges:
            (one, _), (other, _) = edges
            for _ in range(100):
                await _ask(_limits(one, HOUR))
            running = asyncio.ensure_future(one.run())
            await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            verdicts = [(await _ask(_limits(other, HOUR)))[0] for _ in range(310)]

            assert 300 <= sum(verdicts) <= 301

    asyncio.run(scenario())


def test_all_of_several_limits_must_admit(people: People) -> None:
    """A request that the second refuses does not count for the first."""

    async def scenario() -> None:
        async with _keepers(people, 1) as [(keeper, _)]:
            header = LimitRule(Limit(2, 3600), 2, "header", b"x-shop")
            limits = _limits(keeper, SMALL, header)
            shops = [b"a", b"a", b"a", b"a", b"b"]
            found = [await _ask(limits, headers=[(b"x-shop", shop)]) for shop in shops]

            assert [verdict for verdict, _ in found] == [True, True, False, False, True]
            first = dict(found[0][1].response_headers)
            assert first[b"ratelimit-policy"] == b'"client";q=3;w=3600, "header";q=2;w=3600'
            assert first[b"ratelimit"].startswith(b'"client";r=2;t=')
            assert first[b"x-ratelimit-limit"] == b"2"
            assert first[b"x-ratelimit-remaining"] == b"1"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("by", "same", "other"),
    [
        ("client", {}, {"client": "10.9.9.9"}),
        ("client", {"client": "2001:db8::1"}, {"client": "2001:db8:0:1::1"}),
        ("user", {"identity": identity(1)}, {"identity": identity(2)}),
        ("service_key", {"headers": [(b"x-service-key", b"a")]}, {}),
        ("header", {"headers": [(b"x-shop", b"a")]}, {"headers": [(b"x-shop", b"b")]}),
    ],
)
def test_each_key_has_a_limit_of_its_own(
    people: People, by: Any, same: dict[str, Any], other: dict[str, Any]
) -> None:
    """One that is spent leaves the next alone."""

    async def scenario() -> None:
        async with _keepers(people, 1) as [(keeper, _)]:
            limits = _limits(keeper, LimitRule(Limit(1, 3600), 1, by, b"x-shop"))
            found = [(await _ask(limits, **known))[0] for known in (same, same, other)]

            assert found == [True, False, True]

    asyncio.run(scenario())


def test_neighbours_in_one_ipv6_network_are_one_client(people: People) -> None:
    """Whoever has one address there has all of them."""

    async def scenario() -> None:
        async with _keepers(people, 1) as [(keeper, _)]:
            limits = _limits(keeper, LimitRule(Limit(1, 3600), 1))
            first, _ = await _ask(limits, client="2001:db8::1")
            second, _ = await _ask(limits, client="2001:db8::ffff:2")

            assert (first, second) == (True, False)

    asyncio.run(scenario())


def test_a_route_can_be_limited_for_all_together(people: People) -> None:
    """By route: whoever asks."""

    async def scenario() -> None:
        async with _keepers(people, 1) as [(keeper, _)]:
            limits = _limits(keeper, LimitRule(Limit(1, 3600), 1, "route"))
            found = [(await _ask(limits, client=client))[0] for client in ("10.1.1.1", "10.1.1.2")]

            assert found == [True, False]

    asyncio.run(scenario())


def test_without_the_store_each_edge_admits_its_part() -> None:
    """The first request finds out; none is refused or let in for that, and the log says so once."""

    async def scenario() -> None:
        store = LostStore()
        keeper = LimitKeeper(store)
        keeper.edges = 4
        limits = _limits(keeper, HOUR)
        found = [(await _ask(limits))[0] for _ in range(150)]

        assert sum(found) == 100
        assert keeper.away
        assert store.operations == 1

    asyncio.run(scenario())


def test_the_store_learns_what_was_admitted_without_it() -> None:
    """Back again, limits are shared, and nobody has more than before."""

    async def scenario() -> None:
        store = LostStore()
        keeper = LimitKeeper(store)
        limits = _limits(keeper, HOUR)
        for _ in range(60):
            await _ask(limits)
        store.away = False
        running = asyncio.ensure_future(keeper.run())
        await asyncio.sleep(0.05)
        await _ask(limits)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

        assert not keeper.away
        assert store.asked[0].owed == 60

    asyncio.run(scenario())


def test_a_request_that_is_cancelled_leaves_the_others_alone() -> None:
    """A client that leaves while the store is asked neither fails nor starves who waits too."""

    async def scenario() -> None:
        store = LostStore()
        store.away = False
        limits = _limits(LimitKeeper(store), HOUR)
        waiting = [asyncio.ensure_future(_ask(limits)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        rest = await asyncio.gather(*waiting[1:])

        assert [verdict for verdict, _ in rest] == [True] * 4

    asyncio.run(scenario())


def test_counts_go_on_over_a_new_version() -> None:
    """Reading the file anew gives nobody a fresh limit, and forgets limits that are gone."""

    async def scenario() -> None:
        store = LostStore()
        keeper = LimitKeeper(store)
        route = Route("shop", "/shop/*", Destination("shop"), limits=(SMALL,))
        gone = Route("gone", "/gone/*", Destination("shop"), limits=(SMALL,))
        free = Route("free", "/free/*", Destination("shop"))
        first = keeper.for_plan(_plan(route, gone, free))
        assert first is not None
        spent = keeper.together("shop", route.limits), keeper.together("gone", gone.limits)
        keeper.settled(SimpleNamespace(plan=_plan(route, free)))  # type: ignore[arg-type] # enough

        again = keeper.together("shop", route.limits), keeper.together("gone", gone.limits)
        same = [
            one.counters == other.counters
            for one, other in zip(spent, again, strict=True)
            if one is not None and other is not None
        ]
        assert same == [True, False]
        assert first.take_unknown(exchange_for(Answered()), free) is None
        assert first.take(exchange_for(Answered()), free) is None
        assert keeper.for_plan(_plan(free)) is None

    asyncio.run(scenario())


def test_a_version_that_never_serves_leaves_no_counter() -> None:
    """What is made beside the version that serves is a draft, which no other thread stumbles on."""
    keeper = LimitKeeper(LostStore())
    shop = Route("shop", "/shop/*", Destination("shop"), limits=(SMALL, HOUR, SMALL))
    less = Route("shop", "/shop/*", Destination("shop"), limits=(SMALL, HOUR))
    cart = Route("cart", "/cart/*", Destination("cart"), limits=(SMALL,))

    def named(plan: Any) -> list[tuple[str, LimitRule]]:
        keeper.for_plan(plan)
        keeper.settled(SimpleNamespace(plan=plan))  # type: ignore[arg-type] # enough
        return [(one.name, one.rule) for one in keeper._all()]

    assert named(_plan(shop)) == [("shop", SMALL), ("shop", HOUR), ("shop", SMALL)]
    serving = list(keeper._all())
    keeper.for_plan(_plan(shop, cart))
    assert list(keeper._all()) == serving
    assert named(_plan(less)) == [("shop", SMALL), ("shop", HOUR)]
    assert list(keeper._all()) == serving[:2]
    assert named(_plan(cart)) == [("cart", SMALL)]


def test_what_the_edge_answers_itself_is_counted_without_the_store() -> None:
    """A probe never waits for a store that is away, and cannot be asked without end."""

    async def scenario() -> None:
        store = LostStore()
        limits = LimitKeeper(store).own("edge:livez", SMALL)
        verdicts = [(await _ask(limits))[0] for _ in range(5)]
        elsewhere, _ = await _ask(limits, client="192.0.2.9")

        assert verdicts == [True] * 3 + [False] * 2
        assert elsewhere
        assert store.operations == 0

    asyncio.run(scenario())


def test_a_limit_by_the_client_alone_needs_nobody_to_be_known() -> None:
    """Guesses of tokens count; what belongs to others can be spent by none but them."""

    async def scenario() -> None:
        by_user = LimitRule(Limit(3, 3600), 3, "user")
        early = Route("early", "/early/*", Destination("shop"), limits=(SMALL, SMALL))
        late = Route("late", "/late/*", Destination("shop"), limits=(SMALL, by_user))
        limits = LimitKeeper(LostStore()).for_plan(_plan(early, late))
        assert limits is not None

        for route, take in ((early, limits.take_unknown), (late, limits.take)):
            waiting = take(exchange_for(Answered()), route)
            assert waiting is not None
            await waiting
        assert limits.take(exchange_for(Answered()), early) is None
        assert limits.take_unknown(exchange_for(Answered()), late) is None

    asyncio.run(scenario())


def test_keys_are_forgotten_when_there_are_too_many() -> None:
    """Memory is bounded however many clients come."""

    async def scenario() -> None:
        store = LostStore()
        store.away = False
        keeper = LimitKeeper(store)
        limits = _limits(keeper, HOUR)
        counter = limits.counters[0]
        counter._most_keys = 50
        for number in range(200):
            await _ask(limits, client=f"10.0.{number // 256}.{number % 256}")

        assert len(counter.shares) == 50

    asyncio.run(scenario())
