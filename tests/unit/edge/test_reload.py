"""The gateway file is read anew when it changes; a bad one changes nothing."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from gateline.edge.gateway import Compiled, Gateway
from gateline.edge.reload import Refusal, Reloader, Steps, Switch, first_plan
from gateline.policy.cors import CorsPolicy
from gateline.shared import pacing
from gateline.shared.gateway import FileProblem, GatewayFileError, GatewayPlan
from gateline.shared.gateway.last_good import LastGood

FILE = "gateline.toml"
RELOADS_REFUSED = ("gateline_config_reloads_total", {"result": "refused"})
RELOADS_TAKEN = ("gateline_config_reloads_total", {"result": "taken"})


def plan_named(version: str, path: Path | None) -> GatewayPlan:
    """Return a plan without services and routes."""
    return GatewayPlan(
        path=path,
        version=version,
        services={},
        routes=(),
        allowed_hosts=(),
        cors=CorsPolicy(),
        trusted_proxies=(),
        max_body_bytes=1,
    )


class Worker:
    """A worker's reloader over a file of which every text but `bad` makes a plan."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.last_good = LastGood(folder / "kept.toml")
        self.loaded: list[str | None] = []
        self.pipeline = cast("Any", SimpleNamespace(gateway=None))
        self.told: list[str] = []

    def load(self, text: str | None) -> GatewayPlan:
        """Make a plan whose version is the text."""
        self.loaded.append(text)
        if text == "bad":
            raise GatewayFileError([FileProblem(self.path, 3, "routes[1].auth", "is not known")])
        if text == "our fault":
            raise RuntimeError("a bug")
        if text == "unusable":
            raise ValueError("no such certificate")
        return plan_named(text or "built-in", None if text is None else self.path)

    def recall(self, text: str) -> GatewayPlan:
        """Make a plan of a text that served before."""
        return plan_named(text, self.path)

    def build(self, plan: GatewayPlan, _: Compiled) -> Gateway:
        """Make a version that serves nothing."""
        return Gateway(plan, cast("Any", None), {}, {}, since=1.0)

    def follow(self, gateway: Gateway) -> None:
        """Take a note, before anything that could fail."""
        self.told.append(gateway.plan.version)

    def follow_last(self, gateway: Gateway) -> None:
        """Follow all versions but one."""
        if gateway.plan.version == "cannot be followed":
            raise UnicodeEncodeError("ascii", "/ü", 1, 2, "not in range")

    def let_go(self, gateway: Gateway) -> None:
        """Let go of the version before, which fails once."""
        if gateway.plan.version == "keeps too much":
            raise KeyError("a counter")

    def start(self) -> Reloader:
        """Return a reloader as the composition makes it."""
        start = first_plan(self.path, self.load, self.recall, self.last_good)
        current = self.build(start.plan, cast("Any", None))
        switch = Switch(self.pipeline, [self.follow, self.follow_last], [self.let_go])
        switch.to(current)
        return Reloader(
            self.path,
            Steps(self.load, lambda _: cast("Any", None), self.build),
            switch.to,
            current=current,
            start=start,
            last_good=self.last_good,
        )

    def write(self, text: str) -> None:
        """Replace the file as editors do."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    @property
    def serving(self) -> str:
        """The version that new requests get."""
        return str(self.pipeline.gateway.plan.version)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """Give a worker whose file says `one`."""
    made = Worker(tmp_path)
    made.write("one")
    return made


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario to its end."""

    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 20)

    asyncio.run(bounded())


