"""Children that never outlive us: how to start, signal and end them."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Account:
    """A system account to run a program as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> "Account | None":
        """Find the account by name, None when the system has none of that name."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(name, entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how it wants to be asked to end."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM


def launch_command(program: Program) -> list[str]:
    """Return the command that starts `program` bound to the life of the calling thread.

    Linux sends the parent-death signal when the *thread* that forked ends, so fork from the main
    thread.
    """
    uid, gid = (program.account.uid, program.account.gid) if program.account else ("-", "-")
    arguments = (os.getpid(), int(program.stop_signal), uid, gid)
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
    return [*launcher, *(str(part) for part in arguments), *program.command]


def start(program: Program, *, output: int | None = None) -> subprocess.Popen[bytes]:
    """Start `program` in its own process group; `output` is a descriptor for both its streams."""
    return subprocess.Popen(  # noqa: S603 - our own command, as a list
        launch_command(program),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=None if program.environment is None else dict(program.environment),
        process_group=0,
    )


def signal_group(leader: int, signum: signal.Signals) -> None:
    """Send `signum` to process `leader` and its group; nothing when all are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signum)


def stop(process: subprocess.Popen[bytes], signum: signal.Signals, *, seconds: float) -> None:
    """Ask the process to end, wait up to `seconds`, then kill its whole group."""
    if process.poll() is None:
        process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    signal_group(process.pid, signal.SIGKILL)
    process.wait()
