"""A service's targets: who is left out, and how they come back."""

import asyncio
from collections import Counter

import pytest
from fake_targets import FakeProber, a_request, service_of, set_load, upstream_of
from virtual_time import run_virtually

from gateline.edge.upstreams import Target, Upstream
from gateline.policy.breakers import BreakerState
from gateline.policy.services import EjectionPolicy, ProbePolicy, RetryBudget

EJECTION = EjectionPolicy(consecutive_failures=3, base_seconds=10, slow_start_seconds=20)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fail(upstream: Upstream, target: Target, times: int = 3) -> None:
    for _ in range(times):
        upstream.failed(target, _now(), unavailable=True)


def _asked(upstream: Upstream, requests: int = 200) -> set[str]:
    return {upstream.choose(a_request(client=f"10.0.0.{n}")).name for n in range(requests)}


@pytest.mark.parametrize("balance", ["least_requests", "round_robin", "hash"])
def test_a_target_that_fails_is_left_out_and_comes_back(balance: str) -> None:
    """Three failures in a row take it out; after ten seconds it is there again."""

    async def scenario() -> None:
        service = service_of(balance=balance, ejection=EJECTION, breaker=None)
        upstream = upstream_of(service, draws=(n * 0.31 % 1 for n in range(10**6)))
        ill = upstream.targets[0]
        _fail(upstream, ill, 2)
        upstream.succeeded(ill, _now())
        _fail(upstream, ill, 2)
        assert ill.state == "available"
        _fail(upstream, ill, 1)
        assert ill.state == "ejected"
        assert _asked(upstream) == {"b", "c", "d"}
        assert upstream.ejections == {"a": 1}
        await asyncio.sleep(9.9)
        assert "a" not in _asked(upstream)
        await asyncio.sleep(0.2)
        assert ill.state == "available"
        assert _asked(upstream) == {"a", "b", "c", "d"}
        upstream.close()

    run_virtually(scenario())


def test_never_more_than_half_are_left_out() -> None:
    """When all of four fail, two stay in: perhaps it is not they who are at fault."""

    async def scenario() -> None:
        upstream = upstream_of(service_of(ejection=EJECTION, breaker=None))
        for target in upstream.targets:
            _fail(upstream, target)
        assert [one.state for one in upstream.targets] == ["ejected"] * 2 + ["available"] * 2
        upstream.close()

    run_virtually(scenario())


def test_the_only_target_is_never_left_out() -> None:
    """There would be nobody to ask."""

    async def scenario() -> None:
        upstream = upstream_of(service_of(["a"], ejection=EJECTION, breaker=None))
        _fail(upstream, upstream.targets[0], 100)
        assert upstream.targets[0].state == "available"
        assert _asked(upstream) == {"a"}

    run_virtually(scenario())


def test_slow_start_eases_a_target_in() -> None:
    """Back again it has a small share first, half after half of the time, then all."""

    async def scenario() -> None:
        service = service_of(["a", "b"], balance="round_robin", ejection=EJECTION, breaker=None)
        upstream = upstream_of(service)
        _fail(upstream, upstream.targets[0])
        shares = []
        for seconds in (10.1, 10.0, 11.0):
            await asyncio.sleep(seconds)
            asked = Counter(upstream.choose(a_request()).name for _ in range(990))
            shares.append(asked["a"] / asked["b"])
        assert shares == [
            pytest.approx(0.1, rel=0.1),
            pytest.approx(0.5, rel=0.1),
            pytest.approx(1.0),
        ]

    run_virtually(scenario())


def test_who_fails_in_slow_start_is_out_again_for_longer() -> None:
    """One failure is enough then, and the time out is twice the first one."""

    async def scenario() -> None:
        upstream = upstream_of(service_of(ejection=EJECTION, breaker=None))
        ill = upstream.targets[0]
        _fail(upstream, ill)
        await asyncio.sleep(11)
        _fail(upstream, ill, 1)
        assert ill.state == "ejected"
        await asyncio.sleep(19)
        assert ill.state == "ejected"
        await asyncio.sleep(2)
        assert ill.state == "available"
        upstream.close()

    run_virtually(scenario())


