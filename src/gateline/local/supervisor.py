"""All children of a platform: brought up in groups, kept up, and taken down in their order."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import Any

from gateline.local.children import Child
from gateline.local.console import Console

STOP_SECONDS = 9.0
_END_SECONDS = 1.0


class Supervisor:
    """Keep children running until told to stop or until one gives up."""

    def __init__(self, console: Console) -> None:
        """Start with no children."""
        self._console = console
        self._children: list[Child] = []
        self._running: dict[Child, asyncio.Task[None]] = {}

    async def start(self, children: Sequence[Child]) -> None:
        """Start a group at once and wait until all of it is ready.

        Raises GaveUp when a child of this or an earlier group keeps dying meanwhile.
        """
        self._children += children
        for child in children:
            self._running[child] = asyncio.create_task(child.run(), name=child.name)
        ready = asyncio.gather(*(child.ready.wait() for child in children))
        try:
            await self._unless_one_gives_up(ready)
        finally:
            ready.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ready

    async def watch(self) -> None:
        """Wait until a child gives up, and raise its GaveUp."""
        await self._unless_one_gives_up(asyncio.get_running_loop().create_future())

    def send_signal(self, name: str, signum: signal.Signals) -> None:
        """Send a signal to the children of that name."""
        for child in self._children:
            if child.name == name:
                child.send_signal(signum)

    async def remove(self, child: Child) -> None:
        """Stop one child and forget it."""
        task = self._running.pop(child, None)
        await child.stop()
        if task is not None:
            # It may be starting the program again just now, and ends that by itself.
            await asyncio.wait({task}, timeout=_END_SECONDS)
            task.cancel()
        if child in self._children:
            self._children.remove(child)

    async def stop(self) -> None:
        """Stop the children by their `stop_order`; kill whatever is left at the deadline."""
        for task in self._running.values():
            task.cancel()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                for order in sorted({child.care.stop_order for child in self._children}):
                    group = (child for child in self._children if child.care.stop_order == order)
                    await asyncio.gather(*(child.stop() for child in group))
        except TimeoutError:
            self.kill()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._console.flush()

    def kill(self) -> None:
        """Kill every child and what it started, now."""
        for child in self._children:
            child.kill()

    async def _unless_one_gives_up(self, wanted: "asyncio.Future[Any]") -> None:
        done: set[asyncio.Future[Any]] = set()
        # A child that was removed meanwhile has ended too, and concerns nobody.
        while not done & {wanted, *self._running.values()}:
            waited = {wanted, *self._running.values()}
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for task in done & set(self._running.values()):
            task.result()
