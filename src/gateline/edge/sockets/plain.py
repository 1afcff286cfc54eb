"""`/ws/dashboard` as a plain WebSocket: one JSON object a message.

The server sends `hello`, then events as they come, and every 20 s a `ping`. A client that says
nothing for 60 s is taken for dead: answer a ping with `{"type": "pong"}`, or with anything.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from gateline.edge.sockets.channel import Channel, ChannelClosed
from gateline.edge.sockets.fan_out import FanOut
from gateline.edge.sockets.guests import Guest, Guests
from gateline.edge.sockets.outbox import Outbox, Told
from gateline.edge.sockets.snapshot import IDLE_SECONDS, PING_SECONDS, Snapshot
from gateline.policy.reasons import Reason

SESSION_OVER: Final = 4401
NOT_ALLOWED: Final = 4403
IDLE: Final = 4408
TOO_MANY_MESSAGES: Final = 1008
TRY_LATER: Final = 1013

_MOST_MESSAGES: Final = 100


def close_code(reason: Reason) -> int:
    """Return the close code that stands for a refusal: 4401 as 401, 4403 as 403, 1013 as 503."""
    codes = {401: SESSION_OVER, 403: NOT_ALLOWED}
    return codes.get(reason.status, TRY_LATER)


class PlainDashboard:
    """Serves the live events to plain WebSockets."""

    def __init__(self, fan_out: FanOut, guests: Guests, snapshot: Snapshot) -> None:
        self._fan_out = fan_out
        self._guests = guests
        self._snapshot = snapshot

    async def serve(self, channel: Channel, token: str, roles: Collection[str]) -> None:
        """Serve one client until either side ends it."""

        async def end(reason: Reason) -> None:
            await channel.close(close_code(reason), reason.code)

        outbox, guest = Outbox(), Guest(token, roles, end)
        self._fan_out.attach(outbox)
        self._guests.add(guest)
        try:
            await channel.send({"type": "websocket.accept"})
            await _send(channel, await self._snapshot.hello())
            await _first_to_end(
                lambda: _send_all(channel, outbox),
                lambda: _read_all(channel),
                lambda: self._keep_awake(channel, outbox),
            )
        except ChannelClosed:
            pass
        finally:
            self._fan_out.detach(outbox)
            self._guests.discard(guest)
            await channel.close(1000)

    async def _keep_awake(self, channel: Channel, outbox: Outbox) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PING_SECONDS)
            if loop.time() - channel.heard > IDLE_SECONDS:
                await channel.close(IDLE, "idle")
                return
            outbox.put(self._snapshot.ping())


async def _first_to_end(*works: Callable[[], Awaitable[None]]) -> None:
    """Run all until the first of them ends, then end the others; raise what it raised."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _send_all(channel: Channel, outbox: Outbox) -> None:
    while True:
        await _send(channel, await outbox.take())


async def _read_all(channel: Channel) -> None:
    """Take what the client says; only that it says something matters, and not too often."""
    loop = asyncio.get_running_loop()
    since, count = loop.time(), 0
    while (await channel.next())["type"] == "websocket.receive":
        count += 1
        if loop.time() - since > PING_SECONDS:
            since, count = loop.time(), 0
        elif count > _MOST_MESSAGES:
            await channel.close(TOO_MANY_MESSAGES, "too_many_messages")


async def _send(channel: Channel, told: Told) -> None:
    await channel.send({"type": "websocket.send", "text": told.text})
