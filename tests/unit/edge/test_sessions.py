"""Session memory: what it keeps, what it forgets, and races between asking and changing."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis.asyncio
from edge_people import People, Person

from gateline.edge.sessions import Known, SessionMemory
from gateline.shared import kv


class Sluice:
    """A store whose answers can be held back between asking and answering."""

    def __init__(self, store: "redis.asyncio.Redis") -> None:
        self._store = store
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self.waiting = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def pipeline(self, **options: Any) -> Any:
        """Return a pipeline whose result waits for the sluice."""
        pipe = self._store.pipeline(**options)
        execute = pipe.execute

        async def held(*arguments: Any, **more: Any) -> Any:
            self.asked += 1
            found = await execute(*arguments, **more)
            self.waiting.set()
            await self.open.wait()
            return found

        pipe.execute = held  # type: ignore[method-assign]  # this is the sluice
        return pipe

    def shut(self) -> None:
        """Hold back answers from now on."""
        self.open.clear()
        self.waiting.clear()


Scenario = Callable[[Sluice, SessionMemory], Coroutine[Any, Any, None]]
Run = Callable[..., None]


@pytest.fixture
def run(people: People) -> Run:
    """Run a scenario with a memory that is trusted, over the real store."""

    def run_scenario(scenario: Scenario, **options: Any) -> None:
        async def whole() -> None:
            store = kv.connect_async(people.settings)
            sluice = Sluice(store)
            memory = SessionMemory(sluice, people.tokens, **{"idle_seconds": 900, **options})  # type: ignore[arg-type]  # stands in for the client
            memory.trust()
            try:
                await asyncio.wait_for(scenario(sluice, memory), 10)
            finally:
                await store.aclose()

        asyncio.run(whole())

    return run_scenario


def recall(memory: SessionMemory, person: Person, later: float = 0.0) -> Known | None:
    """Ask memory alone, as if this many seconds had passed."""
    return memory.recall(person.token, asyncio.get_running_loop().time() + later)


def user_of(known: Known | None) -> int | str | None:
    """Return whom it knows."""
    return known.identity.user_id if known is not None and known.identity is not None else None


def test_a_token_is_looked_up_once(run: Run, people: People) -> None:
    """The first use asks the store, the others memory; both forms of the identity are there."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        assert recall(memory, person) is None
        known = await memory.ask(person.token)
        assert recall(memory, person) is known
        assert sluice.asked == 1
        assert known.identity is not None
        assert known.cookie_identity is not None
        assert (known.identity.source, known.cookie_identity.source) == ("bearer", "cookie")
        assert dict(known.headers)[b"x-user-id"] == str(person.user_id).encode()

    run(scenario)


def test_all_who_ask_at_the_same_time_share_one_question(run: Run, people: People) -> None:
    """A crowd with one token causes one look-up."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        found = await asyncio.gather(*(memory.ask(person.token) for _ in range(50)))
        assert {user_of(one) for one in found} == {person.user_id}
        assert sluice.asked == 1

    run(scenario)


def test_one_who_leaves_does_not_take_the_answer_away(run: Run, people: People) -> None:
    """Cancelling one of those who wait leaves the others waiting."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        sluice.shut()
        leaver = asyncio.ensure_future(memory.ask(person.token))
        await sluice.waiting.wait()
        stayer = asyncio.ensure_future(memory.ask(person.token))
        await asyncio.sleep(0)
        leaver.cancel()
        sluice.open.set()
        assert user_of(await stayer) == person.user_id

    run(scenario)


@pytest.mark.parametrize("how", ["forget", "clear"])
def test_a_change_while_the_answer_is_on_its_way_spoils_it(
    run: Run, people: People, how: str
) -> None:
    """An invalidation that overtakes an answer makes memory ask again."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        sluice.shut()
        asking = asyncio.ensure_future(memory.ask(person.token))
        await sluice.waiting.wait()  # the old answer has been read, but not yet taken
        people.store.drop(person.token)
        if how == "forget":
            memory.forget(person.token)
        else:
            memory.clear()
        sluice.open.set()
        known = await asking
        assert known.reason is not None
        assert known.reason.code == "session_revoked"
        assert user_of(recall(memory, person)) is None
        assert sluice.asked == 2

    run(scenario)


def test_losing_trust_while_the_answer_is_on_its_way(run: Run, people: People) -> None:
    """An answer from before the feed was lost is neither kept nor believed."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        sluice.shut()
        asking = asyncio.ensure_future(memory.ask(person.token))
        await sluice.waiting.wait()
        memory.distrust()
        people.store.drop(person.token)
        sluice.open.set()
        assert user_of(await asking) is None
        assert len(memory) == 0

    run(scenario)


