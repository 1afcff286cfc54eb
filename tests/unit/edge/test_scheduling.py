"""How the threads of a worker share a core."""

import os
import sys
import threading
from pathlib import Path

import pytest
from running_edge import RunningEdge
from running_platform import children_of

from gateline.edge.scheduling import let_server_wait
from gateline.local.engines import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sched(7) is Linux's")


def policies(pid: int) -> dict[str, set[int]]:
    """Return the scheduling policies of a process's threads, by their name."""
    found: dict[str, set[int]] = {}
    for entry in Path(f"/proc/{pid}/task").iterdir():
        name = (entry / "comm").read_text().strip()
        found.setdefault(name, set()).add(os.sched_getscheduler(int(entry.name)))
    return found


def test_the_threads_of_the_server_wait(edge: RunningEdge) -> None:
    """The one that writes to clients is batch work, the event loop is not."""
    assert edge.process is not None
    (worker,) = children_of(edge.process.pid)

    def waits() -> bool:
        return policies(worker).get("tokio-rt-worker") == {os.SCHED_BATCH}

    assert wait_until(waits, seconds=5.0)
    assert os.sched_getscheduler(worker) == os.SCHED_OTHER


def test_threads_of_python_stay_as_they_are() -> None:
    """What runs our code is never made to wait."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        before = {one.native_id: os.sched_getscheduler(one.native_id or 0) for one in everyone()}
        let_server_wait()
        after = {one.native_id: os.sched_getscheduler(one.native_id or 0) for one in everyone()}
        assert after == before
    finally:
        stop.set()
        thread.join()


def test_a_system_that_forbids_it_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a gain, and no need."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    let_server_wait()
    monkeypatch.delattr(os, "SCHED_BATCH")
    let_server_wait()


def everyone() -> list[threading.Thread]:
    """Return the threads that Python knows."""
    return threading.enumerate()
