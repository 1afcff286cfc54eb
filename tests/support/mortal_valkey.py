"""A Valkey that tests may end."""

import signal
import subprocess
from pathlib import Path

from gateline.local.engines import Valkey, wait_until
from gateline.local.processes import start, stop


class MortalValkey:
    """A Valkey of our own that can be killed, frozen and brought back with its data."""

    def __init__(self, folder: Path) -> None:
        self.engine = Valkey(folder / "data", folder / "run")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.engine.prepare()
        self.process = start(self.engine.program, output=subprocess.DEVNULL)
        assert wait_until(self.engine.is_ready, seconds=10)

    def signal(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(signum)

    def kill(self) -> None:
        """End it without warning."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def stop(self) -> None:
        """End it for good."""
        if self.process is not None:
            stop(self.process, signal.SIGTERM, seconds=5)
