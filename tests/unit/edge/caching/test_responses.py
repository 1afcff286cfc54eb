"""The shared cache: what it answers itself, what it asks, and what it never mixes up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for, identity

from gateline.edge.answers import start
from gateline.edge.caching import ResponseCache, Storage
from gateline.edge.exchange import AnswerBroken, Exchange, Refused
from gateline.edge.responding import respond
from gateline.edge.upstream import Response
from gateline.edge.upstream.response import BodyReader
from gateline.policy.caching import CacheRule
from gateline.policy.gcra import LimitRule
from gateline.policy.headers import Headers
from gateline.policy.limits import Limit
from gateline.policy.reasons import UPSTREAM_UNAVAILABLE
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Service, endpoints_at

TO = Destination("shop")
RULE = CacheRule(default_seconds=60)
ROUTE = Route("shop", "/shop/*", TO, auth="none", cache=RULE)
TAGGED: Headers = [(b"etag", b'"one"'), (b"cache-control", b"max-age=60")]
SHOP = Service("shop", endpoints_at("http://127.0.0.1:1"))


@dataclass
class Clock:
    """Epoch seconds that pass when a test says so."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass
class Shop:
    """The service behind: `says` makes its answers, `seen` are the requests that it got."""

    says: Callable[[Exchange], Response]
    seen: list[Exchange] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def forward(self, exchange: Exchange, _: Route, __: Destination) -> None:
        """Forward a request as the edge does."""
        self.seen.append(exchange)
        if self.gate is not None:
            await self.gate.wait()
        await respond(exchange, self.says(exchange))


def says(status: int = 200, headers: Headers | None = None, body: bytes = b"hello") -> Any:
    """Return a service's behaviour: always the same answer."""
    return lambda _: Response(status, list(headers or []), body)


def down(_: Exchange) -> Response:
    """Fail as an upstream does that is away."""
    raise Refused(UPSTREAM_UNAVAILABLE)


class Place:
    """A cache, its clock, and a shop behind it."""

    def __init__(self, behaviour: Any, route: Route = ROUTE, **bounds: int) -> None:
        self.clock = Clock()
        self.storage = Storage(clock=self.clock, **bounds)
        self.cache = ResponseCache(self.storage)
        self.shop = Shop(behaviour)
        self.route = route
        self.services = {"shop": SHOP}

    async def ask(
        self,
        path: str = "/shop/1",
        method: str = "GET",
        *headers: tuple[bytes, bytes],
        **known: Any,
    ) -> Answered:
        """Send a request through the cache; raises Refused."""
        answered = Answered()
        exchange = exchange_for(
            answered,
            method,
            path,
            headers=[(b"host", b"shop.example"), *headers],
            route=self.route,
            gateway=SimpleNamespace(plan=SimpleNamespace(services=self.services)),
            **known,
        )
        await self.cache.answer(exchange, self.route, TO, self.shop.forward)
        return answered

    @property
    def asked(self) -> int:
        """How many requests the service got."""
        return len(self.shop.seen)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario on a loop of its own, with an end."""

    async def bounded() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(bounded())


def status_of(answered: Answered) -> bytes:
    """Return what Cache-Status says."""
    return answered.headers[b"cache-status"]


def test_a_kept_answer_is_given_again() -> None:
    """The second request does not reach the service; it gets the same with its age."""
    place = Place(says(headers=[(b"x-a", b"1"), (b"x-a", b"2"), (b"age", b"9")]))

    async def scenario() -> None:
        first = await place.ask()
        place.clock.now += 10
        second = await place.ask()
        assert place.asked == 1
        assert (second.status, second.body) == (first.status, first.body) == (200, b"hello")
        headers = second.messages[0]["headers"]
        assert [pair for pair in headers if pair[0] in (b"x-a", b"age")] == [
            (b"x-a", b"1"),
            (b"x-a", b"2"),
            (b"age", b"19"),
        ]
        assert status_of(first) == b"gateline; fwd=uri-miss; fwd-status=200; stored"
        assert status_of(second) == b"gateline; hit; ttl=41"
        assert second.headers[b"content-length"] == b"5"

    run(scenario)


def test_other_addresses_are_other_answers() -> None:
    """Path, query, host and scheme are all part of the address."""
    place = Place(says())

    async def scenario() -> None:
        await place.ask()
        await place.ask("/shop/2")
        await place.ask(query=b"a=1")
        await place.ask("/shop/1", "GET", (b"host", b"other.example"))
        await place.ask(scheme="https")
        assert place.asked == 5
        await place.ask(query=b"a=1")
        assert place.asked == 5
        assert len(place.storage) == 5

    run(scenario)


def test_one_address_may_be_written_in_several_ways() -> None:
    """The case of the host and the scheme's own port do not count (RFC 9110, 4.2.3)."""
    place = Place(says())

    async def scenario() -> None:
        await place.ask()
        await place.ask("/shop/1", "GET", (b"host", b"Shop.Example:80"))
        assert place.asked == 1
        await place.ask("/shop/1", "GET", (b"host", b"shop.example:443"))
        assert place.asked == 2
        await place.ask("/shop/1", "GET", (b"host", b"shop.example:443"), scheme="https")
        await place.ask("/shop/1", "GET", scheme="https")
        assert place.asked == 3
        await place.ask("/shop/1", "POST", (b"host", b"SHOP.example"))
        await place.ask()
        assert place.asked == 5

    run(scenario)