def test_a_changed_file_is_taken_once(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    """It is swapped in whole, everybody who must know is told, and the log says so."""
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        reloader = worker.start()
        await reloader.look()
        assert worker.loaded == ["one"]
        worker.write("two")
        await reloader.look()
        await reloader.look()
        assert (worker.serving, worker.loaded) == ("two", ["one", "two"])
        assert worker.told == ["one", "two"]
        assert worker.last_good.text() == "two"
        assert reloader.report()["version"] == "two"
        assert reloader.report()["refused"] is None

    run(scenario)
    assert "configuration two serves now" in caplog.text


def test_a_touched_file_is_not_taken_again(worker: Worker) -> None:
    """The content decides, unless somebody asks."""

    async def scenario() -> None:
        reloader = worker.start()
        await reloader.look()
        os.utime(worker.path, ns=(5, 5))
        await reloader.look()
        assert worker.told == ["one"]
        await reloader.look(asked=True)
        assert worker.told == ["one", "one"]

    run(scenario)


def test_a_bad_file_is_refused_and_the_old_one_serves(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has every problem, health where they are but not what stands there."""

    async def scenario() -> None:
        reloader = worker.start()
        worker.write("bad")
        await reloader.look()
        assert worker.serving == "one"
        assert worker.last_good.text() == "one"
        refused = reloader.report()["refused"]
        assert refused["problems"] == [f"{FILE}:3: routes[1].auth"]
        await reloader.look()
        assert worker.loaded == ["one", "bad"], "it is read once"
        worker.write("good")
        await reloader.look()
        assert (worker.serving, reloader.report()["refused"]) == ("good", None)

    run(scenario)
    assert f"{FILE}:3: routes[1].auth: is not known" in caplog.text
    assert f"{FILE} is not taken; configuration one serves on" in caplog.text


@pytest.mark.parametrize("text", ["unusable", "our fault"])
def test_what_cannot_be_built_is_refused_too(worker: Worker, text: str) -> None:
    """A certificate that is not there is found only when the version is made; so are our bugs."""

    async def scenario() -> None:
        reloader = worker.start()
        worker.write(text)
        await reloader.look()
        assert worker.serving == "one"
        assert reloader.report()["refused"]["problems"] == ["file"]

    run(scenario)


def test_a_version_is_taken_whole_or_not_at_all(worker: Worker) -> None:
    """Who followed already goes back, requests see nothing of it, and it is told as refused."""

    async def scenario() -> None:
        reloader = worker.start()
        refused = REGISTRY.get_sample_value(*RELOADS_REFUSED) or 0
        taken = REGISTRY.get_sample_value(*RELOADS_TAKEN) or 0
        worker.write("cannot be followed")
        await reloader.look()
        assert worker.serving == "one"
        assert worker.told == ["one", "cannot be followed", "one"]
        assert worker.last_good.text() == "one"
        report = reloader.report()
        assert report["version"] == "one"
        assert report["refused"]["problems"] == ["file"]
        assert REGISTRY.get_sample_value(*RELOADS_REFUSED) == refused + 1
        assert (REGISTRY.get_sample_value(*RELOADS_TAKEN) or 0) == taken
        worker.write("two")
        await reloader.look()
        assert (worker.serving, reloader.refusal) == ("two", None)

    run(scenario)


def test_what_cannot_be_let_go_of_is_only_logged(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    """The version serves by then; there is nothing to go back for."""

    async def scenario() -> None:
        reloader = worker.start()
        worker.write("keeps too much")
        await reloader.look()
        assert (worker.serving, reloader.refusal) == ("keeps too much", None)
        assert worker.last_good.text() == "keeps too much"

    run(scenario)
    assert "could not be let go of" in caplog.text


@pytest.mark.parametrize("how", ["gone", "no text", "empty", "blank"])
def test_a_file_that_cannot_be_read_changes_nothing(worker: Worker, how: str) -> None:
    """One that is gone must not take all routes along."""

    async def scenario() -> None:
        reloader = worker.start()
        if how == "gone":
            worker.path.unlink()
        elif how in ("empty", "blank"):
            worker.path.write_text("" if how == "empty" else "\n\n")
        else:
            worker.path.write_bytes(b"\xff\xfe")
        await reloader.look()
        assert worker.serving == "one"
        assert reloader.report()["refused"]["problems"] == ["file"]

    run(scenario)


def test_a_file_that_is_being_written_is_left_for_the_next_look(worker: Worker) -> None:
    """Half of a file may be a sound one, with half of the routes."""

    async def scenario() -> None:
        reloader = worker.start()
        await reloader.look()
        worker.write("half")
        looking = asyncio.ensure_future(reloader.look())
        await asyncio.sleep(0)
        worker.write("whole of it")
        await looking
        assert worker.serving == "one"
        await reloader.look()
        assert worker.serving == "whole of it"
        assert "half" not in worker.loaded

    run(scenario)


def test_a_signal_wakes_the_watcher(worker: Worker) -> None:
    """What somebody asks for happens at once."""

    async def scenario() -> None:
        reloader = worker.start()
        watching = asyncio.ensure_future(reloader.run())
        worker.write("asked for")
        reloader.ask()
        async with asyncio.timeout(5):
            while worker.serving != "asked for":  # noqa: ASYNC110 # it says nothing when it is done
                await asyncio.sleep(0.005)
        watching.cancel()
        await asyncio.wait({watching})

    run(scenario)


def test_a_new_worker_serves_the_last_good_file(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    """While the file is wrong or gone, all workers serve the same."""

    async def scenario() -> None:
        worker.start()
        for wrong in ("bad", "", None):
            if wrong is None:
                worker.path.unlink()
            elif not wrong:
                worker.path.write_text("")
            else:
                worker.write(wrong)
            reloader = worker.start()
            assert worker.serving == "one"
            assert isinstance(reloader.refusal, Refusal)
            await reloader.look()
            assert worker.serving == "one"
        worker.write("three")
        await reloader.look()
        assert (worker.serving, reloader.refusal) == ("three", None)

    run(scenario)
    assert "configuration one serves on" in caplog.text


def test_a_file_that_is_the_same_has_not_become_wrong(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate that it names may have: a new worker serves as the others do, and says so."""

    async def scenario() -> None:
        worker.write("bad")
        worker.last_good.keep("bad")
        reloader = worker.start()
        assert worker.serving == "bad"
        assert reloader.refusal is None

    run(scenario)
    assert "routes[1].auth: is not known" in caplog.text


def test_a_first_worker_refuses_a_bad_file(worker: Worker) -> None:
    """Nothing has served, so nothing can go on serving."""
    worker.write("bad")
    with pytest.raises(GatewayFileError, match=r"routes\[1\]\.auth"):
        worker.start()


def test_without_a_file_the_platform_serves(worker: Worker) -> None:
    """One that appears is taken; there is nothing to keep before."""

    async def scenario() -> None:
        worker.path.unlink()
        reloader = worker.start()
        await reloader.look()
        assert worker.serving == "built-in"
        assert reloader.report()["path"] is None
        worker.write("first")
        await reloader.look()
        assert worker.serving == "first"
        assert reloader.report()["path"] == FILE

    run(scenario)


def test_a_new_version_is_made_unhurriedly(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a thread that rests between the parts of its work; at the start nobody waits for rests."""
    rests: list[int] = []
    monkeypatch.setattr(pacing, "_WORK_SECONDS", 0.0)
    monkeypatch.setattr(time, "sleep", lambda _: rests.append(threading.get_ident()))
    load = worker.load

    def long_load(text: str | None) -> GatewayPlan:
        assert list(pacing.in_portions("ab")) == ["a", "b"]
        return load(text)

    monkeypatch.setattr(worker, "load", long_load)

    async def scenario() -> None:
        reloader = worker.start()
        assert rests == []
        worker.write("two")
        await reloader.look()
        assert worker.serving == "two"
        assert len(rests) == 2
        assert threading.get_ident() not in rests

    run(scenario)


def test_a_place_that_cannot_be_written_to_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Then nothing is kept, and the log says so."""
    nowhere = LastGood(tmp_path / "missing" / "kept.toml")
    nowhere.keep("text")
    assert nowhere.text() is None
    assert "cannot be kept" in caplog.text
    LastGood(None).keep("text")
    assert LastGood(None).text() is None


def test_figures_tell_version_age_and_refusal(worker: Worker) -> None:
    """The version is told as a number, since a label for each would gather without end."""

    async def scenario() -> None:
        reloader = worker.start()
        assert reloader.report()["age_seconds"] > 1_000_000
        worker.write("abc")
        await reloader.look()
        reloader.gauge()
        assert REGISTRY.get_sample_value("gateline_config_hash") == 0xABC
        assert (REGISTRY.get_sample_value("gateline_config_age_seconds") or 0) > 1_000_000
        assert REGISTRY.get_sample_value("gateline_config_refused") == 0
        refused = REGISTRY.get_sample_value(*RELOADS_REFUSED) or 0
        worker.write("bad")
        await reloader.look()
        reloader.gauge()
        assert REGISTRY.get_sample_value("gateline_config_refused") == 1
        assert REGISTRY.get_sample_value(*RELOADS_REFUSED) == refused + 1

    run(scenario)
