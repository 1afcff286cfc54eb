"""The launcher: a program that ends with its parent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateline.local import launch

_SCRIPT = str(Path(launch.__file__))


def test_it_becomes_the_command() -> None:
    """Its process id, its streams and its exit code are the command's."""
    command = ["-", "-", "/bin/sh", "-c", "echo $$; exit 5"]
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", _SCRIPT, str(os.getpid()), "15", *command],
        stdout=subprocess.PIPE,
        text=True,
    )
    shown, _ = child.communicate()

    assert int(shown) == child.pid
    assert child.returncode == 5


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_with_its_parent_gone_already_it_does_not_start() -> None:
    """A parent that died before the signal was set would never be noticed."""
    stranger = str(os.getppid() or 1)
    done = subprocess.run(
        [sys.executable, "-I", "-S", _SCRIPT, stranger, "15", "-", "-", "/bin/echo", "started"],
        capture_output=True,
        check=True,
    )

    assert done.stdout == b""


def test_it_needs_nothing_of_ours() -> None:
    """It starts in milliseconds, so it may import the standard library only."""
    source = Path(_SCRIPT).read_text()

    assert "gateline" not in source.split('"""', 2)[2]
