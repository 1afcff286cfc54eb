"""What preparing a database tells the person who starts a platform."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateline.local import database, preparation
from gateline.local.console import Console
from gateline.local.plan import Plan


class Said:
    """A console that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Take a line."""
        self.lines.append(text)


@pytest.mark.parametrize("admin", [None, {"name": "chief", "password": "abcd-efgh"}])
def test_an_administrator_that_was_made_up_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, admin: dict[str, str] | None
) -> None:
    """Not with the banner: should another part not start, nobody would ever see the password."""

    async def done(*_: Any) -> dict[str, Any]:
        return {"made": [], "admin": admin}

    monkeypatch.setattr(database, "_run", done)
    monkeypatch.setattr(preparation, "read_mark", lambda _: None)
    settings = SimpleNamespace(gateline_sample_password="", database_url="")
    gateway = SimpleNamespace(platform=True, samples=False)
    plan = SimpleNamespace(settings=settings, gateway=gateway, production=True, mark="new")
    said = Said()
    prepared = asyncio.run(database.prepare_database(cast("Plan", plan), cast("Console", said), {}))
    told = "\n".join(said.lines)
    assert ("chief" in told and "abcd-efgh" in told) is (admin is not None)
    assert prepared.passwords == {}
