"""The feed that keeps memory true: what it takes from the store's messages, and its own life."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from edge_people import People

from gateline.edge import subscription
from gateline.edge.invalidation import InvalidationFeed
from gateline.shared import kv


class Diary:
    """A memory that writes down what it is told, and can be waited on."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self._written = asyncio.Condition()

    def forget(self, token: str) -> None:
        """Note a token."""
        self._write(token)

    def clear(self) -> None:
        """Note that all is to be dropped."""
        self._write("CLEAR")

    def trust(self) -> None:
        """Note that the feed stands."""
        self._write("TRUST")

    def distrust(self) -> None:
        """Note that the feed is lost."""
        self._write("DISTRUST")

    async def until(self, *entries: str) -> None:
        """Wait until exactly this has been written since the last time, and turn the page."""
        async with self._written, asyncio.timeout(5):
            await self._written.wait_for(lambda: len(self.entries) >= len(entries))
        assert self.entries == list(entries)
        self.entries.clear()

    def _write(self, entry: str) -> None:
        self.entries.append(entry)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._written:
            self._written.notify_all()


Scenario = Callable[[Diary, People], Coroutine[Any, Any, None]]


def run_with_feed(people: People, scenario: Scenario) -> None:
    """Run a scenario beside a feed on the real store."""

    async def whole() -> None:
        store = kv.connect_async(people.settings)
        diary = Diary()
        feed = asyncio.ensure_future(InvalidationFeed(store, diary).run())
        try:
            await diary.until("TRUST")
            await scenario(diary, people)
        finally:
            feed.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feed
            await store.aclose()
        assert diary.entries[-1:] == ["DISTRUST"], "a feed that ends leaves nothing to believe"

    asyncio.run(asyncio.wait_for(whole(), 20))


def feed_id(people: People) -> str:
    """Return the id of the youngest connection that listens for changes."""
    ids = [int(one["id"]) for one in people.kv.client_list() if "t" in one["flags"]]
    return str(max(ids))


def test_every_change_of_an_entry_is_told(people: People) -> None:
    """Storing, renewing, deleting and expiring each make memory forget the token."""

    async def scenario(diary: Diary, people: People) -> None:
        people.kv.set("access_token:one.two.three", "x", ex=60)
        await diary.until("one.two.three")
        people.kv.expire("access_token:one.two.three", 90)
        await diary.until("one.two.three")
        people.kv.delete("access_token:one.two.three")
        await diary.until("one.two.three")
        people.kv.set("access_token:short", "x", px=20)
        await diary.until("short")
        await diary.until("short")

    run_with_feed(people, scenario)


def test_other_keys_are_nobodys_business(people: People) -> None:
    """Only session entries are followed."""

    async def scenario(diary: Diary, people: People) -> None:
        people.kv.set("user_tokens_of_nobody:1", "x", ex=1)
        people.kv.set("access_token:marker", "x")
        await diary.until("marker")
        # Deleted here: its expiry would be told to a test that comes later.
        people.kv.delete("access_token:marker")
        await diary.until("marker")

    run_with_feed(people, scenario)


def test_a_flush_clears_everything(people: People) -> None:
    """The message without keys that a flush sends is understood."""

    async def scenario(diary: Diary, people: People) -> None:
        people.kv.flushdb()
        await diary.until("CLEAR")

    run_with_feed(people, scenario)


def test_a_lost_feed_is_replaced(people: People) -> None:
    """When its connection is killed trust ends, and returns with a new connection."""

    async def scenario(diary: Diary, people: People) -> None:
        people.kv.client_kill_filter(_id=feed_id(people))
        await diary.until("DISTRUST", "TRUST")
        people.kv.set("access_token:after", "x", ex=1)
        await diary.until("after")

    run_with_feed(people, scenario)


def test_a_quiet_feed_is_alive(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers to PING count as signs of life: silence of messages is no loss."""
    monkeypatch.setattr(subscription, "_HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(subscription, "_SILENCE_SECONDS", 0.1)

    async def scenario(diary: Diary, people: People) -> None:
        pings = people.commands().get("ping", 0)
        while people.commands().get("ping", 0) < pings + 30:  # noqa: ASYNC110 # the store counts
            await asyncio.sleep(0.01)
        assert diary.entries == []

    run_with_feed(people, scenario)
