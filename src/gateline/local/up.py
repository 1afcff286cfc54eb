"""`gateline up`: from an empty machine to a platform that answers, and back to nothing."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from gateline.local import banner, environment, probes
from gateline.local.children import Care, Child
from gateline.local.console import Console, wants_colour
from gateline.local.data_folder import DataFolder
from gateline.local.engines import Engine
from gateline.local.errors import LocalError
from gateline.local.plan import DATABASE_NAME, Options, Plan, make_plan
from gateline.local.processes import Program, launch_command, signal_group
from gateline.local.sample_accounts import new_passwords
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
            if self._plan.keep:
                self._folder.write_env(self._plan.keep)
        self._console.say("Stopped; nothing is left running")

    async def _bring_up_and_watch(self) -> None:
        self._folder.empty_metrics()
        with self._exporter():
            await self._start_engines()
            passwords, note = await self._prepare_database()
            services = [self._service_child(service) for service in self._plan.services]
            await self._supervisor.start(services)
            self._publish()
            self._console.show(self._banner(passwords, note))
            await self._supervisor.watch()

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

        async def is_ready() -> bool:
            return await probes.answers_ready(reachable, port, name=name)

        return is_ready

    async def _prepare_database(self) -> tuple[dict[str, str], str]:
        """Migrate and load sample data where needed; return new passwords, and what to say."""
        from gateline.local.preparation import read_mark

        plan = self._plan
        if plan.production:
            note, passwords = "", {}
        else:
            chosen = plan.settings.gateline_sample_password
            note = _PASSWORDS_CHOSEN if chosen else _PASSWORDS_KEPT
            passwords = dict(new_passwords(chosen))
        if await asyncio.to_thread(read_mark, plan.settings.database_url) == plan.mark:
            return {}, note
        what = "migrations" if plan.production else "migrations and sample data"
        self._console.say(f"Preparing the database: {what}")
        reset = bool(plan.settings.gateline_sample_password)
        done = await self._run_preparation(
            {"passwords": passwords, "reset": reset, "mark": plan.mark}
        )
        made = {email: passwords[email] for email in done["made"]}
        if reset or not made:
            return {}, note
        return made, _PASSWORDS_NEW

    async def _run_preparation(self, request: dict[str, Any]) -> dict[str, Any]:
        program = Program(
            "prepare",
            (*_PYTHON, "gateline.local.preparation"),
            environment.service_environment("auth", self._shared),
        )
        process = await asyncio.create_subprocess_exec(
            *launch_command(program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(program.environment or {}),
            process_group=0,
        )
        try:
            output, errors = await process.communicate(json.dumps(request).encode())
        finally:
            signal_group(process.pid, signal.SIGKILL)
        if process.returncode != 0:
            self._console.write("prepare", errors)
            raise LocalError("The database could not be prepared: the reason is above.")
        # The answer is the last line; what was logged before it is for people.
        logged, _, last = output.rstrip(b"\n").rpartition(b"\n")
        self._console.write("prepare", logged + b"\n" if logged else b"")
        answer: dict[str, Any] = json.loads(last)
        return answer

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
        return f"http://{shown}:{self._plan.ports[name]}"

    def _banner(self, passwords: dict[str, str], note: str) -> str:
        settings = self._plan.settings
        facts = banner.Facts(
            url=self._url("edge"),
            metrics_url=f"{self._url('metrics')}/metrics",
            data=self._folder.path,
            database=probes.place(settings.database_url),
            valkey=probes.place(settings.redis_url),
            seconds=time.monotonic() - self._started,
            passwords=passwords,
            password_note=note,
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

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, ask)


_TITLES = {"postgres": "PostgreSQL", "valkey": "Valkey"}
_PASSWORDS_NEW = "Shown this once: only their hashes are kept."
_SAMPLE_PEOPLE = "patient@, doctor@, institution@, admin@ and customer@example.com"
_PASSWORDS_CHOSEN = f"{_SAMPLE_PEOPLE}: the password is that of GATELINE_SAMPLE_PASSWORD."
# The start that made them may have been interrupted before it showed them.
_PASSWORDS_KEPT = (
    f"{_SAMPLE_PEOPLE}: the passwords are those of an earlier start. "
    "Lost or never seen? GATELINE_SAMPLE_PASSWORD sets a new one."
)
