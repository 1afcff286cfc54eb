"""The exporter of metrics beside one service that is served alone (`gateline serve NAME`).

It is a process of its own: the server forks its workers, and a thread in it could hold a lock at
that very moment.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

from gateline.local.launch import die_with_parent

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


@contextlib.contextmanager
def exporting(host: str, port: int) -> Iterator[None]:
    """Answer scrapes for the processes that this one starts, until the block ends; port 0: do not.

    Sets the folder through which they share their figures, for as long as the block lasts, unless
    one is set already.
    """
    if port == 0:
        yield
        return
    own = None if os.environ.get(FOLDER_VARIABLE) else tempfile.mkdtemp(prefix="gateline-metrics-")
    if own is not None:
        os.environ[FOLDER_VARIABLE] = own
    command = [sys.executable, "-P", "-m", __name__, host, str(port), str(os.getpid())]
    process = subprocess.Popen(command)  # noqa: S603 # our own module, no shell
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        if own is not None:
            del os.environ[FOLDER_VARIABLE]
            shutil.rmtree(own, ignore_errors=True)


def main(host: str, port: int, parent: int) -> None:
    """Serve the scrapes; without a free port say so and end, for the service goes on without."""
    die_with_parent(signal.SIGTERM, parent)
    from gateline.shared.metrics import start_exporter

    try:
        exporter = start_exporter(port, host)
    except OSError as error:
        sys.stderr.write(
            f"No metrics: {host}:{port} cannot be listened on ({error.strerror});"
            " set METRICS_PORT to a free one.\n"
        )
        return
    with exporter, contextlib.suppress(KeyboardInterrupt):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