def test_without_trust_each_asks_for_itself(run: Run, people: People) -> None:
    """While nobody tells of changes no answer is kept or shared."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        memory.distrust()
        assert not memory.trusted
        await asyncio.gather(*(memory.ask(person.token) for _ in range(5)))
        assert (sluice.asked, len(memory)) == (5, 0)
        memory.trust()
        await memory.ask(person.token)
        assert (sluice.asked, len(memory)) == (6, 1)

    run(scenario)


def test_memory_is_bounded(run: Run, people: People) -> None:
    """At its capacity the oldest entry makes room."""
    crowd = [people.log_in() for _ in range(4)]

    async def scenario(_: Sluice, memory: SessionMemory) -> None:
        for person in crowd:
            await memory.ask(person.token)
        assert len(memory) == 3
        assert recall(memory, crowd[0]) is None
        assert user_of(recall(memory, crowd[3])) == crowd[3].user_id

    run(scenario, capacity=3)


def test_junk_cannot_fill_memory(run: Run, people: People) -> None:
    """Tokens that nobody signed are never kept; dead sessions of genuine ones are, for seconds."""
    gone = people.log_in()
    people.store.drop(gone.token)

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        for number in range(20):
            known = await memory.ask(f"junk.{number}.x")
            assert known.reason is not None
        assert (len(memory), sluice.asked) == (0, 0)
        await memory.ask(gone.token)
        assert len(memory) == 1
        assert recall(memory, gone, later=6.0) is None

    run(scenario)


def test_no_token_has_a_second_spelling(run: Run, people: People) -> None:
    """A revoked or unknown spelling of a genuine token is not the token."""
    person = people.log_in()
    last = person.token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = person.token[:-1] + alphabet[alphabet.index(last) ^ 1]

    def decode(text: str) -> bytes:
        return base64.urlsafe_b64decode(text.split(".")[2] + "=")

    async def scenario(_: Sluice, memory: SessionMemory) -> None:
        assert decode(twin) == decode(person.token)  # the same signature, written otherwise
        assert user_of(await memory.ask(twin)) is None

    run(scenario)


def test_memory_ends_with_the_entry(run: Run, people: People) -> None:
    """An answer is kept no longer than the entry lives, the token lasts, the session may."""
    idle, short = people.log_in(), people.log_in(lifetime=100)
    people.forget_use(idle, 50)

    async def scenario(_: Sluice, memory: SessionMemory) -> None:
        for person, life in ((idle, 50), (short, 100)):
            await memory.ask(person.token)
            assert recall(memory, person, later=life - 5) is not None
            assert recall(memory, person, later=life + 1) is None

    run(scenario)


def test_a_session_past_its_absolute_end_is_over(run: Run, people: People) -> None:
    """Twelve hours are the end, however alive token and entry look."""
    person = people.log_in()

    async def scenario(_: Sluice, memory: SessionMemory) -> None:
        known = await memory.ask(person.token)
        assert known.reason is not None
        assert known.reason.code == "session_expired"

    run(scenario, clock=lambda: 9e9)


@pytest.mark.parametrize("record", ["", "{", "[]", '{"user_id": 1}', "[" * 100_000, "null"])
def test_a_record_that_cannot_be_read_is_no_session(run: Run, people: People, record: str) -> None:
    """Whatever lies in the store, nobody gets in by it and nothing breaks."""
    person = people.log_in()
    people.kv.set(f"access_token:{person.token}", record, ex=60)

    async def scenario(_: Sluice, memory: SessionMemory) -> None:
        known = await memory.ask(person.token)
        assert known.identity is None
        assert known.reason is not None
        assert known.reason.status == 401

    run(scenario)


def test_use_is_noted_rarely_and_written_in_batches(run: Run, people: People) -> None:
    """A fresh entry is renewed after a thirtieth of the idle time, and only when it was used."""
    used, unused = people.log_in(), people.log_in()
    for person in (used, unused):
        people.forget_use(person, 890)

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        for person in (used, unused):
            await memory.ask(person.token)
        recall(memory, used, later=5)
        await memory.flush_renewals()
        assert sluice.asked == 2, "nothing to write yet"
        recall(memory, used, later=25)
        await memory.flush_renewals()
        await memory.flush_renewals()
        assert sluice.asked == 3

    run(scenario)
    assert people.life(used) == 900
    assert people.life(unused) <= 890


def test_a_store_that_is_away_is_not_remembered(run: Run, people: People) -> None:
    """503 is said, never kept: the next request asks again."""
    person = people.log_in()

    async def scenario(sluice: Sluice, memory: SessionMemory) -> None:
        async def fail(*_: Any, **__: Any) -> Any:
            raise redis.ConnectionError

        pipeline = sluice.pipeline

        def broken(**options: Any) -> Any:
            pipe = pipeline(**options)
            pipe.execute = fail
            return pipe

        sluice.pipeline = broken  # type: ignore[method-assign]  # the store goes away
        known = await memory.ask(person.token)
        assert known.reason is not None
        assert known.reason.code == "session_store_unavailable"
        sluice.pipeline = pipeline  # type: ignore[method-assign]  # and comes back
        assert user_of(await memory.ask(person.token)) == person.user_id

    run(scenario)