def test_a_target_that_takes_no_connection_stays_out() -> None:
    """No request is risked on it: its time is prolonged until it can be reached."""

    async def scenario() -> None:
        prober = FakeProber()
        prober.ill.add("a")
        upstream = upstream_of(service_of(ejection=EJECTION, breaker=None), prober=prober)
        _fail(upstream, upstream.targets[0])
        await asyncio.sleep(29)
        assert upstream.targets[0].state == "ejected"
        prober.ill.clear()
        await asyncio.sleep(2)
        assert upstream.targets[0].state == "available"
        assert prober.asked == ["a", "a"]
        upstream.close()

    run_virtually(scenario())


def test_health_checks_take_a_target_out_and_bring_it_back() -> None:
    """Three failed checks, two good ones; the others go on."""

    async def scenario() -> None:
        prober = FakeProber()
        service = service_of(probe=ProbePolicy(interval=5, healthy=2, unhealthy=3))
        upstream = upstream_of(service, prober=prober)
        upstream.start()
        prober.ill.add("b")
        await asyncio.sleep(9)
        assert upstream.targets[1].state == "available"
        await asyncio.sleep(5)
        assert upstream.targets[1].state == "unhealthy"
        assert "b" not in _asked(upstream)
        prober.ill.clear()
        await asyncio.sleep(10)
        assert upstream.targets[1].state == "available"
        upstream.close()
        checks = len(prober.asked)
        await asyncio.sleep(100)
        assert len(prober.asked) == checks

    run_virtually(scenario())


def test_when_nobody_is_healthy_everybody_is_asked() -> None:
    """Checks that fail everywhere do not shut off a service that may still answer."""

    async def scenario() -> None:
        prober = FakeProber()
        prober.ill |= {"a", "b"}
        service = service_of(["a", "b"], balance="round_robin", probe=ProbePolicy())
        upstream = upstream_of(service, prober=prober)
        upstream.start()
        await asyncio.sleep(60)
        assert {one.state for one in upstream.targets} == {"unhealthy"}
        assert _asked(upstream) == {"a", "b"}
        upstream.close()

    run_virtually(scenario())


def test_a_check_that_breaks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A lost background task would be a silent fault."""

    class Broken(FakeProber):
        async def is_well(self, target: Target, policy: ProbePolicy) -> bool:
            raise RuntimeError(f"a bug with {target.name} and {policy.path}")

    async def scenario() -> None:
        upstream = upstream_of(service_of(probe=ProbePolicy()), prober=Broken())
        upstream.start()
        await asyncio.sleep(1)
        assert not upstream.tasks

    run_virtually(scenario())
    assert "looking after shop ended" in caplog.text


def test_the_breaker_counts_what_is_unavailable() -> None:
    """Answers of 500 are answers: they do not close a service to everybody."""

    async def scenario() -> None:
        upstream = upstream_of(service_of(["a"]))
        breaker = upstream.breaker
        assert breaker is not None
        for _ in range(50):
            upstream.failed(upstream.targets[0], _now(), unavailable=False)
        assert breaker.closed
        for _ in range(50):
            upstream.failed(upstream.targets[0], _now(), unavailable=True)
        assert breaker.state(_now()) is BreakerState.OPEN

    run_virtually(scenario())


def test_the_budget_follows_the_load() -> None:
    """With fifty requests waiting ten may be repeated; the rest is counted as refused."""
    upstream = upstream_of(service_of())
    upstream.budget = RetryBudget(share=0.2, least=1)
    upstream.waiting = 50
    assert [upstream.begin_retry() for _ in range(12)] == [True] * 10 + [False] * 2
    assert (upstream.retrying, upstream.retries_refused) == (10, 2)


def test_requests_under_way_when_a_version_ends_start_nothing() -> None:
    """A closed upstream still answers, but neither leaves anybody out nor sets a timer."""

    async def scenario() -> None:
        upstream = upstream_of(service_of(ejection=EJECTION, breaker=None))
        upstream.start()
        upstream.close()
        _fail(upstream, upstream.targets[0], 10)
        set_load(upstream.targets[1], 5)
        assert upstream.targets[0].state == "available"
        assert upstream.choose(a_request()) in upstream.targets
        await asyncio.sleep(0)
        assert not upstream.tasks

    run_virtually(scenario())
