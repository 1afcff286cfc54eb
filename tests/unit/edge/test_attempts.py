"""When a request is sent again, to whom, and when a service is left alone."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from fake_targets import FakePool, a_request, service_of, upstream_of
from virtual_time import run_virtually

from gateline.edge.attempts import Attempts, Outgoing
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.upstream import (
    BodyStream,
    Client,
    ConnectFailed,
    ConnectionLost,
    PoolExhausted,
    Response,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.edge.upstreams import Upstream
from gateline.policy.breakers import BreakerState
from gateline.policy.retries import Outcome, RetryPolicy
from gateline.policy.services import BreakerPolicy, RetryBudget, Service

Answer = int | UpstreamError | tuple[int, str]
Script = Callable[[str, int], Answer]
PATIENCE = 30.0


def lost() -> ConnectionLost:
    """Return the loss of a request that may have arrived."""
    return ConnectionLost("lost", bytes_written=100)


class FakeClient:
    """Answers after `seconds` what the script says to (target, how many requests came before)."""

    def __init__(self, script: Script, seconds: float = 0.0) -> None:
        self._script = script
        self._seconds = seconds
        self.asked: list[str] = []

    async def send(self, pool: FakePool, *_: Any, **__: Any) -> Response:
        """Answer one request."""
        number = len(self.asked)
        self.asked.append(pool.name)
        pool.in_use += 1
        try:
            await asyncio.sleep(self._seconds)
        finally:
            pool.in_use -= 1
        answer = self._script(pool.name, number)
        if isinstance(answer, UpstreamError):
            raise answer
        status, wait = answer if isinstance(answer, tuple) else (answer, "")
        return Response(status, [(b"Retry-After", wait.encode())] if wait else [], b"")


class Bench:
    """A service, a client that follows a script, and requests through the attempts."""

    def __init__(
        self, script: Script, service: Service, *, seconds: float = 0.0, draw: float = 0.5
    ) -> None:
        self.client = FakeClient(script, seconds)
        self.upstream: Upstream = upstream_of(service)
        self.attempts = Attempts(cast("Client", self.client), lambda: draw)

    async def ask(
        self,
        *,
        repeatable: bool = True,
        patience: float = PATIENCE,
        body: BodyStream | None = None,
        exchange: Exchange | None = None,
    ) -> int:
        """Send one request; return the status, or raise what was raised."""
        now = asyncio.get_running_loop().time()
        outgoing = Outgoing(
            self.upstream, b"GET", b"/", [], body, now + patience, patience, repeatable
        )
        response, _ = await self.attempts.ask(exchange or a_request(), outgoing)
        return response.status

    async def reason(self, **how: Any) -> str:
        """Send one request that fails; return why."""
        try:
            await self.ask(**how)
        except UpstreamError as error:
            return error.reason
        except Refused as refused:
            return refused.reason.code
        raise AssertionError("it was answered")


def quiet(*names: str, **more: Any) -> Service:
    """Return a service without breaker and ejection, so that only retries are at work."""
    return service_of(names or ["a"], **({"breaker": None, "ejection": None} | more))


def test_another_target_is_tried_at_once() -> None:
    """A connection that fails costs no wait while there is somebody else, for any method."""

    async def scenario() -> None:
        bench = Bench(lambda name, _: ConnectFailed("no") if name == "a" else 200, quiet("a", "b"))
        exchange = a_request()
        assert await bench.ask(repeatable=False, exchange=exchange) == 200
        assert bench.client.asked == ["a", "b"]
        assert (exchange.attempts, exchange.target) == (2, "b")
        assert asyncio.get_running_loop().time() == 0.0
        assert bench.upstream.retries == {Outcome.CONNECT_FAILED: 1}

    run_virtually(scenario())


def test_the_same_target_is_given_time() -> None:
    """With nobody else to ask, the waits double under full jitter."""

    async def scenario() -> None:
        bench = Bench(lambda _, __: ConnectFailed("no"), quiet())
        assert await bench.reason() == "upstream_refused"
        assert len(bench.client.asked) == 3
        assert asyncio.get_running_loop().time() == pytest.approx(0.5 + 1.0)

    run_virtually(scenario())


def test_what_may_have_arrived_is_not_sent_twice() -> None:
    """A POST that was lost is a failure, however many targets there are."""

    async def scenario() -> None:
        bench = Bench(lambda _, __: lost(), quiet("a", "b"))
        assert await bench.reason(repeatable=False) == "upstream_broken"
        assert len(bench.client.asked) == 1

    run_virtually(scenario())


def test_a_stream_is_sent_again_only_before_its_first_byte() -> None:
    """What came from the client cannot be read a second time."""

    async def nothing() -> Any:
        return
        yield b""

    async def scenario() -> None:
        body = BodyStream(nothing(), 10)
        bench = Bench(lambda _, number: lost() if number else ConnectFailed("no"), quiet("a", "b"))
        assert await bench.reason(body=body) == "upstream_broken"
        assert len(bench.client.asked) == 2

    run_virtually(scenario())


def test_a_stale_connection_is_nobodys_fault() -> None:
    """It is tried again at once, and is held against neither target nor service."""

    async def scenario() -> None:
        stale = StaleConnection("closed", bytes_written=100, reused=True)
        service = service_of(["a"], breaker=BreakerPolicy(least_requests=1))
        bench = Bench(lambda _, number: 200 if number else stale, service)
        assert await bench.ask() == 200
        assert asyncio.get_running_loop().time() == 0.0
        assert bench.upstream.breaker is not None
        assert bench.upstream.breaker.closed

    run_virtually(scenario())


@pytest.mark.parametrize("error", [PoolExhausted("full"), UpstreamTimeout("queue")])
def test_our_own_bounds_are_not_held_against_the_service(error: UpstreamError) -> None:
    """Too few connections on our side say nothing about the service."""

    async def scenario() -> None:
        policy = BreakerPolicy(least_requests=1)
        bench = Bench(lambda _, __: error, service_of(["a"], breaker=policy))
        for _ in range(5):
            await bench.reason(repeatable=False)
        assert bench.upstream.breaker is not None
        assert bench.upstream.breaker.closed

    run_virtually(scenario())


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    """The next attempt is made after what the service asked for, but not past the deadline."""

    async def scenario() -> None:
        at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 8))
        wait = "7" if form == "seconds" else at
        bench = Bench(lambda _, number: 200 if number else (503, wait), quiet("a", "b"))
        assert await bench.ask() == 200
        assert asyncio.get_running_loop().time() == pytest.approx(7.0, abs=1.1)
        assert await Bench(lambda _, __: (503, "7"), quiet()).ask(patience=5.0) == 503

    run_virtually(scenario())


def test_nothing_is_begun_past_the_deadline() -> None:
    """However many attempts are left, the last one ends in time."""

    async def scenario() -> None:
        service = quiet(retry=RetryPolicy(attempts=50, base=1.0, cap=1.0))
        bench = Bench(lambda _, __: ConnectFailed("no"), service, draw=0.99)
        await bench.reason(patience=5.0)
        assert asyncio.get_running_loop().time() < 5.0

    run_virtually(scenario())


@pytest.mark.parametrize("attempt_seconds", [0.01, 0.5])
def test_all_failing_the_budget_keeps_attempts_low(attempt_seconds: float) -> None:
    """A service that only fails is asked at most 1.25 times for each request."""

    async def scenario() -> None:
        service = quiet("a", "b", "c", "d", retry=RetryPolicy(attempts=3, base=0.0))
        bench = Bench(lambda _, __: lost(), service, seconds=attempt_seconds)
        bench.upstream.budget = RetryBudget(share=0.2, least=3)

        async def client(begin: float) -> None:
            await asyncio.sleep(begin)
            for _ in range(50):
                await bench.reason()

        await asyncio.gather(*(client(number * attempt_seconds / 100) for number in range(100)))
        assert len(bench.client.asked) <= 1.25 * 100 * 50
        assert bench.upstream.retries_refused > 0
        assert (bench.upstream.waiting, bench.upstream.retrying) == (0, 0)

    run_virtually(scenario())


def test_an_open_breaker_refuses_without_asking() -> None:
    """503 with the seconds until it is worth trying; then one probe closes it."""

    async def scenario() -> None:
        dead = True
        policy = BreakerPolicy(least_requests=4, open_seconds=5)
        service = service_of(["a"], breaker=policy, retry=RetryPolicy(attempts=1))
        bench = Bench(lambda _, __: lost() if dead else 200, service)
        for _ in range(4):
            assert await bench.reason() == "upstream_broken"
        with pytest.raises(Refused) as refused:
            await bench.ask()
        assert refused.value.reason.code == "upstream_unavailable"
        assert refused.value.headers == [(b"retry-after", b"5")]
        assert len(bench.client.asked) == 4
        await asyncio.sleep(5)
        assert await bench.reason() == "upstream_broken"
        assert await bench.reason() == "upstream_unavailable"
        dead = False
        await asyncio.sleep(5)
        assert await bench.ask() == 200
        assert await bench.ask() == 200

    run_virtually(scenario())


def test_only_one_request_probes() -> None:
    """While the probe is under way all others are refused; one that leaves makes room."""

    async def scenario() -> None:
        policy = BreakerPolicy(least_requests=1, open_seconds=5)
        service = service_of(["a"], breaker=policy, retry=RetryPolicy(attempts=1))
        bench = Bench(lambda _, number: 200 if number else lost(), service, seconds=1.0)
        breaker = bench.upstream.breaker
        assert breaker is not None
        await bench.reason()
        await asyncio.sleep(5)
        assert breaker.state(6.0) is BreakerState.HALF_OPEN
        probe = asyncio.ensure_future(bench.ask())
        await asyncio.sleep(0)
        assert [await bench.reason() for _ in range(3)] == ["upstream_unavailable"] * 3
        probe.cancel()
        await asyncio.wait({probe})
        assert not breaker.closed
        assert await bench.ask() == 200
        assert breaker.closed

    run_virtually(scenario())


def test_a_breaker_that_opens_meanwhile_ends_the_attempts() -> None:
    """Nobody waits in order to ask a service that is to be left alone."""

    async def scenario() -> None:
        policy = BreakerPolicy(least_requests=2)
        bench = Bench(lambda _, __: lost(), service_of(["a"], breaker=policy))
        assert await bench.reason() == "upstream_broken"
        assert len(bench.client.asked) == 2

    run_virtually(scenario())


def test_statuses_that_are_failures() -> None:
    """Five 500s in a row take a target out; 501 and 404 do not; 503 speaks against the service."""

    async def scenario() -> None:
        for status, ejected in ((500, True), (503, True), (501, False), (404, False)):
            service = service_of(["a", "b"], balance="round_robin", breaker=None)
            bench = Bench(lambda _, __, status=status: status, service)  # type: ignore[misc]
            for _ in range(20):
                await bench.ask(repeatable=False)
            assert bench.upstream.targets[1].is_ejected is ejected
            bench.upstream.close()

    run_virtually(scenario())


def test_a_retry_that_probes_and_is_given_up_makes_room() -> None:
    """A client that leaves while its repeated request is the probe does not keep others out."""

    async def scenario() -> None:
        policy = BreakerPolicy(least_requests=2, open_seconds=1.0)
        retry = RetryPolicy(attempts=2, base=4.0)
        service = service_of(["a"], breaker=policy, retry=retry)
        bench = Bench(lambda _, __: lost(), service, seconds=0.1)
        breaker = bench.upstream.breaker
        assert breaker is not None
        repeated = asyncio.ensure_future(bench.ask())
        await asyncio.sleep(0.5)
        with pytest.raises(ConnectionLost):
            await bench.ask(repeatable=False)
        assert not breaker.closed
        await asyncio.sleep(1.55)  # the repeated one is under way since 2.1
        assert len(bench.client.asked) == 3
        now = asyncio.get_running_loop().time()
        assert breaker.admit(now) is None
        repeated.cancel()
        await asyncio.wait({repeated})
        assert breaker.admit(now)

    run_virtually(scenario())
