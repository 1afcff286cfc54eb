"""Names of upstreams: looked up once for many, again and again, and kept when that fails."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from gateline.edge.upstream.resolving import Resolver, look_up

Run = Callable[[Coroutine[Any, Any, None]], None]


class Names:
    """Answers lookups as a test asks for, and counts them."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Give the next answer, the last one ever after."""
        assert (host, port) == ("api", 80)
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


def resolver(
    names: Names, seconds: float = 60.0, *, in_use: bool = True
) -> tuple[Resolver, list[tuple[str, ...]]]:
    """Return a resolver for `api` and the list of where it moved."""
    moves: list[tuple[str, ...]] = []
    made = Resolver("api", 80, seconds, moved=moves.append, in_use=lambda: in_use, look_up=names)
    return made, moves


def test_callers_share_one_lookup(run: Run) -> None:
    """However many ask at once, the system is asked once, and not again while that is fresh."""

    async def scenario() -> None:
        names = Names(["10.0.0.1", "10.0.0.2", "10.0.0.1"])
        made, moves = resolver(names)
        found = await asyncio.gather(*(made.addresses() for _ in range(20)))
        assert set(found) == {("10.0.0.1", "10.0.0.2")}
        await made.addresses()
        assert (names.asked, moves) == (1, [])
        made.close()

    run(scenario())


def test_a_name_in_use_is_followed(run: Run, until: Any) -> None:
    """While connections exist the name is looked up by itself, and a move is told."""

    async def scenario() -> None:
        made, moves = resolver(Names(["10.0.0.1"], ["10.0.0.1"], ["10.0.0.2"]), seconds=0.01)
        await made.addresses()
        await until(lambda: bool(moves))
        assert moves == [("10.0.0.2",)]
        assert made.known == ("10.0.0.2",)
        made.close()

    run(scenario())


def test_a_name_that_nobody_uses_is_left_alone(run: Run) -> None:
    """Without connections nothing is looked up until somebody asks; then it is looked up anew."""

    async def scenario() -> None:
        names = Names(["10.0.0.1"], ["10.0.0.2"])
        made, _ = resolver(names, seconds=0.01, in_use=False)
        await made.addresses()
        await asyncio.sleep(0.05)
        assert names.asked == 1
        assert await made.addresses() == ("10.0.0.2",)
        made.close()

    run(scenario())


def test_the_same_addresses_in_another_order_are_no_move(run: Run) -> None:
    """Name servers turn their answers round; that moves nobody."""

    async def scenario() -> None:
        names = Names(["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"])
        made, moves = resolver(names, seconds=0.001, in_use=False)
        await made.addresses()
        await asyncio.sleep(0.01)
        assert await made.addresses() == ("10.0.0.1", "10.0.0.2")
        assert moves == []
        made.close()

    run(scenario())


def test_a_failed_lookup_changes_nothing(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """The last answer stays good when the name server is away, or forgets the name."""

    async def scenario() -> None:
        names = Names(["10.0.0.1"], OSError("away"), [], ["10.0.0.2"])
        made, moves = resolver(names, seconds=0.001, in_use=False)
        for expected in ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"):
            assert await made.addresses() == (expected,)
            await asyncio.sleep(0.01)
        assert moves == [("10.0.0.2",)]
        made.close()

    run(scenario())
    assert "api cannot be looked up: away" in caplog.messages


def test_a_name_that_was_never_found(run: Run) -> None:
    """Without any address an OSError says whose name it is; the next caller tries again."""

    async def scenario() -> None:
        made, _ = resolver(Names(OSError("unknown"), ["10.0.0.1"]))
        with pytest.raises(OSError, match="api cannot be looked up: unknown"):
            await made.addresses()
        assert await made.addresses() == ("10.0.0.1",)
        made.close()

    run(scenario())


def test_a_caller_that_gives_up_takes_nothing_from_others(run: Run) -> None:
    """Cancelling one of several callers leaves the lookup to the rest."""

    async def scenario() -> None:
        made, _ = resolver(Names(["10.0.0.1"]))
        one, other = (asyncio.create_task(made.addresses()) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        assert await other == ("10.0.0.1",)
        made.close()

    run(scenario())


def test_a_closed_resolver_asks_no_more(run: Run) -> None:
    """Closing ends the following of the name."""

    async def scenario() -> None:
        names = Names(["10.0.0.1"])
        made, _ = resolver(names, seconds=0.01)
        await made.addresses()
        made.close()
        await asyncio.sleep(0.05)
        assert names.asked == 1

    run(scenario())


def test_the_system_knows_this_machine(run: Run) -> None:
    """The real lookup gives numeric addresses."""

    async def scenario() -> None:
        assert {"127.0.0.1", "::1"} & set(await look_up("localhost", 80))

    run(scenario())
