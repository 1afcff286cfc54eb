"""How the threads of a worker share a core.

The server's threads write what the event loop answers. Woken by each answer, they would by default
interrupt the loop at once, a change of threads for every request. As batch work they wait until the
loop has nothing left to do, and then write many answers together.
"""

import contextlib
import os
import threading
from pathlib import Path

_THREADS = Path("/proc/self/task")


def let_server_wait() -> None:
    """Schedule the threads that are not Python's as batch work, where the system has that.

    (Linux, sched(7): SCHED_BATCH.) Where it may not, everything stays as it is.
    """
    if not hasattr(os, "SCHED_BATCH"):
        return
    ours = {thread.native_id for thread in threading.enumerate()}
    with contextlib.suppress(OSError):
        for entry in list(_THREADS.iterdir()):
            if int(entry.name) not in ours:
                os.sched_setscheduler(int(entry.name), os.SCHED_BATCH, os.sched_param(0))