def test_a_stale_answer_is_asked_about() -> None:
    """A 304 makes it fresh again; the client's own conditions never travel."""
    place = Place(says(headers=TAGGED))

    async def scenario() -> None:
        await place.ask("/shop/1", "GET", (b"if-none-match", b'"old"'))
        assert b"if-none-match" not in dict(place.shop.seen[0].headers)
        place.clock.now += 61
        place.shop.says = says(304, [(b"cache-control", b"max-age=5"), (b"x-new", b"1")], b"")
        again = await place.ask()
        assert dict(place.shop.seen[1].headers)[b"if-none-match"] == b'"one"'
        assert (again.status, again.body) == (200, b"hello")
        assert again.headers[b"x-new"] == b"1"
        assert status_of(again) == b"gateline; fwd=stale; fwd-status=304"
        place.clock.now += 4
        assert status_of(await place.ask()) == b"gateline; hit; ttl=1"
        assert place.asked == 2

    run(scenario)


def test_the_vary_of_a_304_counts() -> None:
    """What the answer depends on may be said later; `*` makes that it is kept no longer."""
    place = Place(says(headers=TAGGED))
    german, spanish = (b"accept-language", b"de"), (b"accept-language", b"es")

    async def scenario() -> None:
        await place.ask("/shop/1", "GET", german)
        place.clock.now += 61
        place.shop.says = says(304, [(b"vary", b"accept-language")], b"")
        await place.ask("/shop/1", "GET", german)
        place.shop.says = says(headers=[*TAGGED, (b"vary", b"accept-language")], body=b"hola")
        assert (await place.ask("/shop/1", "GET", spanish)).body == b"hola"
        assert (await place.ask("/shop/1", "GET", german)).body == b"hello"
        assert place.asked == 3
        place.clock.now += 61
        place.shop.says = says(304, [(b"vary", b"*")], b"")
        await place.ask("/shop/1", "GET", german)
        assert len(place.storage) == 0

    run(scenario)


def test_the_age_of_a_304_counts_once() -> None:
    """It is where the count begins; kept, it would be sent besides the count for ever."""
    place = Place(says(headers=TAGGED))

    async def scenario() -> None:
        await place.ask()
        place.clock.now += 61
        place.shop.says = says(304, [(b"age", b"7")], b"")
        ages = []
        for _ in range(2):
            answered = await place.ask()
            headers = answered.messages[0]["headers"]
            ages.append([value for name, value in headers if name == b"age"])
            place.clock.now += 3
        assert ages == [[b"7"], [b"10"]]
        assert place.asked == 2

    run(scenario)


def test_a_304_about_another_answer_is_not_believed() -> None:
    """What is kept goes, and the service is asked once more without a condition."""
    place = Place(says(headers=TAGGED))

    def other(exchange: Exchange) -> Response:
        asked = b"if-none-match" in dict(exchange.headers)
        status, body = (304, b"") if asked else (200, b"new")
        return Response(status, [(b"etag", b'"two"'), (b"cache-control", b"max-age=60")], body)

    async def scenario() -> None:
        await place.ask()
        place.clock.now += 61
        place.shop.says = other
        answered = await place.ask()
        assert (answered.status, answered.body) == (200, b"new")
        assert (await place.ask()).body == b"new"
        assert place.asked == 3

    run(scenario)


