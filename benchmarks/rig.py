"""An edge of one's own with a store and an upstream, for what is no comparison of gateways."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from gateline.local.engines import Valkey, running

_HERE = Path(__file__).parent
_READY_SECONDS = 30
_SECRET = "a-key-for-benchmarks-only-0123456789abcdef"  # noqa: S105 - of nobody


@dataclass(frozen=True, slots=True)
class RunningEdge:
    """An edge that serves the gateway file `file` on `port`."""

    port: int
    file: Path
    process: psutil.Process

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def write(self, text: str) -> str:
        """Replace its file at once and whole; return the version that it will have."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.file)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def reload(self) -> None:
        """Have the file read anew."""
        self.process.send_signal(signal.SIGHUP)

    def version(self) -> str:
        """Return the version that serves."""
        found = requests.get(f"{self.url}/health", timeout=10).json()
        return str(found["config"]["version"])

    def cpu_seconds(self) -> float:
        """Return the CPU time that it and its workers have used."""
        total = 0.0
        for one in (self.process, *self.process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
        return total

    def memory_mb(self) -> float:
        """Return the resident memory of its largest process."""
        family = (self.process, *self.process.children(recursive=True))
        return max(one.memory_info().rss for one in family) / 1e6


@dataclass(frozen=True, slots=True)
class Rig:
    """A running store and upstream; `upstream` is the upstream's address."""

    folder: Path
    redis_url: str
    upstream: str

    @contextlib.contextmanager
    def edge(
        self,
        text: str,
        *,
        core: str | None = None,
        workers: int = 1,
        program: Sequence[str] = ("-m", "gateline"),
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[RunningEdge]:
        """Run an edge with this gateway file, on one core if one is named."""
        folder = Path(tempfile.mkdtemp(prefix="edge-", dir=self.folder))
        file, port = folder / "gateline.toml", free_port()
        file.write_text(text, encoding="utf-8")
        command = [sys.executable, *program, "serve", "edge", "--port", str(port)]
        command += ["--workers", str(workers)]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "FLASK_ENV": "development",
            "SECRET_KEY": _SECRET,
            "DATABASE_URL": "postgresql://unused@127.0.0.1:1/unused",
            "REDIS_URL": self.redis_url,
            "METRICS_PORT": "0",
            **(settings or {}),
        }
        with process(command, environment, folder, core) as started:
            wait_until_answered(f"http://127.0.0.1:{port}/livez", folder)
            yield RunningEdge(port, file, started)


@contextlib.contextmanager
def rig(*, core: str | None = None) -> Iterator[Rig]:
    """Run a store, and an upstream on this core."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-rig-"))
    port = free_port()
    try:
        valkey = Valkey(folder / "valkey", folder / "run")
        command = [sys.executable, str(_HERE / "upstream.py"), str(port)]
        with running(valkey), process(command, dict(os.environ), folder, core):
            wait_until_answered(f"http://127.0.0.1:{port}/", folder)
            yield Rig(folder, valkey.url(), f"http://127.0.0.1:{port}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def process(
    command: list[str], environment: Mapping[str, str], folder: Path, core: str | None
) -> Iterator[psutil.Process]:
    """Run a process in a group of its own, its output in `folder`; end the group at the end."""
    pinned = ["taskset", "-c", core, *command] if core is not None else command
    with (folder / "output.log").open("ab") as output:
        started = subprocess.Popen(
            pinned,
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield psutil.Process(started.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGTERM)
            try:
                started.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()


def wait_until_answered(url: str, folder: Path) -> None:
    """Return when something answers there; exit with the output in `folder` when nothing does."""
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    sys.exit(f"nothing answers at {url}:\n{(folder / 'output.log').read_text()}")


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
