"""A real `gateline up` for tests: started, looked into, stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

START_SECONDS = 60.0
STOP_SECONDS = 15.0

_ACCOUNT = re.compile(r"(\w+@example\.com) +([a-z0-9]{4}(?:-[a-z0-9]{4}){3})")
_OURS = re.compile(
    r"(FLASK_|GATELINE_|DATABASE_|REDIS_|JWT_|SECRET_|SERVICE_|PROMETHEUS_|METRICS_)|_SERVICE_URL$"
)


@dataclass
class RunningPlatform:
    """A platform in its own data folder. `env` is what it wrote for other shells."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    env: dict[str, str]

    @property
    def url(self) -> str:
        """The edge's address."""
        return self.env["GATELINE_URL"]

    @property
    def metrics_url(self) -> str:
        """The address to scrape."""
        return self.env["GATELINE_METRICS"]

    @property
    def output(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def accounts(self) -> dict[str, str]:
        """The sample accounts' passwords, as the banner shows them at a first start."""
        return dict(_ACCOUNT.findall(self.output))

    def service_key(self, name: str = "local") -> str:
        """Return the key of a calling service."""
        keys = dict(pair.split(":", 1) for pair in self.env["SERVICE_KEYS"].split(","))
        return keys[name]

    def stop(self, signum: signal.Signals = signal.SIGINT) -> float:
        """Stop it and return how many seconds that took; kill it and fail when it does not end."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return time.monotonic() - started

    def kill(self) -> None:
        """Kill it if it still runs."""
        self.process.kill()
        self.process.wait()


def start_platform(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> RunningPlatform:
    """Run `gateline up` on free ports with its data in `folder`; return when it is ready.

    Raises AssertionError with its output when it ends instead or takes too long.
    """
    log = folder / "output.log"
    with log.open("wb") as output:
        process = launch(folder, *options, environment=environment, output=output.fileno())
    deadline = time.monotonic() + START_SECONDS
    # The last thing that it prints at a start, after it has written the addresses down.
    while " is ready (" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"no platform, exit code {process.wait()}:\n{log.read_text()}")
        time.sleep(0.05)
    env = dotenv_values(folder / "data" / "env")
    known = {name: value for name, value in env.items() if value is not None}
    return RunningPlatform(process, folder, log, known)


def launch(
    folder: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    output: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Run `gateline up` in `folder` without waiting, with none of our own settings in its way."""
    clean = {name: value for name, value in os.environ.items() if not _OURS.search(name)}
    arguments = ["--port", "0", "--data-dir", str(folder / "data"), *options]
    return subprocess.Popen(
        [sys.executable, "-m", "gateline", "up", *arguments],
        cwd=folder,
        env={**clean, "PYTHONUNBUFFERED": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def processes_of(folder: Path) -> dict[int, str]:
    """Return the live processes that belong to a platform in `folder`: pid → command line.

    They are known by their command, their environment or, for PostgreSQL's, their working folder.
    """
    data = str(folder / "data")
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        command = _read(entry / "cmdline").replace("\0", " ").strip()
        told = f"GATELINE_DATA_DIR={data}" in _read(entry / "environ").split("\0")
        inside = _working_folder(entry).startswith(data)
        if command and (told or inside or data in command) and int(entry.name) != os.getpid():
            found[int(entry.name)] = command
    return found


def children_of(pid: int) -> dict[int, str]:
    """Return the live children of a process: pid → command line."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return {
        int(child): _read(Path(f"/proc/{child}/cmdline")).replace("\0", " ").strip()
        for child in _read(listing).split()
    }


def _working_folder(entry: Path) -> str:
    try:
        return str((entry / "cwd").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
