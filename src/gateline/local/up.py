"""`gateline up`: from an empty machine to a platform that answers, and back to nothing."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from gateline.local import banner, environment, probes
from gateline.local.apps import Apps
from gateline.local.children import Care, Child
from gateline.local.console import Console, wants_colour
from gateline.local.data_folder import DataFolder
from gateline.local.database import Prepared, prepare_database
from gateline.local.engines import Engine
from gateline.local.errors import LocalError
from gateline.local.following import RELOAD, Follower, Hangup, load_anew
from gateline.local.plan import DATABASE_NAME, Options, Plan, apps_of_plan, make_plan
from gateline.local.processes import Program
from gateline.local.services import ServiceProgram
from gateline.local.serving import SUPERVISED
from gateline.local.supervisor import Supervisor

if TYPE_CHECKING:
    from gateline.shared.metrics import Exporter

_PYTHON = (sys.executable, "-P", "-m")
_EDGE_DRAIN, _SERVICE_DRAIN = 4, 2
_IMPATIENCE_SECONDS = 1.0


def up(options: Options) -> None:
    """Run a platform until SIGINT or SIGTERM.

    Raises LocalError or ConfigError when it cannot start, GaveUp when a part keeps dying.
    """
    started = time.monotonic()
    with DataFolder(environment.data_folder_path(options.data_dir)) as folder:
        plan = make_plan(options, folder)
        try:
            asyncio.run(Platform(plan, folder, started).run())
        finally:
            plan.release()


class Platform:
    """One platform: its plan, its folder and its children."""

    def __init__(self, plan: Plan, folder: DataFolder, started: float) -> None:
        """Bind the parts together; nothing starts yet."""
        self._plan = plan
        self._folder = folder
        self._started = started
        self._colour = wants_colour(sys.stdout.buffer, os.environ)
        self._console = Console(sys.stdout.buffer, colour=self._colour)
        self._supervisor = Supervisor(self._console)
        self._shared = {
            **plan.shared,
            SUPERVISED: "1",
            "PROMETHEUS_MULTIPROC_DIR": str(folder.metrics),
            "PYTHONUNBUFFERED": "1",
        }
        self._apps = Apps(self._supervisor, self._console, folder, self._shared)
        self._follower: Follower | None = None

    async def run(self) -> None:
        """Bring everything up, watch over it, and take everything down."""
        told_to_stop = asyncio.Event()
        self._listen_for_signals(told_to_stop)
        work = asyncio.create_task(self._bring_up_and_watch())
        stopping = asyncio.create_task(told_to_stop.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self._console.say("Stopping")
        stopping.cancel()
        if not work.done():
            work.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await work
        finally:
            await self._supervisor.stop()
            self._apps.forget()
            if self._plan.keep:
                self._folder.write_env(self._plan.keep)
        self._console.say("Stopped; nothing is left running")

    async def _bring_up_and_watch(self) -> None:
        plan = self._plan
        for problem in plan.gateway.problems:
            self._console.say(str(problem))
        self._folder.empty_metrics()
        with self._exporter():
            await self._start_engines()
            prepared = await prepare_database(plan, self._console, self._shared)
            await self._apps.start(plan.apps)
            await self._supervisor.start([self._service_child(one) for one in plan.services])
            self._publish()
            self._console.show(await self._banner(prepared))
            following = asyncio.create_task(self._follow())
            try:
                await self._supervisor.watch()
            finally:
                following.cancel()

    async def _follow(self) -> None:
        settings = self._plan.settings
        self._follower = Follower(
            self._apps,
            self._console,
            path=self._plan.gateway.path or settings.gateline_config,
            seen=self._plan.seen,
            first=self._plan.gateway,
            load=partial(load_anew, settings, apps_of_plan),
            tell_edge=partial(self._supervisor.send_signal, "edge", RELOAD),
        )
        await self._follower.run()

    async def _start_engines(self) -> None:
        plan, say = self._plan, self._console.say
        engines = [engine for engine in (plan.postgres, plan.valkey) if engine]
        if engines:
            say("Starting " + " and ".join(_TITLES[engine.name] for engine in engines))
            await self._supervisor.start([self._engine_child(engine) for engine in engines])
        if plan.postgres:
            await asyncio.to_thread(plan.postgres.create_database, DATABASE_NAME)
        else:
            await probes.wait_for_database(plan.settings.database_url, say)
        if not plan.valkey:
            await probes.wait_for_valkey(plan.settings.redis_url, say)

    def _engine_child(self, engine: Engine) -> Child:
        async def is_ready() -> bool:
            return await asyncio.to_thread(engine.is_ready)

        async def prepare() -> None:
            await asyncio.to_thread(engine.prepare)

        care = Care(engine.program, is_ready, prepare, engine.noise, stop_order=2, stop_seconds=3.0)
        return Child(care, self._console)

    def _service_child(self, service: ServiceProgram) -> Child:
        host, port = self._plan.host(service.name), self._plan.ports[service.name]
        first = service.name == "edge"
        drain = _EDGE_DRAIN if first else _SERVICE_DRAIN
        arguments = ("--host", host, "--port", str(port), "--drain", str(drain))
        program = Program(
            service.name,
            (*_PYTHON, "gateline", "serve", service.name, *arguments),
            environment.service_environment(service.name, self._shared),
        )
        order = 0 if first else 1
        care = Care(
            program, self._readiness(host, port), stop_order=order, stop_seconds=drain + 0.5
        )
        return Child(care, self._console)

    def _readiness(self, host: str, port: int) -> Callable[[], Awaitable[bool]]:
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        allowed = [name for name in self._plan.settings.allowed_hosts if "*" not in name]
        name = allowed[0].removeprefix(".") if allowed else "localhost"

        tls = port == self._plan.ports["edge"] and self._plan.gateway.tls is not None

        async def is_ready() -> bool:
            return await probes.answers_ready(reachable, port, name=name, tls=tls)

        return is_ready

    def _exporter(self) -> "Exporter":
        """Start to answer scrapes; as the first thing, while the port is surely still ours."""
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._folder.metrics)
        from gateline.shared.metrics import start_exporter

        host, port = self._plan.settings.metrics_host, self._plan.ports["metrics"]
        self._plan.held["metrics"].close()
        try:
            return start_exporter(port, host)
        except OSError as error:
            raise LocalError(
                f"Port {port} on {host}, for metrics, was taken meanwhile: start again, or choose "
                "another one with --metrics-port."
            ) from error

    def _publish(self) -> None:
        """Tell other shells where the platform is."""
        if self._plan.keep:
            addresses = {
                "GATELINE_URL": self._url("edge"),
                "GATELINE_METRICS": self._url("metrics"),
            }
            self._folder.write_env({**self._plan.shared, **addresses})

    def _url(self, name: str) -> str:
        host = self._plan.settings.metrics_host if name == "metrics" else self._plan.host(name)
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
        tls = name == "edge" and self._plan.gateway.tls is not None
        return f"{'https' if tls else 'http'}://{shown}:{self._plan.ports[name]}"

    async def _banner(self, prepared: Prepared) -> str:
        settings = self._plan.settings
        served = self._apps.served
        states = await asyncio.gather(*(one.state() for one in served))
        facts = banner.Facts(
            url=self._url("edge"),
            metrics_url=f"{self._url('metrics')}/metrics",
            data=self._folder.path,
            database=probes.place(settings.database_url),
            valkey=probes.place(settings.redis_url),
            seconds=time.monotonic() - self._started,
            passwords=prepared.passwords,
            password_note=prepared.note,
            gateway=banner.describe(self._plan.gateway),
            apps={
                one.app.name: f"{one.app.program.target} at {one.url}, {state}"
                for one, state in zip(served, states, strict=True)
            },
        )
        return banner.render(facts, colour=self._colour)

    def _listen_for_signals(self, told_to_stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        first = None

        def ask() -> None:
            nonlocal first
            first = first or loop.time()
            # One Ctrl-C may arrive twice, from the terminal and from whoever started us.
            if loop.time() - first > _IMPATIENCE_SECONDS:
                self._console.say("Killing what is left")
                self._supervisor.kill()
            told_to_stop.set()

        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, ask)
        hangup = Hangup()

        def reload() -> None:
            if hangup.means_the_end:
                ask()
            elif self._follower is not None:
                self._follower.look()

        loop.add_signal_handler(signal.SIGHUP, reload)


_TITLES = {"postgres": "PostgreSQL", "valkey": "Valkey"}