def test_a_304_that_nobody_asked_for_is_not_passed_on() -> None:
    """Only who has just that version could make something of it (RFC 9111, 4.3.3)."""
    place = Place(says(304, [(b"etag", b'"one"')], b""))

    async def scenario() -> None:
        for condition in ([], [(b"if-none-match", b'"other"')]):
            with pytest.raises(Refused) as refused:
                await place.ask("/shop/1", "GET", *condition)
            assert refused.value.reason.code == "upstream_invalid"
        assert (await place.ask("/shop/1", "GET", (b"if-none-match", b'"one"'))).status == 304

    run(scenario)


@pytest.mark.parametrize(("status", "gone"), [(200, True), (403, True), (500, False)])
def test_what_was_followed_by_another_answer_goes(status: int, gone: bool) -> None:
    """Although that one is not kept; a failure follows nothing (RFC 9111, 4.3.3)."""
    place = Place(says(headers=TAGGED))

    async def scenario() -> None:
        await place.ask()
        place.shop.says = says(status, [(b"cache-control", b"no-store")])
        await place.ask("/shop/1", "GET", (b"cache-control", b"no-cache"))
        assert (len(place.storage) == 0) is gone
        await place.ask()
        assert place.asked == (3 if gone else 2)

    run(scenario)


def test_what_was_followed_by_a_large_stream_goes() -> None:
    """It turns out too large to be kept only on its way."""
    place = Place(says(headers=TAGGED), most_answer_bytes=10)

    async def scenario() -> None:
        await place.ask()
        place.shop.says = streams(b"a" * 11, headers=TAGGED)
        answered = await place.ask("/shop/1", "GET", (b"cache-control", b"no-cache"))
        assert answered.body == b"a" * 11
        assert len(place.storage) == 0

    run(scenario)


def test_a_cookie_in_a_304_goes_to_one_client_only() -> None:
    """Who holds the kept answer meanwhile does not get what was said to somebody else."""
    headers: Headers = [(b"cache-control", b"max-age=60, stale-if-error=600"), TAGGED[0]]
    place = Place(says(headers=headers))

    async def scenario() -> None:
        await place.ask()
        place.clock.now += 61
        place.shop.gate = asyncio.Event()
        place.shop.says = down
        other = asyncio.ensure_future(place.ask())
        await asyncio.sleep(0)
        gate, place.shop.gate = place.shop.gate, None
        place.shop.says = says(304, [(b"set-cookie", b"mine=1")], b"")
        first = await place.ask("/shop/1", "GET", (b"cache-control", b"no-cache"))
        assert (first.body, first.headers[b"set-cookie"]) == (b"hello", b"mine=1")
        place.shop.says = down
        gate.set()
        stale = await other
        assert stale.body == b"hello"
        assert b"set-cookie" not in stale.headers
        with pytest.raises(Refused):
            await place.ask()  # it is kept no longer

    run(scenario)


def test_a_new_answer_takes_the_place_of_a_stale_one() -> None:
    """The old body is gone, and its bytes are not counted any more."""
    place = Place(says(headers=TAGGED))

    async def scenario() -> None:
        await place.ask()
        size = place.storage.bytes
        place.clock.now += 61
        place.shop.says = says(headers=TAGGED, body=b"fresh")
        assert (await place.ask()).body == b"fresh"
        assert (await place.ask()).body == b"fresh"
        assert (place.asked, place.storage.bytes) == (2, size)

    run(scenario)


def test_the_newest_answer_is_given() -> None:
    """An older one that depended on something else does not stand before it (RFC 9111, 4)."""
    german, spanish = (b"accept-language", b"de"), (b"accept-language", b"es")
    varied: Headers = [(b"cache-control", b"max-age=1"), (b"vary", b"accept-language")]
    place = Place(says(headers=varied))

    async def scenario() -> None:
        await place.ask("/shop/1", "GET", german)
        await place.ask("/shop/1", "GET", spanish)
        place.clock.now += 2
        place.shop.says = says(headers=[(b"cache-control", b"max-age=60")], body=b"new")
        await place.ask("/shop/1", "GET", german)
        assert (await place.ask("/shop/1", "GET", german)).body == b"new"
        assert (await place.ask("/shop/1", "GET", spanish)).body == b"new"
        assert place.asked == 3

    run(scenario)


