"""The apps of a gateway file beside a platform: served, exchanged, forgotten."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import requests

from gateline.local import apps as served_apps
from gateline.local.apps import App, Apps, apps_of
from gateline.local.children import GaveUp
from gateline.local.console import Console
from gateline.local.data_folder import DataFolder
from gateline.local.supervisor import Supervisor
from gateline.policy.services import AppProgram, ProbePolicy, Service
from gateline.shared.gateway.apps import read_addresses

PROGRAM = AppProgram("shop:create_app", "/srv")
WORDS = """
def say(word):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [word]
    return app

red, green = say(b"red"), say(b"green")
"""

Scenario = Callable[[Apps, Supervisor], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], str]:
    """Give a function that plays a scenario and returns what the console said."""
    (tmp_path / "words.py").write_text(WORDS)
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    monkeypatch.setattr(served_apps, "_SWITCH_SECONDS", 0.05)
    out = io.BytesIO()

    async def whole(scenario: Scenario) -> None:
        console = Console(out, colour=False)
        supervisor = Supervisor(console)
        with DataFolder(tmp_path / "data") as folder:
            apps = Apps(supervisor, console, folder, {})
            try:
                await scenario(apps, supervisor)
            finally:
                await supervisor.stop()
                apps.forget()

    def play(scenario: Scenario) -> str:
        asyncio.run(whole(scenario))
        return out.getvalue().decode()

    return play


def _app(tmp_path: Path, target: str, name: str = "shop") -> dict[str, App]:
    return {name: App(name, AppProgram(target, str(tmp_path), threads=1))}


async def _say(apps: Apps, name: str = "shop") -> str:
    url = next(one.url for one in apps.served if one.app.name == name)
    return (await asyncio.to_thread(requests.get, url, timeout=5)).text


def test_only_apps_without_an_address_are_ours() -> None:
    """A service with a URL, and an app that a person serves, are not started."""
    services = {
        "shop": Service("shop", (), app=PROGRAM, probe=ProbePolicy(path="/up")),
        "desk": Service("desk", (), app=PROGRAM),
        "far": Service("far", (), app=PROGRAM),
        "stock": Service("stock", ()),
    }

    found = apps_of(services, {"far": "http://far:1"})

    assert {name: app.probe_path for name, app in found.items()} == {
        "shop": "/up",
        "desk": "/livez",
    }


def test_an_app_is_served_and_its_address_written_down(
    run: Callable[[Scenario], str], tmp_path: Path
) -> None:
    """The edge reads the file, which is gone when nobody answers any more."""

    async def scenario(apps: Apps, supervisor: Supervisor) -> None:
        await apps.start(_app(tmp_path, "words:red"))
        assert await _say(apps) == "red"
        (one,) = apps.served
        assert await one.state() == "healthy"
        assert read_addresses(tmp_path / "data") == {"shop": one.url}

    run(scenario)
    assert read_addresses(tmp_path / "data") == {}, "nobody answers there any more"


def test_a_changed_app_takes_over_only_when_it_answers(
    run: Callable[[Scenario], str], tmp_path: Path
) -> None:
    """Removed and new apps go and come; one that cannot start leaves its old self."""

    async def scenario(apps: Apps, supervisor: Supervisor) -> None:
        await apps.start(_app(tmp_path, "words:red"))
        assert not await apps.change(_app(tmp_path, "words:red")), "nothing is different"
        assert await apps.change(_app(tmp_path, "words:green") | _app(tmp_path, "words:red", "two"))
        assert [await _say(apps), await _say(apps, "two")] == ["green", "red"]
        await apps.change(_app(tmp_path, "words:green"))
        assert set(read_addresses(tmp_path / "data")) == {"shop"}
        await apps.change(_app(tmp_path, "wrong:app"))
        assert await _say(apps) == "green"

    said = run(scenario)
    assert "ZeroDivisionError" in said
    assert "shop does not start: its old self goes on" in said


def test_an_app_that_cannot_be_built_ends_the_first_start(
    run: Callable[[Scenario], str], tmp_path: Path
) -> None:
    """Whoever starts the platform is told at once."""

    async def scenario(apps: Apps, supervisor: Supervisor) -> None:
        with pytest.raises(GaveUp, match="shop cannot start"):
            await apps.start(_app(tmp_path, "wrong:app"))

    assert "ZeroDivisionError" in run(scenario)
