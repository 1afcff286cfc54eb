"""Open sockets end with their sessions, whatever happens to the store."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from edge_people import People

from gateline.edge.sessions import SessionMemory
from gateline.edge.sockets import guests as looking
from gateline.edge.sockets.guests import Guest, Guests
from gateline.policy.identity import Identity
from gateline.policy.reasons import ROLE_MISSING, SESSION_STORE_UNAVAILABLE, Reason
from gateline.shared import kv

ADMINS = frozenset({"admin"})


def with_guests(
    people: People,
    use: Callable[[Guests, list[Reason], Callable[[str], Guest]], Awaitable[None]],
    redis_url: str | None = None,
) -> None:
    """Run a coroutine with guests who are looked after by a trusted memory."""

    async def run() -> None:
        settings = people.settings
        if redis_url is not None:
            settings = settings.model_copy(update={"redis_url": redis_url})
        store = kv.connect_async(settings)
        memory = SessionMemory(store, people.tokens, idle_seconds=900)
        guests, ended = Guests(memory), list[Reason]()

        def enter(token: str) -> Guest:
            async def end(reason: Reason) -> None:
                ended.append(reason)

            guest = Guest(token, ADMINS, end)
            guests.add(guest)
            return guest

        task = asyncio.ensure_future(guests.run())
        try:
            async with asyncio.timeout(10):
                await use(guests, ended, enter)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await store.aclose()

    asyncio.run(run())


def test_who_comes_in_is_known(people: People) -> None:
    """An administrator is identified, anybody else gets the reason why not."""
    admin, doctor = people.log_in("admin"), people.log_in("doctor")

    async def use(guests: Guests, _: list[Reason], __: Callable[[str], Guest]) -> None:
        identity = await guests.identify(admin.token, ADMINS)
        assert isinstance(identity, Identity)
        assert identity.user_id == admin.user_id
        assert await guests.identify(doctor.token, ADMINS) == ROLE_MISSING

    with_guests(people, use)


def test_a_guest_whose_session_ends_is_seen_out_once(people: People) -> None:
    """The end is called one time, and the guest is not looked after any longer."""
    person = people.log_in("admin")

    async def use(guests: Guests, ended: list[Reason], enter: Callable[[str], Guest]) -> None:
        enter(person.token)
        await asyncio.sleep(0.3)
        assert not ended
        people.revoke(person)
        await asyncio.sleep(0.8)
        assert [reason.status for reason in ended] == [401]
        assert len(guests) == 0

    with_guests(people, use)


def test_a_store_that_is_away_may_come_back(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests stay for a while when nobody can tell about their session, and not for ever."""
    monkeypatch.setattr(looking, "_GRACE_SECONDS", 1.0)

    async def use(_: Guests, ended: list[Reason], enter: Callable[[str], Guest]) -> None:
        enter(people.log_in("admin").token)
        await asyncio.sleep(0.6)
        assert not ended
        await asyncio.sleep(1.4)
        assert ended == [SESSION_STORE_UNAVAILABLE]

    with_guests(people, use, redis_url="redis://127.0.0.1:1/0")
