"""One WebSocket of the server, and the traps of its interface."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateline.edge.sockets import channel as channels
from gateline.edge.sockets.channel import Channel, ChannelClosed

Message = dict[str, Any]


class Server:
    """Stands in for the server: like it, closing hangs while a receive is pending."""

    def __init__(self, *incoming: Message, takes: bool = True) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in incoming:
            self.incoming.put_nowait(message)
        self.receiving = False
        self.sent: list[Any] = []
        self.takes = takes

    async def receive(self) -> Message:
        """Give the next message."""
        self.receiving = True
        try:
            return await self.incoming.get()
        finally:
            self.receiving = False

    async def send(self, message: Any) -> None:
        """Take a message, or never."""
        if not self.takes or (message["type"] == "websocket.close" and self.receiving):
            await asyncio.Event().wait()
        self.sent.append(message)


def with_channel(
    server: Callable[[], Server], use: Callable[[Channel, Server], Awaitable[Any]]
) -> Any:
    """Run a coroutine with a started channel."""

    async def run() -> Any:
        made = server()
        channel = Channel(made.receive, made.send)
        channel.start()
        try:
            async with asyncio.timeout(5):
                return await use(channel, made)
        finally:
            await channel.abandon()

    return asyncio.run(run())


def test_closing_stops_receiving_first() -> None:
    """The close frame goes out although somebody was waiting for messages; it goes out once."""

    async def use(channel: Channel, server: Server) -> None:
        reading = asyncio.ensure_future(channel.next())
        await asyncio.sleep(0.01)
        await asyncio.gather(channel.close(4401, "session_revoked"), channel.close(1000))
        assert server.sent == [
            {"type": "websocket.close", "code": 4401, "reason": "session_revoked"}
        ]
        assert (await reading)["type"] == "websocket.disconnect"
        with pytest.raises(ChannelClosed):
            await channel.send({"type": "websocket.send", "text": "late"})

    with_channel(Server, use)


def test_nothing_is_sent_to_a_client_that_has_left() -> None:
    """After a disconnect there is nobody to close for."""

    async def use(channel: Channel, server: Server) -> None:
        await channel.until_gone()
        await channel.close(1000)
        assert server.sent == []

    with_channel(lambda: Server({"type": "websocket.disconnect", "code": 1001}), use)


def test_messages_come_in_order_and_then_the_end() -> None:
    """Nothing that was received before the client left is lost."""
    said = [{"type": "websocket.receive", "text": str(number)} for number in range(3)]

    async def use(channel: Channel, _: Server) -> list[str]:
        await channel.until_gone()
        return [(await channel.next()).get("text", "end") for _ in range(4)]

    got = with_channel(lambda: Server(*said, {"type": "websocket.disconnect"}), use)
    assert got == ["0", "1", "2", "end"]


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A send has a deadline, and so has the close that follows."""
    monkeypatch.setattr(channels, "_SEND_SECONDS", 0.05)

    async def use(channel: Channel, _: Server) -> None:
        with pytest.raises(ChannelClosed):
            await channel.send({"type": "websocket.send", "text": "anybody?"})
        await channel.close(1000)

    with_channel(lambda: Server(takes=False), use)


def test_a_stuck_close_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits a moment for the client, not longer."""
    monkeypatch.setattr(channels, "_CLOSE_SECONDS", 0.05)
    with_channel(lambda: Server(takes=False), lambda channel, _: channel.close(1012))


def test_too_large_a_message_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message over the limit never reaches whoever reads."""
    monkeypatch.setattr(channels, "_MOST_BYTES", 10)

    async def use(channel: Channel, server: Server) -> None:
        assert (await channel.next())["type"] == "websocket.disconnect"
        await channel.close(1000)
        assert server.sent[0]["code"] == 1009

    with_channel(lambda: Server({"type": "websocket.receive", "text": "x" * 11}), use)
