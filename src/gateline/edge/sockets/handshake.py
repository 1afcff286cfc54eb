"""A handshake on its way through the pipeline, which speaks HTTP."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateline.edge.exchange import Message
from gateline.edge.sockets.channel import Channel, ChannelClosed

if TYPE_CHECKING:
    from gateline.edge.sockets.upstream import UpstreamSocket


class Handshake:
    """The answer to a handshake: nothing yet when it is admitted, a refusal as HTTP otherwise.

    `subprotocols` are those that the client offers, in its order of preference. `upstream` is the
    other end, open, when a service has taken the socket.
    """

    __slots__ = ("_channel", "subprotocols", "upstream")

    def __init__(self, channel: Channel, subprotocols: Sequence[str] = ()) -> None:
        self._channel = channel
        self.subprotocols = subprotocols
        self.upstream: UpstreamSocket | None = None

    async def __call__(self, message: Message) -> None:
        """Send a part of the refusal; the pipeline speaks HTTP."""
        with contextlib.suppress(ChannelClosed):
            await self._channel.send({**message, "type": f"websocket.{message['type']}"})

    async def until_gone(self) -> Message:
        """Stand in for the request's `receive`: it has no body, the client can only leave."""
        await self._channel.until_gone()
        return {"type": "http.disconnect"}
