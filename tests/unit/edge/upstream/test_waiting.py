"""Callers in line."""

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

import pytest

from gateline.edge.upstream import PoolExhausted, UpstreamTimeout
from gateline.edge.upstream.waiting import Line

Run = Callable[[Coroutine[Any, Any, None]], None]


def test_first_come_first_served(run: Run) -> None:
    """Who waits longest is next."""

    async def scenario() -> None:
        line: Line[int] = Line()
        waiting = [asyncio.create_task(line.wait(inf, returned.append)) for _ in range(3)]
        await asyncio.sleep(0)
        for number in range(3):
            first = line.first()
            assert first is not None
            first.set_result(number)
        assert await asyncio.gather(*waiting) == [0, 1, 2]
        assert line.first() is None
        assert returned == []

    returned: list[int] = []
    run(scenario())


def test_who_gives_up_is_passed_over(run: Run) -> None:
    """A cancelled caller and one past its deadline leave the line."""

    async def scenario() -> None:
        line: Line[int] = Line()
        loop = asyncio.get_running_loop()
        gone = asyncio.create_task(line.wait(inf, lambda _: None))
        late = asyncio.create_task(line.wait(loop.time() + 0.01, lambda _: None))
        there = asyncio.create_task(line.wait(inf, lambda _: None))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(UpstreamTimeout):
            await late
        assert len(line) == 1
        first = line.first()
        assert first is not None
        first.set_result(1)
        assert await there == 1

    run(scenario())


def test_what_a_cancelled_caller_had_is_given_back(run: Run) -> None:
    """A caller cancelled at the moment of its turn loses nothing for the others."""

    async def scenario() -> None:
        line: Line[int] = Line()
        returned: list[int] = []
        caller = asyncio.create_task(line.wait(inf, returned.append))
        await asyncio.sleep(0)
        first = line.first()
        assert first is not None
        first.set_result(7)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert returned == [7]

    run(scenario())


def test_everybody_is_sent_away(run: Run) -> None:
    """Refusing the line gives each caller an error of its own."""

    async def scenario() -> None:
        line: Line[int] = Line()
        callers = [asyncio.create_task(line.wait(inf, lambda _: None)) for _ in range(2)]
        await asyncio.sleep(0)
        line.refuse(lambda: PoolExhausted("closing"))
        errors = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(error) for error in errors] == [PoolExhausted, PoolExhausted]
        assert errors[0] is not errors[1]

    run(scenario())
