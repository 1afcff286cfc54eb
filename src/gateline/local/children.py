"""One child under supervision: started, awaited, started again when it dies, ended when asked."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateline.local.console import Console
from gateline.local.errors import LocalError
from gateline.local.processes import Program, launch_command, signal_group
from gateline.local.restarts import Restarts

_POLL_SECONDS = 0.05
_LAST_WORDS_SECONDS = 1.0
_WRONG_CONFIGURATION = 2  # what our commands exit with when no restart will help


class GaveUp(LocalError):
    """A child keeps dying; the message tells why we stopped starting it."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Care:
    """How to look after a child: what to do before each start, and how to ask whether it is up."""

    program: Program
    is_ready: Callable[[], Awaitable[bool]]
    prepare: Callable[[], Awaitable[None]] | None = None
    noise: tuple[bytes, ...] = ()
    stop_order: int = 0
    stop_seconds: float = 3.0
    ready_seconds: float = 60.0


@dataclass(eq=False)
class Child:
    """A program that is kept running until `stop`; one that is `patient` is never given up.

    `ready` is set while it answers, `died` once it has ended for the first time.
    """

    care: Care
    console: Console
    restarts: Restarts = field(default_factory=Restarts)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    died: asyncio.Event = field(default_factory=asyncio.Event)
    patient: bool = False
    _process: asyncio.subprocess.Process | None = None
    _stopping: bool = False
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The name in logs and messages."""
        return self.care.program.name

    async def run(self) -> None:
        """Keep the program running; return after `stop`, raise GaveUp when it keeps dying."""
        while not self._stopping:
            code, ready_at = await self._live_once()
            if self._stopping:
                return
            self.restarts = self.restarts.after_death(ready_at=ready_at, now=time.monotonic())
            await self._pause(code, first=ready_at is None and self.restarts.deaths == 1)

    async def stop(self) -> None:
        """Ask the program to end, give it its time, then kill its whole group."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.care.program.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.care.stop_seconds)
        self.kill()
        await process.wait()
        await self._last_words()
        for pump in self._pumps:
            pump.cancel()

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal to the program itself, if it runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)

    def kill(self) -> None:
        """Kill the program and everything it started, now."""
        self._stopping = True
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)

    async def _live_once(self) -> tuple[int, float | None]:
        if self.care.prepare:
            await self.care.prepare()
        process = await self._spawn()
        if self._stopping:  # who asked us to stop did not see this one
            self.kill()
        ready_at = await self._ready_time(process)
        if ready_at is None and process.returncode is None:
            self.console.say(f"{self.name} runs but does not answer")
            signal_group(process.pid, signal.SIGKILL)
        code = await process.wait()
        self.ready.clear()
        # What it started (workers) must not go on without it.
        signal_group(process.pid, signal.SIGKILL)
        await self._last_words()
        self.died.set()
        return code, ready_at

    async def _last_words(self) -> None:
        """Let what an ended program printed be read, before we say anything of its end."""
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=_LAST_WORDS_SECONDS)

    async def _ready_time(self, process: asyncio.subprocess.Process) -> float | None:
        """Return when the program began to answer; None when it ended first or took too long."""
        exited = asyncio.create_task(process.wait())
        probing = asyncio.create_task(self._until_ready())
        try:
            await asyncio.wait({exited, probing}, return_when=asyncio.FIRST_COMPLETED)
            return probing.result() if probing.done() and not exited.done() else None
        finally:
            exited.cancel()
            probing.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = self.care.program
        process = await asyncio.create_subprocess_exec(
            *launch_command(program),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=None if program.environment is None else dict(program.environment),
            process_group=0,
        )
        self._process = process
        if process.stdout is not None:
            pump = asyncio.create_task(self._pump(process.stdout))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)
        return process

    async def _pump(self, output: asyncio.StreamReader) -> None:
        while data := await output.read(65_536):
            self.console.write(self.name, data, noise=self.care.noise)

    async def _until_ready(self) -> float | None:
        deadline = time.monotonic() + self.care.ready_seconds
        while not await self.care.is_ready():
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(_POLL_SECONDS)
        self.ready.set()
        return time.monotonic()

    async def _pause(self, code: int, *, first: bool) -> None:
        how = _describe_exit(code)
        if first and code == _WRONG_CONFIGURATION and not self.patient:
            raise GaveUp(f"{self.name} cannot start ({how}): see its last lines above.")
        delay = self.restarts.patient_delay if self.patient else self.restarts.delay
        if delay is None:
            raise GaveUp(
                f"{self.name} has died {self.restarts.deaths} times in a row (last: {how}): "
                "giving up. Its last lines are above."
            )
        self.console.say(f"{self.name} has died ({how}); starting it again in {delay:g} s")
        await asyncio.sleep(delay)


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
