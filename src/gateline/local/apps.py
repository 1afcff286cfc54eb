"""The apps of a gateway file: served beside the platform, exchanged when the file changes."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateline.local import environment, probes
from gateline.local.app_server import app_program
from gateline.local.children import Care, Child
from gateline.local.console import Console
from gateline.local.data_folder import DataFolder
from gateline.local.ports import reserve
from gateline.local.supervisor import Supervisor
from gateline.policy.services import AppProgram, Service
from gateline.shared.gateway.apps import ADDRESSES, write_addresses

HOST: Final = "127.0.0.1"
_DRAIN_SECONDS: Final = 2
_START_SECONDS: Final = 30.0
_SWITCH_SECONDS: Final = 2.0
_NOT_SAID: Final = 400
_FAILED: Final = 500
_PROBE_PATH: Final = "/livez"


@dataclass(frozen=True, slots=True)
class App:
    """An app to serve. It is up when it answers `probe_path`, whatever it answers."""

    name: str
    program: AppProgram
    probe_path: str = _PROBE_PATH


@dataclass(frozen=True, slots=True)
class Served:
    """An app with the child that serves it, and the socket that holds its port."""

    app: App
    child: Child
    holder: socket.socket

    @property
    def url(self) -> str:
        """Where the edge finds it."""
        return f"http://{HOST}:{self.holder.getsockname()[1]}"

    async def state(self) -> str:
        """Ask how it is: in good health, where it says what its health is, else just up."""
        port = self.holder.getsockname()[1]
        status = await probes.status_of(HOST, port, self.app.probe_path)
        if status is None:
            return "not answering"
        if status >= _FAILED:
            return f"failing ({self.app.probe_path} is answered with {status})"
        return "healthy" if status < _NOT_SAID else "up"


def apps_of(services: Mapping[str, Service], elsewhere: Mapping[str, str]) -> dict[str, App]:
    """Return the apps to serve here, by name: those for which nobody named an address."""
    return {
        name: App(name, service.app, service.probe.path if service.probe else _PROBE_PATH)
        for name, service in services.items()
        if service.app and name not in elsewhere
    }


class Apps:
    """Keeps the wanted apps served, and the file with their addresses true.

    `shared` is what every process of the platform is told.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        console: Console,
        folder: DataFolder,
        shared: Mapping[str, str],
    ) -> None:
        self._supervisor = supervisor
        self._console = console
        self._folder = folder
        self._shared = shared
        self._served: dict[str, Served] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def served(self) -> tuple[Served, ...]:
        """What is served now."""
        return tuple(self._served.values())

    async def start(self, wanted: Mapping[str, App]) -> None:
        """Serve all of them for the first time; raise GaveUp when one cannot be built."""
        self._served = {name: self._prepare(app) for name, app in wanted.items()}
        self._publish()
        if not self._served:
            return
        self._console.say("Starting " + ", ".join(self._served))
        await self._supervisor.start([one.child for one in self._served.values()])
        for one in self._served.values():
            one.child.patient = True

    async def change(self, wanted: Mapping[str, App]) -> bool:
        """Serve these instead; tell whether an address has changed.

        A changed app is started beside its old self, which is ended once the new one has answered
        for a moment; an app that does not start leaves the old one where it is.
        """
        gone = [self._served.pop(name) for name in set(self._served) - set(wanted)]
        changed = [app for name, app in wanted.items() if self._differs(app)]
        for fresh in await asyncio.gather(*(self._try(app) for app in changed)):
            if fresh is not None:
                old = self._served.get(fresh.app.name)
                gone += [old] if old is not None else []
                self._served[fresh.app.name] = fresh
        if gone or changed:
            self._publish()
        for one in gone:
            self._let_go(one)
        return bool(gone or changed)

    def forget(self) -> None:
        """Give up the ports and remove the file with the addresses: nobody answers any more."""
        for one in self.served:
            one.holder.close()
        with contextlib.suppress(OSError):
            (self._folder.path / ADDRESSES).unlink(missing_ok=True)

    def _differs(self, app: App) -> bool:
        served = self._served.get(app.name)
        return served is None or served.app != app

    async def _try(self, app: App) -> Served | None:
        """Start an app; None when it does not answer and its old self is there to go on."""
        fresh = self._prepare(app)
        fresh.child.patient = True
        self._console.say(f"Starting {app.name}")
        await self._first_sign(fresh.child)
        if fresh.child.ready.is_set() or app.name not in self._served:
            return fresh
        self._console.say(f"{app.name} does not start: its old self goes on")
        await self._end(fresh)
        return None

    async def _first_sign(self, child: Child) -> None:
        """Start a child and wait until it answers, dies, or takes too long."""
        starting = asyncio.create_task(self._supervisor.start([child]))
        dying = asyncio.create_task(child.died.wait())
        await asyncio.wait(
            {starting, dying}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (starting, dying):
            task.cancel()
        await asyncio.gather(starting, dying, return_exceptions=True)

    def _prepare(self, app: App) -> Served:
        holder = reserve(HOST)
        port = int(holder.getsockname()[1])
        program = app_program(
            app.name,
            app.program,
            port,
            drain=_DRAIN_SECONDS,
            environment=environment.service_environment(app.name, self._shared),
        )
        care = Care(
            program, _answers(port, app.probe_path), stop_order=1, stop_seconds=_DRAIN_SECONDS + 0.5
        )
        return Served(app, Child(care, self._console), holder)

    async def _end(self, one: Served) -> None:
        await self._supervisor.remove(one.child)
        one.holder.close()

    def _publish(self) -> None:
        write_addresses(self._folder.path, {one.app.name: one.url for one in self.served})

    def _let_go(self, one: Served) -> None:
        async def end() -> None:
            # Until then every worker of the edge has read the new addresses.
            await asyncio.sleep(_SWITCH_SECONDS)
            await self._end(one)

        task = asyncio.create_task(end())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _answers(port: int, path: str) -> Callable[[], Awaitable[bool]]:
    async def is_up() -> bool:
        return await probes.status_of(HOST, port, path) is not None

    return is_up
