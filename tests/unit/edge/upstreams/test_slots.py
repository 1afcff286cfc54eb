"""How many requests a service has at once."""

import asyncio

import pytest
from virtual_time import run_virtually

from gateline.edge.exchange import Refused
from gateline.edge.upstreams import Slots
from gateline.policy.services import ConcurrencyPolicy

POLICY = ConcurrencyPolicy(limit=2, queue=2, wait_seconds=1.5)


async def _filled() -> Slots:
    slots = Slots(POLICY)
    await slots.enter()
    await slots.enter()
    return slots


def test_beyond_limit_and_line_it_is_refused_at_once() -> None:
    """503 with the time after which trying again may help."""

    async def scenario() -> None:
        slots = await _filled()
        waiting = [asyncio.ensure_future(slots.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await slots.enter()
        assert refused.value.reason.code == "overloaded"
        assert refused.value.headers == [(b"retry-after", b"2")]
        assert (slots.in_use, slots.waiting, slots.refused_total) == (2, 2, 1)
        slots.leave()
        slots.leave()
        await asyncio.gather(*waiting)
        assert (slots.in_use, slots.waiting) == (2, 0)

    run_virtually(scenario())


def test_the_line_is_served_in_order() -> None:
    """Who came first enters first, and nobody overtakes."""

    async def scenario() -> None:
        slots, order = await _filled(), []

        async def visit(name: str) -> None:
            await slots.enter()
            order.append(name)

        visits = [asyncio.ensure_future(visit(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        slots.leave()
        slots.leave()
        await asyncio.gather(*visits)
        assert order == ["first", "second"]

    run_virtually(scenario())


def test_waiting_has_an_end() -> None:
    """Who waited as long as the policy allows is refused then, not later."""

    async def scenario() -> None:
        slots = await _filled()
        with pytest.raises(Refused):
            await slots.enter()
        assert asyncio.get_running_loop().time() == pytest.approx(1.5)
        assert (slots.in_use, slots.waiting) == (2, 0)
        slots.leave()
        await slots.enter()
        assert slots.in_use == 2

    run_virtually(scenario())


def test_a_client_that_leaves_the_line_takes_no_place() -> None:
    """Whether it is still waiting or has just been called."""

    async def scenario() -> None:
        slots = await _filled()
        waiting = asyncio.ensure_future(slots.enter())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert slots.waiting == 0
        called = asyncio.ensure_future(slots.enter())
        await asyncio.sleep(0)
        slots.leave()
        called.cancel()
        await asyncio.wait({called})
        assert slots.in_use == 1

    run_virtually(scenario())
