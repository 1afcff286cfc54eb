"""Children: their group, their account, their end, and that they never outlive us."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gateline.local.engines import wait_until
from gateline.local.processes import Account, Program, signal_group, start, stop

_SLEEPER = ("/bin/sleep", "60")


def test_a_child_leads_a_group_of_its_own() -> None:
    """Ctrl-C at the terminal reaches us only; we decide what our children get."""
    child = start(Program("sleeper", _SLEEPER))
    try:
        assert os.getpgid(child.pid) == child.pid
    finally:
        stop(child, signal.SIGTERM, seconds=5)
    assert child.returncode == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    """The whole group goes, whatever the leader does with SIGTERM."""
    script = "trap '' TERM; sleep 60 & echo $! > pid.new; mv pid.new pid; wait; wait"
    command = ("/bin/sh", "-c", f"cd {tmp_path}; {script}")
    child = start(Program("deaf", command))
    assert wait_until((tmp_path / "pid").exists, seconds=5)
    grandchild = int((tmp_path / "pid").read_text())

    stop(child, signal.SIGTERM, seconds=0.1)

    assert child.returncode == -signal.SIGKILL
    assert wait_until(lambda: not _is_running(grandchild), seconds=5)


def test_signalling_a_group_that_is_gone_is_nothing() -> None:
    """A death between looking and signalling is no error."""
    child = start(Program("done", ("/bin/true",)))
    child.wait()

    signal_group(child.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_child_ends_with_a_killed_parent() -> None:
    """kill -9 of a supervisor leaves no orphan."""  # noqa: D403 - a command
    script = """
        import os
        from gateline.local.processes import Program, start
        print(start(Program("sleeper", ("/bin/sleep", "60"))).pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    parent = subprocess.run(command, capture_output=True, text=True, check=False)
    orphan = int(parent.stdout)

    assert wait_until(lambda: not _is_running(orphan), seconds=5)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another account")
def test_a_program_runs_as_its_account() -> None:
    """Groups of ours are dropped along with the user."""
    account = Account.named("nobody")
    assert account is not None
    reader, writer = os.pipe()
    child = start(Program("id", ("/usr/bin/id", "-u"), account=account), output=writer)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read().strip() == str(account.uid)
    assert child.wait() == 0


def test_an_unknown_account_is_none() -> None:
    """Looking for an account is no error."""
    assert Account.named("no-such-account") is None


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