def test_a_public_answer_gives_way_to_a_newer_one() -> None:
    """Who could have had the older one gets the newer one from now on."""
    place = Place(says(headers=[(b"cache-control", b"public, max-age=60")]))

    async def scenario() -> None:
        await place.ask()
        place.shop.says = says(headers=[(b"cache-control", b"max-age=90")], body=b"new")
        await place.ask("/shop/1", "GET", (b"cache-control", b"no-cache"))
        assert (await place.ask()).body == b"new"
        assert (await place.ask("/shop/1", "GET", (b"cookie", b"a=1"))).body == b"new"
        assert place.asked == 3

    run(scenario)


def test_a_confirmed_answer_is_the_newest() -> None:
    """What is said to depend on nothing any more is everybody's, whatever came in between."""
    german, spanish = (b"accept-language", b"de"), (b"accept-language", b"es")
    headers: Headers = [(b"cache-control", b"max-age=60"), (b"vary", b"accept-language")]
    place = Place(says(headers=[*headers, (b"etag", b'"one"')]))

    async def scenario() -> None:
        await place.ask("/shop/1", "GET", german)
        place.shop.says = says(headers=headers, body=b"hola")
        await place.ask("/shop/1", "GET", spanish)
        place.shop.says = says(304, [(b"vary", b"")], b"")
        await place.ask("/shop/1", "GET", german, (b"cache-control", b"no-cache"))
        assert (await place.ask("/shop/1", "GET", spanish)).body == b"hello"
        assert place.asked == 3

    run(scenario)


def test_a_client_that_has_it_gets_304() -> None:
    """From what is kept, and from what has just come, which is kept all the same."""
    place = Place(says(headers=[*TAGGED, (b"content-type", b"text/plain")]))

    async def scenario() -> None:
        has = (b"if-none-match", b'W/"one"')
        first = await place.ask("/shop/1", "GET", has)
        second = await place.ask("/shop/1", "GET", has)
        assert place.asked == 1
        for answered in (first, second):
            assert (answered.status, answered.body, answered.whole) == (304, b"", True)
            assert b"content-type" not in answered.headers
            assert answered.headers[b"etag"] == b'"one"'
        assert (await place.ask()).body == b"hello"
        assert place.asked == 1

    run(scenario)


def test_head_is_answered_by_a_kept_get() -> None:
    """With its length and without its body; alone a HEAD keeps nothing."""
    place = Place(says())

    async def scenario() -> None:
        await place.ask("/shop/1", "HEAD")
        await place.ask()
        assert place.asked == 2
        head = await place.ask("/shop/1", "HEAD")
        assert place.asked == 2
        assert (head.body, head.headers[b"content-length"]) == (b"", b"5")

    run(scenario)


@pytest.mark.parametrize(
    "credentials",
    [
        {"headers": (b"authorization", b"Bearer x")},
        {"headers": (b"cookie", b"theme=dark")},
        {"headers": (b"x-api-key", b"k")},
        {"known": {"identity": identity(), "identity_headers": [(b"x-user-id", b"7")]}},
    ],
)
def test_nothing_goes_from_one_user_to_another(credentials: dict[str, Any]) -> None:
    """What somebody asked as themselves is not kept, nor is anybody's page given to them."""
    place = Place(says())
    headers = [credentials["headers"]] if "headers" in credentials else []
    known = credentials.get("known", {})

    async def scenario() -> None:
        await place.ask("/shop/1", "GET", *headers, **known)
        await place.ask()
        assert place.asked == 2
        await place.ask("/shop/1", "GET", *headers, **known)
        assert place.asked == 3
        place.shop.says = says(headers=[(b"cache-control", b"public, max-age=60")])
        await place.ask("/shop/2", "GET", *headers, **known)
        await place.ask("/shop/2", "GET", *headers, **known)
        await place.ask("/shop/2")
        assert place.asked == 4

    run(scenario)


def test_a_cookie_is_never_kept() -> None:
    """An answer that sets one is for one client only, however public it says it is."""
    headers: Headers = [(b"set-cookie", b"a=1"), (b"cache-control", b"public, max-age=60")]
    place = Place(says(headers=headers))

    async def scenario() -> None:
        first = await place.ask()
        await place.ask()
        assert place.asked == 2
        assert status_of(first) == b"gateline; fwd=uri-miss; fwd-status=200"

    run(scenario)


