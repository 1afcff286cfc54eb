"""A connection that only listens notices silence, and passes on nothing but messages."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from gateline.edge import subscription
from gateline.edge.subscription import Subscription


class Line:
    """A connection that answers with what it is given, and then with silence."""

    def __init__(self, *answers: Any) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self.sent: list[tuple[str, ...]] = []

    async def send_command(self, *words: str) -> None:
        """Note a command."""
        self.sent.append(words)

    async def read_response(self) -> Any:
        """Return the next answer, or wait for one that never comes."""
        for answer in self._answers:
            return answer
        await asyncio.Event().wait()
        return None


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tenth of a second be a long silence."""
    monkeypatch.setattr(subscription, "_HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(subscription, "_SILENCE_SECONDS", 0.1)


def listen(line: Line) -> list[Any]:
    """Listen until the silence and return what came through."""
    taken: list[Any] = []

    async def scenario() -> None:
        async with asyncio.timeout(5):
            with pytest.raises(TimeoutError, match="nothing has come"):
                await Subscription(cast("Any", line)).listen(taken.append)

    asyncio.run(scenario())
    return taken


def test_silence_is_a_loss() -> None:
    """A connection that answers no PING any more is given up, after more than one was sent."""
    line = Line()
    assert listen(line) == []
    assert line.sent[:2] == [("PING",), ("PING",)]


@pytest.mark.parametrize(
    "answer", [None, b"PONG", "PONG", ["pong", ""], ["subscribe", "channel", 1], 5]
)
def test_other_answers_mean_nothing(answer: Any) -> None:
    """What is no message is passed over."""
    assert listen(Line(answer)) == []


@pytest.mark.parametrize("kind", ["message", b"message"])
def test_messages_come_through(kind: Any) -> None:
    """The payload of each message is handed over, in order."""
    assert listen(Line([kind, "channel", "one"], ["pong", ""], [kind, "channel", None])) == [
        "one",
        None,
    ]


def test_a_command_is_answered() -> None:
    """Before listening begins, commands have their answers."""

    async def scenario() -> None:
        line = Line(7)
        assert await Subscription(cast("Any", line)).command("CLIENT", "ID") == 7
        assert line.sent == [("CLIENT", "ID")]

    asyncio.run(scenario())


def test_being_cancelled_ends_listening() -> None:
    """A server that stops is not kept by it."""

    async def scenario() -> None:
        task = asyncio.ensure_future(Subscription(cast("Any", Line())).listen(print))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
