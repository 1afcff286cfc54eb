"""A child under supervision, with small real programs."""

import asyncio
import io
import os
import signal
from pathlib import Path

import pytest

from gateline.local.children import Care, Child, GaveUp
from gateline.local.console import Console
from gateline.local.processes import Program
from gateline.local.restarts import RestartPolicy, Restarts

_QUICK = Restarts(RestartPolicy(delays=(0.0, 0.0), settled=60.0))


async def _ready() -> bool:
    return True


async def _never_ready() -> bool:
    return False


def _child(script: str, *, ready: bool = True, **care: float) -> tuple[Child, io.BytesIO]:
    out = io.BytesIO()
    program = Program("it", ("/bin/sh", "-c", script))
    care_for = Care(program, _ready if ready else _never_ready, **care)  # type: ignore[arg-type] # only numbers
    return Child(care_for, Console(out, colour=False), _QUICK), out


def test_a_child_that_keeps_dying_is_given_up_with_a_reason() -> None:
    """After the last delay the reason names the child, the count and the last exit."""
    child, out = _child("exit 7", ready=False)

    with pytest.raises(GaveUp, match=r"it has died 3 times in a row \(last: exit code 7\)"):
        asyncio.run(child.run())
    assert out.getvalue().count(b"it has died (exit code 7); starting it again in 0 s") == 2


def test_a_wrong_configuration_is_not_tried_again() -> None:
    """Exit code 2 at the first start is our own word for: no restart will help."""
    child, out = _child("echo SECRET_KEY is missing; exit 2", ready=False)

    with pytest.raises(GaveUp, match="it cannot start"):
        asyncio.run(child.run())
    assert b"it       | SECRET_KEY is missing" in out.getvalue()


def test_a_killed_child_starts_again(tmp_path: Path) -> None:
    """The log names the signal; the next life is ready like the first."""
    child, out = _child(f"echo $$ >> {tmp_path}/pids; exec sleep 60")

    async def scenario() -> None:
        running = asyncio.create_task(child.run())
        first = await _pid(tmp_path, 1)
        await child.ready.wait()
        os.kill(first, signal.SIGKILL)
        await _pid(tmp_path, 2)
        await child.stop()
        await running

    asyncio.run(scenario())
    assert b"it has died (killed by SIGKILL)" in out.getvalue()


def test_a_child_that_never_answers_is_started_again() -> None:
    """Running is not enough: within its time a child must answer."""
    child, out = _child("sleep 60", ready=False, ready_seconds=0.01)

    with pytest.raises(GaveUp):
        asyncio.run(child.run())
    assert out.getvalue().count(b"it runs but does not answer") == 3


def test_a_child_that_is_deaf_to_its_signal_is_killed(tmp_path: Path) -> None:
    """Stopping takes no longer than it may."""
    child, _ = _child(
        f"trap '' TERM; echo $$ > {tmp_path}/pids; sleep 60; sleep 60", stop_seconds=0.1
    )

    async def scenario() -> None:
        running = asyncio.create_task(child.run())
        pid = await _pid(tmp_path, 1)
        await child.stop()
        await running
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(scenario())


def test_stopping_a_child_that_never_started_is_nothing() -> None:
    """A stop during the start has nothing to do."""
    child, _ = _child("sleep 60")

    asyncio.run(child.stop())


async def _pid(folder: Path, count: int) -> int:
    """Wait for the `count`-th process id that the child has written."""
    async with asyncio.timeout(10):
        while True:
            known = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
            if len(known) >= count:
                return int(known[count - 1])
            await asyncio.sleep(0.01)


def test_a_patient_child_is_never_given_up(tmp_path: Path) -> None:
    """It is started again at the longest delay, whatever its exit code says."""
    child, out = _child(f"echo x >> {tmp_path}/lives; exit 2", ready=False)
    child.patient = True

    async def scenario() -> None:
        running = asyncio.create_task(child.run())
        async with asyncio.timeout(10):
            while out.getvalue().count(b"starting it again") < 5:  # noqa: ASYNC110 # no event there
                await asyncio.sleep(0.01)
        await child.stop()
        await running

    asyncio.run(scenario())
    assert len((tmp_path / "lives").read_text().splitlines()) >= 5


def test_a_signal_reaches_the_program_alone(tmp_path: Path) -> None:
    """What SIGHUP means is the program's affair; without a program nothing happens."""
    child, out = _child("trap 'echo heard' HUP; echo set; while :; do sleep 0.05; done")
    child.send_signal(signal.SIGHUP)

    async def scenario() -> None:
        running = asyncio.create_task(child.run())
        async with asyncio.timeout(10):
            while b"set" not in out.getvalue():  # noqa: ASYNC110 # no event there
                await asyncio.sleep(0.01)
            child.send_signal(signal.SIGHUP)
            while b"heard" not in out.getvalue():  # noqa: ASYNC110 # as above
                await asyncio.sleep(0.01)
        await child.stop()
        await running

    asyncio.run(scenario())
