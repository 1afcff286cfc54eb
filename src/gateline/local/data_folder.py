"""The folder in which a platform keeps its data, its secrets and its lock."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from dotenv import dotenv_values

from gateline.local.errors import LocalError


class DataFolder:
    """A data folder held by this process: a second platform on it is refused.

    Use it as a context manager; the kernel gives the lock back however the process ends.
    """

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is touched before it is entered."""
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def postgres(self) -> Path:
        """PostgreSQL's cluster."""
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's append-only file."""
        return self.path / "valkey"

    @property
    def metrics(self) -> Path:
        """Where the processes of this run leave their metrics for the one exporter."""
        return self.path / "metrics"

    def sockets(self, engine: str) -> Path:
        """Where an engine listens."""
        return self.path / "run" / engine

    def __enter__(self) -> Self:
        """Make the folder and take its lock; raise LocalError when either is impossible."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalError(
                f"Cannot write to {self.path} ({error.strerror}): make it writable, or choose "
                "another folder with --data-dir or GATELINE_DATA_DIR."
            ) from error
        self._take_lock(self._lock)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            self._lock = None
            raise LocalError(
                f"A platform is running on {self.path} already (process {holder}): "
                "stop that one, or choose another folder with --data-dir."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def empty_metrics(self) -> None:
        """Forget the metrics of the last run: its processes are gone."""
        shutil.rmtree(self.metrics, ignore_errors=True)
        self.metrics.mkdir(mode=0o700)

    def read_env(self) -> dict[str, str]:
        """Return what `write_env` wrote last; empty when there is nothing."""
        with contextlib.suppress(FileNotFoundError):
            values = dotenv_values(self.path / "env", interpolate=False)
            return {name: value for name, value in values.items() if value is not None}
        return {}

    def write_env(self, values: Mapping[str, str]) -> None:
        """Replace the file `env` (0600) that tells other shells how to reach this platform."""
        lines = [
            "# Written by `gateline up`; read by `gateline serve` and `flask run` in this folder.\n"
        ]
        lines += [f"{name}='{_quotable(name, value)}'\n" for name, value in values.items()]
        fresh = self.path / "env.new"
        fresh.unlink(missing_ok=True)
        # The mode from the first moment: it holds secrets.
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path / "env")


def _quotable(name: str, value: str) -> str:
    if "'" in value or "\\" in value or "\n" in value:
        raise LocalError(f"{name} may not contain quotes, backslashes or line breaks.")
    return value
