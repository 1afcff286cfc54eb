"""Follow the gateway's file while the platform runs: tell the edge, exchange the apps."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateline.local.apps import App, Apps
from gateline.local.console import Console
from gateline.shared.config import ConfigError, Settings
from gateline.shared.gateway import GatewayPlan

_LOOK_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 0.05
_TERMINAL: Final = "/dev/tty"

Stamp = tuple[int, int, int] | None


class Follower:
    """Looks at the file once a second, and whenever it is told to.

    The edge watches the file by itself and says what is wrong with it; this one sees to the apps.
    `seen` is the stamp of the file from before `first` was read: who writes it while the platform
    starts is heard too. `load` reads the file anew or raises ConfigError, `tell_edge` makes the
    edge read it anew.
    """

    def __init__(
        self,
        apps: Apps,
        console: Console,
        *,
        path: Path,
        seen: Stamp,
        first: GatewayPlan,
        load: Callable[[], tuple[GatewayPlan, dict[str, App]]],
        tell_edge: Callable[[], None],
    ) -> None:
        self._apps = apps
        self._console = console
        self._path = path
        self._parts = (first.platform, first.samples)
        self._load = load
        self._tell_edge = tell_edge
        self._told = asyncio.Event()
        self._seen = seen

    def look(self) -> None:
        """Look now, and tell the edge whether or not the file has changed."""
        self._told.set()

    async def run(self) -> None:
        """Follow the file until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _LOOK_SECONDS)
            await self.step()

    async def step(self) -> None:
        """Look once."""
        told, seen = self._told.is_set(), stamp(self._path)
        self._told.clear()
        if told:
            self._console.say("Reading the gateway's file anew")
            self._tell_edge()
        if not told:
            if seen == self._seen:
                return
            # Somebody may be writing: what is half there must not be taken for all of it.
            await asyncio.sleep(_SETTLE_SECONDS)
            if stamp(self._path) != seen:
                return
        self._seen = seen
        await self._follow()

    async def _follow(self) -> None:
        if self._is_empty():
            return  # the edge refuses it: who empties a file is about to write it
        try:
            gateway, wanted = await asyncio.to_thread(self._load)
        except ConfigError:
            return
        if (gateway.platform, gateway.samples) != self._parts:
            self._parts = (gateway.platform, gateway.samples)
            self._console.say("platform and samples change with the next start of `gateline up`")
        if await self._apps.change(wanted):
            self._tell_edge()

    def _is_empty(self) -> bool:
        with contextlib.suppress(OSError):
            return not self._path.read_bytes().strip()
        return False


def load_anew(
    settings: Settings, apps_of_plan: Callable[[GatewayPlan, Settings], dict[str, App]]
) -> tuple[GatewayPlan, dict[str, App]]:
    """Read the file anew; raise ConfigError when it cannot be used."""
    from gateline.shared.gateway import load_plan

    gateway = load_plan(settings)
    return gateway, apps_of_plan(gateway, settings)


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is written: time, size and inode; None without the file."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


class Hangup:
    """Tells a SIGHUP that somebody sent from the one of a terminal that was closed."""

    def __init__(self) -> None:
        self._had_terminal = _has_terminal()

    @property
    def means_the_end(self) -> bool:
        """Whether the terminal that we were started from is gone."""
        return self._had_terminal and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


RELOAD: Final = signal.SIGHUP
"""What makes `gateline up` and each edge read the file anew."""