def test_answers_are_told_apart_by_what_they_depend_on() -> None:
    """Vary, and what the rule adds, lead to answers of their own."""
    rule = CacheRule(60, vary_on=frozenset({b"x-plan"}))
    place = Place(
        says(headers=[(b"vary", b"accept-language")]),
        Route("shop", "/shop/*", TO, auth="none", cache=rule),
    )

    async def scenario() -> None:
        german, spanish = (b"accept-language", b"de"), (b"accept-language", b"es")
        await place.ask("/shop/1", "GET", german)
        other = await place.ask("/shop/1", "GET", spanish)
        assert status_of(other) == b"gateline; fwd=vary-miss; fwd-status=200; stored"
        await place.ask("/shop/1", "GET", german)
        await place.ask("/shop/1", "GET", german, (b"x-plan", b"gold"))
        assert place.asked == 3
        for one in range(40):
            await place.ask("/shop/1", "GET", (b"accept-language", b"x%d" % one))
        sizes = place.storage.bytes
        assert sizes < 17 * 1200  # at most 16 answers of one address

    run(scenario)


def test_who_is_counted_by_a_header_gets_no_answer_of_others() -> None:
    """A header that tells clients apart for a limit may tell their answers apart too."""
    limits = (LimitRule(Limit(9, 60), 9, "header", b"x-tenant"),)

    async def asked(rule: CacheRule, *headers: tuple[bytes, bytes]) -> int:
        place = Place(says(), Route("shop", "/shop/*", TO, auth="none", cache=rule, limits=limits))
        for value in (b"north", b"south", b"south"):
            await place.ask("/shop/1", "GET", *[(name, value) for name, _ in headers])
        return place.asked

    async def scenario() -> None:
        assert await asked(CacheRule(60), (b"x-tenant", b"")) == 3
        assert await asked(CacheRule(60), (b"x-service-key", b"")) == 3
        assert await asked(CacheRule(60), (b"x-plan", b"")) == 1
        by_tenant = CacheRule(60, vary_on=frozenset({b"x-tenant"}))
        assert await asked(by_tenant, (b"x-tenant", b"")) == 2

    run(scenario)


def test_who_asks_for_no_cache_gets_none() -> None:
    """no-cache is asked about, no-store and ranges pass, only-if-cached never goes on."""
    place = Place(says())

    async def scenario() -> None:
        await place.ask()
        fresh = await place.ask("/shop/1", "GET", (b"cache-control", b"no-cache"))
        assert status_of(fresh) == b"gateline; fwd=request; fwd-status=200; stored"
        await place.ask("/shop/1", "GET", (b"pragma", b"no-cache"))
        assert place.asked == 3
        passing = [(b"cache-control", b"no-store"), (b"range", b"bytes=0-1")]
        passing += [(b"x-http-method-override", b"POST"), (b"content-length", b"1")]
        for header in passing:
            passed = await place.ask("/shop/1", "GET", header)
            assert status_of(passed) == b"gateline; fwd=bypass"
        assert place.asked == 7
        only = (b"cache-control", b"only-if-cached")
        assert status_of(await place.ask("/shop/1", "GET", only)).startswith(b"gateline; hit")
        with pytest.raises(Refused) as refused:
            await place.ask("/shop/2", "GET", only)
        assert refused.value.reason.code == "not_cached"
        assert place.asked == 7

    run(scenario)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_makes_the_kept_answer_go(method: str) -> None:
    """After a success the address is asked anew; a refused write changes nothing."""
    place = Place(says())

    async def scenario() -> None:
        await place.ask()
        place.shop.says = says(422)
        await place.ask("/shop/1", method)
        await place.ask()
        assert place.asked == 2
        place.shop.says = says(201)
        await place.ask("/shop/1", method)
        place.shop.says = says()
        await place.ask()
        assert place.asked == 4

    run(scenario)


