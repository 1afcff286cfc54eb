"""Several children together: started, watched, stopped in order."""

import asyncio
import io
from collections.abc import Awaitable, Callable

import pytest

from gateline.local.children import Care, Child, GaveUp
from gateline.local.console import Console
from gateline.local.processes import Program
from gateline.local.restarts import RestartPolicy, Restarts
from gateline.local.supervisor import Supervisor


async def _ready() -> bool:
    return True


class Recorded(Child):
    """A child that notes when it is stopped."""

    def __init__(self, name: str, script: str, order: int, stopped: list[str]) -> None:
        """Run `script` under `name`."""
        care = Care(Program(name, ("/bin/sh", "-c", script)), _ready, stop_order=order)
        console = Console(io.BytesIO(), colour=False)
        super().__init__(care, console, Restarts(RestartPolicy(delays=())))
        self._stopped = stopped

    async def stop(self) -> None:
        """Note it, then stop."""
        self._stopped.append(self.name)
        await super().stop()


def _run(scenario: Callable[[Supervisor], Awaitable[None]]) -> None:
    async def whole() -> None:
        supervisor = Supervisor(Console(io.BytesIO(), colour=False))
        try:
            await scenario(supervisor)
        finally:
            await supervisor.stop()

    asyncio.run(whole())


def test_children_stop_in_their_order_not_in_that_of_their_start() -> None:
    """Engines start first and end last; the edge ends first."""
    stopped: list[str] = []

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.start([Recorded("engine", "exec sleep 60", 2, stopped)])
        edge = Recorded("edge", "exec sleep 60", 0, stopped)
        await supervisor.start([Recorded("service", "exec sleep 60", 1, stopped), edge])

    _run(scenario)
    assert stopped == ["edge", "service", "engine"]


def test_a_child_that_gives_up_ends_the_watch() -> None:
    """Whoever watches learns the reason."""

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.start([Recorded("fine", "exec sleep 60", 0, [])])
        await supervisor.start([Recorded("short", "sleep 0.2; exit 3", 0, [])])
        await supervisor.watch()

    with pytest.raises(GaveUp, match="short has died 1 times"):
        _run(scenario)


def test_a_child_that_gives_up_ends_the_start_of_another() -> None:
    """Nobody waits for a platform that cannot be."""

    async def never() -> bool:
        return False

    async def scenario(supervisor: Supervisor) -> None:
        waiting = Recorded("waiting", "exec sleep 60", 0, [])
        waiting.care = Care(waiting.care.program, never)
        await supervisor.start([waiting, Recorded("short", "exit 3", 0, [])])

    with pytest.raises(GaveUp, match="short"):
        _run(scenario)


def test_a_removed_child_is_stopped_and_ends_no_watch() -> None:
    """The others are watched on."""
    stopped: list[str] = []

    async def scenario(supervisor: Supervisor) -> None:
        one = Recorded("one", "exec sleep 60", 1, stopped)
        await supervisor.start([one, Recorded("other", "exec sleep 60", 1, stopped)])
        watching = asyncio.create_task(supervisor.watch())
        await supervisor.remove(one)
        assert not watching.done()
        watching.cancel()

    _run(scenario)
    assert stopped == ["one", "other"]
