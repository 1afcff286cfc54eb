"""Services through the versions of the configuration."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gateline.edge.upstream import Client, Pool
from gateline.edge.upstreams import Upstream, Upstreams
from gateline.policy.services import (
    BreakerPolicy,
    ConcurrencyPolicy,
    Endpoint,
    ProbePolicy,
    RetryBudget,
    Service,
    TlsPolicy,
    endpoints_at,
)

ONE, TWO, THREE = (f"http://127.0.0.1:{port}" for port in (7001, 7002, 7003))
SHOP = Service("shop", endpoints_at(ONE, TWO))


def _run(scenario: Callable[[Upstreams, Client], Awaitable[None]]) -> None:
    async def run() -> None:
        client = Client()
        upstreams = Upstreams(client, draw=lambda: 0.0)
        try:
            await scenario(upstreams, client)
        finally:
            await upstreams.aclose()
            await client.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_service_without_an_address_is_left_out() -> None:
    """Names of one service lead to one and the same upstream."""

    async def scenario(upstreams: Upstreams, _: Client) -> None:
        made = upstreams.build({"shop": SHOP, "alias": SHOP, "none": Service("none", ())})
        assert made.keys() == {"shop", "alias"}
        assert made["shop"] is made["alias"]
        assert [target.name for target in made["shop"].targets] == [ONE, TWO]

    _run(scenario)


def test_what_did_not_change_lives_on() -> None:
    """An equal service keeps its upstream, a changed one what it knew of its targets."""

    async def scenario(upstreams: Upstreams, _: Client) -> None:
        first = upstreams.build({"shop": SHOP, "other": Service("other", endpoints_at(THREE))})
        upstreams.settle(first)
        ill = first["shop"].targets[0]
        for __ in range(5):
            first["shop"].failed(ill, asyncio.get_running_loop().time(), unavailable=False)
        first["shop"].retries_refused = 4
        slower = replace(SHOP, timeout=99.0)
        second = upstreams.build({"shop": slower, "other": Service("other", endpoints_at(THREE))})
        assert second["other"] is first["other"]
        shop = second["shop"]
        assert shop is not first["shop"]
        assert [target.state for target in shop.targets] == ["ejected", "available"]
        assert shop.breaker is first["shop"].breaker
        assert shop.retries_refused == 4
        assert shop.ejections == {ONE: 1}
        upstreams.settle(second)
        assert len(shop.tasks) == 1

    _run(scenario)


def test_nothing_is_made_for_what_did_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files of TLS may have changed meanwhile; without any the service tells it all."""
    secured = replace(SHOP, name="bank", tls=TlsPolicy(verify=False))

    async def scenario(upstreams: Upstreams, client: Client) -> None:
        services = {"shop": SHOP, "bank": secured}
        first = upstreams.build(services)
        upstreams.settle(first)
        asked: list[str] = []
        pool_for = Client.pool_for

        def noted(client: Client, service: Service, endpoint: Endpoint) -> Pool:
            asked.append(service.name)
            return pool_for(client, service, endpoint)

        monkeypatch.setattr(Client, "pool_for", noted)
        second = upstreams.build(services)
        assert asked == ["bank"] * 2
        assert [second[name] is first[name] for name in services] == [True, True]

    _run(scenario)


def test_what_changed_begins_anew() -> None:
    """Other rules mean other counters; another budget alone keeps them."""

    async def scenario(upstreams: Upstreams, _: Client) -> None:
        limited = replace(SHOP, concurrency=ConcurrencyPolicy(5))
        first = upstreams.build({"shop": limited})
        upstreams.settle(first)
        second = upstreams.build({"shop": limited}, RetryBudget(share=0.5))
        assert second["shop"].budget.share == 0.5
        assert second["shop"].slots is first["shop"].slots
        changed = replace(
            SHOP, breaker=BreakerPolicy(open_seconds=1), concurrency=ConcurrencyPolicy(6)
        )
        third = upstreams.build({"shop": changed})
        assert third["shop"].breaker is not first["shop"].breaker
        assert third["shop"].slots is not first["shop"].slots
        bare = upstreams.build({"shop": replace(SHOP, breaker=None, ejection=None)})["shop"]
        assert [bare.breaker, bare.slots, bare.targets[0].outlier] == [None] * 3

    _run(scenario)


def test_connections_that_nobody_uses_any_more_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment after an address has left the configuration its pool is gone."""
    monkeypatch.setattr("gateline.edge.upstreams.registry._LATECOMER_SECONDS", 0.01)

    async def scenario(upstreams: Upstreams, client: Client) -> None:
        upstreams.settle(upstreams.build({"shop": SHOP}))
        assert len(client.pools) == 2
        moved = replace(SHOP, endpoints=(Endpoint(TWO), Endpoint(THREE, 3)))
        upstreams.settle(upstreams.build({"shop": moved}))
        assert len(client.pools) == 3
        for _ in range(100):
            await asyncio.sleep(0.01)
            if len(client.pools) == 2:
                break
        assert {str(pool.target) for pool in client.pools} == {TWO, THREE}

    _run(scenario)


def test_what_cannot_be_started_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a version that cannot begin nothing goes on, and of the one before nothing has ended."""
    begin = Upstream.start

    def start(upstream: Upstream) -> None:
        if upstream.service.name == "broken":
            raise ValueError("cannot be asked")
        begin(upstream)

    monkeypatch.setattr(Upstream, "start", start)
    watched = replace(SHOP, probe=ProbePolicy())

    async def scenario(upstreams: Upstreams, _: Client) -> None:
        before = upstreams.build({"shop": watched})
        upstreams.settle(before)
        slower = replace(watched, timeout=99.0)
        broken = Service("broken", endpoints_at(THREE))
        after = upstreams.build({"shop": slower, "broken": broken})
        with pytest.raises(ValueError, match="cannot be asked"):
            upstreams.settle(after)
        await asyncio.sleep(0)
        assert upstreams.current is before
        assert [task.cancelling() for task in before["shop"].tasks] == [0]
        assert all(task.cancelled() for task in after["shop"].tasks)

    _run(scenario)


def test_an_address_that_cannot_be_used_is_refused() -> None:
    """Nothing that serves is touched by a version that is not sound."""

    async def scenario(upstreams: Upstreams, _: Client) -> None:
        upstreams.settle(upstreams.build({"shop": SHOP}))
        before = upstreams.current
        with pytest.raises(ValueError, match="upstream is"):
            upstreams.build({"shop": replace(SHOP, endpoints=endpoints_at("ftp://nowhere"))})
        assert upstreams.current is before

    _run(scenario)