@pytest.mark.parametrize("cause", [AnswerBroken, asyncio.CancelledError])
def test_a_write_counts_although_its_answer_breaks_off(cause: type[BaseException]) -> None:
    """The service said that it was done; who breaks off then does not undo it."""
    place = Place(says())

    async def breaks(exchange: Exchange, _: Route, __: Destination) -> None:
        await exchange.send(start(exchange, 200, []))
        raise cause

    async def scenario() -> None:
        await place.ask()
        forward = place.shop.forward
        place.shop.forward = breaks  # type: ignore[method-assign]
        with pytest.raises(cause):
            await place.ask("/shop/1", "POST")
        place.shop.forward = forward  # type: ignore[method-assign]
        await place.ask()
        assert place.asked == 2

    run(scenario)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_asked_before_a_write_is_not_kept(streamed: bool) -> None:
    """Nobody can tell whether it is from before (RFC 9111, 4.4); the next answer is kept."""
    place = Place(streams(b"old") if streamed else says(body=b"old"))

    async def scenario() -> None:
        gate = place.shop.gate = asyncio.Event()
        before = asyncio.ensure_future(place.ask())
        await asyncio.sleep(0)
        behaviour, place.shop.gate, place.shop.says = place.shop.says, None, says()
        await place.ask("/shop/1", "POST")
        place.shop.says = behaviour
        gate.set()
        answered = await before
        assert answered.body == b"old"
        assert status_of(answered) == b"gateline; fwd=uri-miss; fwd-status=200"
        place.shop.says = says(body=b"new")
        for _ in range(2):
            assert (await place.ask()).body == b"new"
        assert place.asked == 3

    run(scenario)


def test_one_request_fetches_for_all() -> None:
    """Of many at once the service sees one."""
    place = Place(says())

    async def scenario() -> None:
        place.shop.gate = asyncio.Event()
        asking = [asyncio.ensure_future(place.ask()) for _ in range(50)]
        await asyncio.sleep(0)
        place.shop.gate.set()
        answers = await asyncio.gather(*asking)
        assert place.asked == 1
        assert {answered.body for answered in answers} == {b"hello"}
        assert status_of(answers[-1]) == b"gateline; hit; ttl=60; collapsed"

    run(scenario)


def test_nobody_waits_for_what_is_not_kept() -> None:
    """The first answer tells that there is nothing to share: then everybody goes on."""
    place = Place(says(headers=[(b"cache-control", b"no-store")]))

    async def scenario() -> None:
        place.shop.gate = asyncio.Event()
        asking = [asyncio.ensure_future(place.ask()) for _ in range(5)]
        await asyncio.sleep(0)
        assert place.asked == 1
        place.shop.gate.set()
        await asyncio.gather(*asking)
        assert place.asked == 5
        place.shop.gate.clear()
        asking = [asyncio.ensure_future(place.ask()) for _ in range(5)]
        await asyncio.sleep(0)
        assert place.asked == 10
        place.shop.gate.set()
        await asyncio.gather(*asking)

    run(scenario)


