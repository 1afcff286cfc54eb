"""Following the gateway's file."""

import asyncio
import io
import os
import pty
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateline.local import following
from gateline.local.apps import App, Apps
from gateline.local.console import Console
from gateline.local.following import Follower, Hangup, stamp
from gateline.policy.services import AppProgram
from gateline.shared.config import ConfigError, Problem, Settings
from gateline.shared.gateway import GatewayPlan, load_plan


class Recorded(Apps):
    """Apps that are only noted."""

    def __init__(self) -> None:
        """Begin with none."""
        self.asked: list[dict[str, App]] = []
        self.one_came = asyncio.Event()

    async def change(self, wanted: object) -> bool:
        """Note it; something has changed when it differs from before."""
        assert isinstance(wanted, dict)
        self.asked.append(wanted)
        self.one_came.set()
        return len(self.asked) < 2 or self.asked[-2] != wanted


@pytest.fixture
def plan(tmp_path: Path) -> GatewayPlan:
    """Give the plan of a platform without a file."""
    environ = {"SECRET_KEY": "s" * 32, "DATABASE_URL": "postgresql://u@h/d"}
    return load_plan(Settings.load(environ, folder=tmp_path))


def test_a_change_reaches_the_apps_and_then_the_edge(tmp_path: Path, plan: GatewayPlan) -> None:
    """The edge watches for itself; it is told again when an address has changed."""
    path = tmp_path / "gateline.toml"
    apps, out = Recorded(), io.BytesIO()
    told: list[int] = []
    answers: list[GatewayPlan | ConfigError] = [
        plan,
        plan,
        ConfigError([Problem("file", "is wrong")]),
        replace(plan, samples=not plan.samples),
    ]
    wanted = {"shop": App("shop", AppProgram("shop:app", str(tmp_path)))}

    def load() -> tuple[GatewayPlan, dict[str, App]]:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer, wanted

    async def scenario() -> None:
        follower = Follower(
            apps,
            Console(out, colour=False),
            path=path,
            seen=stamp(path),
            first=plan,
            load=load,
            tell_edge=lambda: told.append(len(apps.asked)),
        )
        await follower.step()
        assert (apps.asked, told) == ([], []), "nothing happened"
        path.write_text("one")
        await follower.step()
        assert told == [1], "after the apps"
        follower.look()
        await follower.step()
        assert told == [1, 1], "at once, and not again for apps that stayed"
        path.write_text("wrong")
        await follower.step()
        path.write_text("other platform")
        await follower.step()
        assert len(apps.asked) == 3

    asyncio.run(scenario())
    assert b"change with the next start" in out.getvalue()


def test_an_empty_file_ends_no_app(tmp_path: Path, plan: GatewayPlan) -> None:
    """Who empties it is about to write it, as editors and copies do."""
    path, apps = tmp_path / "gateline.toml", Recorded()
    path.write_text("[gateway]\n")

    async def scenario() -> None:
        follower = Follower(
            apps,
            Console(io.BytesIO(), colour=False),
            path=path,
            seen=stamp(path),
            first=plan,
            load=lambda: (plan, {}),
            tell_edge=lambda: None,
        )
        path.write_text("")
        await follower.step()
        assert apps.asked == []
        path.write_text("[services]\n")
        await follower.step()
        assert apps.asked == [{}]

    asyncio.run(scenario())


def test_it_looks_by_itself(
    tmp_path: Path, plan: GatewayPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a second is often enough for a person."""
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.01)
    path, apps = tmp_path / "gateline.toml", Recorded()

    async def scenario() -> None:
        follower = Follower(
            apps,
            Console(io.BytesIO(), colour=False),
            path=path,
            seen=stamp(path),
            first=plan,
            load=lambda: (plan, {}),
            tell_edge=lambda: None,
        )
        running = asyncio.create_task(follower.run())
        path.write_text("one")
        await asyncio.wait_for(apps.one_came.wait(), 10)
        running.cancel()

    asyncio.run(scenario())


def test_a_file_that_is_written_anew_is_another(tmp_path: Path) -> None:
    """Editors replace files, so the inode counts besides time and size."""
    path, other = tmp_path / "a", tmp_path / "b"
    assert stamp(path) is None
    path.write_text("same")
    before = stamp(path)
    other.write_text("same")
    other.replace(path)
    assert stamp(path) != before


def test_a_hangup_of_a_closed_terminal_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, or with one that is there, SIGHUP means: read the file anew."""
    there = True
    monkeypatch.setattr(following, "_has_terminal", lambda: there)
    hangup = Hangup()
    assert not hangup.means_the_end
    there = False
    assert hangup.means_the_end
    assert not Hangup().means_the_end


_WAITING = """
import fcntl, signal, sys, termios
from gateline.local.following import Hangup
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
hangup = Hangup()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
print("ready", flush=True)
signal.sigtimedwait({signal.SIGHUP}, 20)
with open(sys.argv[1], "w") as file:
    file.write(str(hangup.means_the_end))
"""


@pytest.mark.parametrize("closed", [True, False])
def test_a_real_terminal_is_told_apart(tmp_path: Path, closed: bool) -> None:
    """The kernel sends SIGHUP when a terminal is closed; somebody else may send it too."""
    told = tmp_path / "told"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITING, str(told)],
        stdin=theirs,
        stdout=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        with os.fdopen(os.dup(ours), "rb") as reader:
            assert reader.readline().strip() == b"ready"
        if closed:
            os.close(ours)
        else:
            process.send_signal(signal.SIGHUP)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        if not closed:
            os.close(ours)

    assert told.read_text().strip() == str(closed)
