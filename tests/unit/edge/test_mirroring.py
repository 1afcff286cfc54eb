"""Copies of requests for another service: which are sent, and that nobody waits for them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop
from edge_exchange import Answered, exchange_for
from http2_upstream import Http2Upstream, Visit

from gateline.edge.attempts import Outgoing
from gateline.edge.exchange import Exchange
from gateline.edge.mirroring import Mirrors
from gateline.edge.record import MIRRORED
from gateline.edge.upstream import BodyStream
from gateline.edge.upstreams import Target, Upstream
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Mirror, Service, endpoints_at

ALL = Mirror("shadow")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on the loop that the edge runs on."""
    uvloop.run(asyncio.wait_for(scenario, 20))


class Shadow:
    """A service for copies, and what was counted of them since."""

    def __init__(self, upstream: Http2Upstream, timeout: float = 5.0, prefix: str = "") -> None:
        self.visits = upstream.visits
        at = endpoints_at(str(upstream.target))
        service = Service("shadow", at, timeout=timeout, prefix=prefix)
        self._upstream = Upstream(service, [Target("shadow", upstream.pool)])
        self._before = {name: self._count(name) for name in ("sent", "failed", "left_out")}

    def request(self, body: bytes | BodyStream | None = None) -> tuple[Exchange, Outgoing]:
        """Return a request to another service, in a gateway that knows this one too."""
        gateway = SimpleNamespace(upstreams={"shadow": self._upstream})
        exchange = exchange_for(Answered(), gateway=gateway)
        outgoing = Outgoing(
            cast("Upstream", None), b"POST", b"/a?b", [(b"x-a", b"1")], body, 0.0, 0.0, False
        )
        return exchange, outgoing

    def counted(self, outcome: str) -> int:
        """Return how many copies ended so."""
        return self._count(outcome) - self._before[outcome]

    @staticmethod
    def _count(outcome: str) -> int:
        return int(MIRRORED.labels("shadow", outcome)._value.get())


async def drained(mirrors: Mirrors) -> None:
    """Wait until no copy is in flight."""
    while len(mirrors):  # noqa: ASYNC110 # they tell nobody, by design
        await asyncio.sleep(0.001)


def test_a_copy_is_the_request_and_says_so() -> None:
    """Method, path, headers and body are those of the request; a mark tells what it is."""

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            shadow, mirrors = Shadow(upstream), Mirrors()
            exchange, outgoing = shadow.request(b"body")
            mirrors.copy(exchange, ALL, outgoing)
            await drained(mirrors)
            (visit,) = shadow.visits
            assert visit.value(b":method") == b"POST"
            assert visit.value(b":path") == b"/a?b"
            assert visit.value(b"x-a") == b"1"
            assert visit.value(b"x-gateline-mirror") == b"1"
            assert visit.body == b"body"
            assert outgoing.headers == [(b"x-a", b"1")]
            assert shadow.counted("sent") == 1

    run(scenario())


@pytest.mark.parametrize(
    ("prefix", "path", "before"),
    [
        ("", b"/orders/1?x=2", b"/api/shop"),
        ("/next", b"/next/orders/1?x=2", None),
    ],
)
def test_a_copy_has_the_prefix_of_the_mirror(
    prefix: str, path: bytes, before: bytes | None
) -> None:
    """What the route changes of the path is changed here too; the service's prefix is not added."""
    destination = Destination("shop", replace=("/api/shop", ""))

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            shadow, mirrors = Shadow(upstream, prefix=prefix), Mirrors()
            exchange, outgoing = shadow.request()
            exchange.route = Route("shop", "/api/shop/*", destination, mirror=ALL)
            exchange.path, exchange.query = "/api/shop/orders/1", b"x=2"
            outgoing.path = b"/v1/orders/1?x=2"
            outgoing.headers = [(b"x-forwarded-prefix", b"/of/another"), (b"host", b"shop")]
            mirrors.copy(exchange, ALL, outgoing)
            await drained(mirrors)
            (visit,) = shadow.visits
            assert visit.value(b":path") == path
            assert visit.value(b"x-forwarded-prefix") == before
            assert visit.value(b":authority") == upstream.target.authority

    run(scenario())


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_only_a_share_is_copied(share: float, expected: int) -> None:
    """Chance decides which requests are copied, as many as the share says."""
    draws = iter([number / 10 for number in range(10)])

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            shadow, mirrors = Shadow(upstream), Mirrors(draw=lambda: next(draws))
            for _ in range(10):
                mirrors.copy(*_with(shadow.request(), Mirror("shadow", share)))
            await drained(mirrors)
            assert len(shadow.visits) == expected

    run(scenario())


def _with(request: tuple[Exchange, Outgoing], mirror: Mirror) -> tuple[Exchange, Mirror, Outgoing]:
    return request[0], mirror, request[1]


async def _hang(visit: Visit) -> None:
    await visit.was_reset.wait()


async def _large(visit: Visit) -> None:
    visit.start(200)
    await visit.send(b"x" * 2**21, end=True)


def test_a_slow_mirror_holds_nothing_but_few_copies() -> None:
    """Beyond the bound copies are left out; those in flight end at the service's time-out."""

    async def scenario() -> None:
        async with Http2Upstream(_hang) as upstream:
            shadow, mirrors = Shadow(upstream, timeout=0.1), Mirrors(most=3)
            for _ in range(5):
                mirrors.copy(*_with(shadow.request(), ALL))
            assert len(mirrors) == 3
            assert shadow.counted("left_out") == 2
            await drained(mirrors)
            assert shadow.counted("failed") == 3

    run(scenario())


def test_answers_go_nowhere_but_are_read() -> None:
    """A large answer is thrown away as it comes, and the connection lives on."""

    async def scenario() -> None:
        async with Http2Upstream(_large) as upstream:
            shadow, mirrors = Shadow(upstream), Mirrors()
            for _ in range(2):
                mirrors.copy(*_with(shadow.request(), ALL))
                await drained(mirrors)
            assert shadow.counted("sent") == 2
            assert upstream.pool.opened_total == 1

    run(scenario())


def test_a_mirror_that_is_away_harms_nobody() -> None:
    """A copy that fails is counted, and that is all."""

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            shadow, mirrors = Shadow(upstream), Mirrors()
            await upstream.client.aclose()
            mirrors.copy(*_with(shadow.request(), ALL))
            await drained(mirrors)
            assert shadow.counted("failed") == 1
            exchange, outgoing = shadow.request()
            mirrors.copy(exchange, Mirror("nobody"), outgoing)
            assert len(mirrors) == 0

    run(scenario())


def test_a_streamed_body_is_not_copied() -> None:
    """A body that passes through once is for its service only."""

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            shadow, mirrors = Shadow(upstream), Mirrors()
            mirrors.copy(*_with(shadow.request(BodyStream(_nothing())), ALL))
            assert len(mirrors) == 0
            assert shadow.visits == []

    run(scenario())


async def _nothing() -> AsyncIterator[bytes]:
    yield b""