def test_who_leaves_lets_the_others_go_on() -> None:
    """The one that fetches is cancelled: those who wait fetch themselves."""
    place = Place(says())

    async def scenario() -> None:
        place.shop.gate = asyncio.Event()
        first, second = (asyncio.ensure_future(place.ask()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        place.shop.gate.set()
        assert (await second).body == b"hello"
        assert place.asked == 2

    run(scenario)


def test_a_stale_answer_stands_in_for_a_service_that_fails() -> None:
    """As long as it says, and for refusals of the edge as for failures of the service."""
    headers: Headers = [(b"cache-control", b"max-age=10, stale-if-error=100"), TAGGED[0]]
    place = Place(says(headers=headers))

    async def scenario() -> None:
        await place.ask()
        place.clock.now += 50
        place.shop.says = down
        stale = await place.ask()
        assert (stale.status, stale.body, stale.headers[b"age"]) == (200, b"hello", b"50")
        assert status_of(stale) == b"gateline; fwd=stale; detail=upstream_unavailable"
        place.shop.says = says(503, body=b"busy")
        stale = await place.ask()
        assert (stale.status, stale.body) == (200, b"hello")
        assert stale.headers[b"age"] == b"50"
        assert status_of(stale) == b"gateline; fwd=stale; fwd-status=503"
        place.clock.now += 100
        assert (await place.ask()).status == 503
        place.shop.says = down
        with pytest.raises(Refused):
            await place.ask()

    run(scenario)


def test_while_one_renews_others_get_the_stale_answer() -> None:
    """stale-while-revalidate: only one request waits for the service."""
    headers: Headers = [(b"cache-control", b"max-age=10, stale-while-revalidate=100")]
    place = Place(says(headers=headers))

    async def scenario() -> None:
        await place.ask()
        place.clock.now += 50
        place.shop.gate = asyncio.Event()
        place.shop.says = says(headers=headers, body=b"new")
        renewing = asyncio.ensure_future(place.ask())
        await asyncio.sleep(0)
        stale = await place.ask()
        assert (stale.body, status_of(stale)) == (b"hello", b"gateline; hit; ttl=-40")
        place.shop.gate.set()
        assert (await renewing).body == b"new"
        assert place.asked == 2

    run(scenario)


def test_another_configuration_gets_other_answers() -> None:
    """What a route or a service of an older version gave is not given by a newer one."""
    place = Place(says())

    async def scenario() -> None:
        await place.ask()
        place.route = Route("shop", "/shop/*", TO, auth="none", cache=CacheRule(60))
        await place.ask()
        assert place.asked == 1  # the same, read anew
        place.services = {"shop": Service("shop", endpoints_at("http://127.0.0.1:2"))}
        await place.ask()
        assert place.asked == 2
        place.route = Route("shop", "/shop/*", TO, auth="none", cache=CacheRule(61))
        await place.ask()
        assert place.asked == 3

    run(scenario)


def test_memory_is_bounded() -> None:
    """What was not used for longest goes first; what is too large is not kept at all."""
    place = Place(says(body=b"x" * 1000), most_bytes=21_000, most_answer_bytes=1000)

    async def scenario() -> None:
        for number in range(20):
            await place.ask(f"/shop/{number}")
            await place.ask("/shop/0")
        assert place.storage.bytes <= 21_000
        assert len(place.storage) == 10
        assert place.storage.evicted == 10
        assert place.asked == 20  # the one in use stayed
        place.shop.says = says(body=b"x" * 1001)
        await place.ask("/shop/large")
        await place.ask("/shop/large")
        assert place.asked == 22
        for number in range(20):
            place.storage.discard(("http", b"shop.example", f"/shop/{number}", b""))
        assert (place.storage.bytes, len(place.storage)) == (0, 0)

    run(scenario)


class Socket:
    """Where a streamed body comes from: it is all there already."""

    def pause_reading(self) -> None:
        """Take no more."""

    def resume_reading(self) -> None:
        """Take more."""

    def abort(self) -> None:
        """Close."""

    def allow_silence(self, seconds: float) -> None:
        """Wait longer."""


def streams(*chunks: bytes, headers: Headers | None = None) -> Any:
    """Return a service's behaviour: an answer in pieces whose length nobody knows."""

    def behave(_: Exchange) -> Response:
        reader = BodyReader(asyncio.get_running_loop(), Socket(), 1_000_000)
        for chunk in chunks:
            reader.feed([chunk])
        reader.end()
        return Response(200, list(headers or []), None, reader)

    return behave


@pytest.mark.parametrize(("size", "asked"), [(400, 1), (600, 2)])
def test_a_stream_is_kept_when_it_is_small_enough(size: int, asked: int) -> None:
    """What turns out too large reaches the client whole and is not kept."""
    place = Place(streams(b"a" * size, b"b" * size), most_answer_bytes=1000)

    async def scenario() -> None:
        for _ in range(2):
            answered = await place.ask()
            assert answered.body == b"a" * size + b"b" * size
            assert answered.whole
        assert place.asked == asked

    run(scenario)


def test_a_client_that_has_a_stream_gets_304_and_it_is_kept() -> None:
    """The body is read for the cache although the client needs none of it."""
    place = Place(streams(b"hello", b" there", headers=[(b"etag", b'"one"')]))

    async def scenario() -> None:
        answered = await place.ask("/shop/1", "GET", (b"if-none-match", b'"one"'))
        assert (answered.status, answered.body) == (304, b"")
        assert (await place.ask()).body == b"hello there"
        assert place.asked == 1

    run(scenario)


def test_a_kept_answer_is_compressed_once() -> None:
    """Each coding is made when it is first asked for, and counted."""
    route = Route("shop", "/shop/*", TO, auth="none", cache=RULE, compress=True)
    place = Place(says(headers=[(b"content-type", b"text/plain")], body=b"ab" * 2000), route)

    async def scenario() -> None:
        plain = await place.ask()
        size = place.storage.bytes
        small = await place.ask("/shop/1", "GET", (b"accept-encoding", b"gzip"))
        assert place.asked == 1
        assert (plain.headers[b"vary"], small.headers[b"vary"]) == (b"accept-encoding",) * 2
        assert small.headers[b"content-encoding"] == b"gzip"
        assert size < place.storage.bytes == size + len(small.body)
        again = await place.ask("/shop/1", "GET", (b"accept-encoding", b"gzip"))
        assert (again.body, place.storage.bytes) == (small.body, size + len(small.body))

    run(scenario)
