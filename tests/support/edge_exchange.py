"""An exchange without a server: what a test asks for goes in, what is answered is kept."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from gateline.edge.exchange import Exchange, Message
from gateline.policy.identity import Identity


class Answered:
    """Collects what an exchange sends."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        """Take a message."""
        self.messages.append(message)

    @property
    def status(self) -> int:
        """The status that was sent."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers that were sent."""
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        """The body that was sent."""
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def whole(self) -> bool:
        """Tell whether the answer was ended."""
        return len(self.messages) > 1 and not self.messages[-1]["more_body"]


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def exchange_for(
    answered: Answered,
    method: str = "GET",
    path: str = "/",
    *,
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
    http_version: str = "1.1",
    **known: Any,
) -> Exchange:
    """Return an exchange; `known` are attributes that phases before have set."""
    scope = {
        "type": "http",
        "http_version": http_version,
        "method": method,
        "path": path,
        "query_string": query,
        "scheme": "http",
        "client": ("10.0.0.1", 4711),
        "headers": list(headers),
    }
    exchange = Exchange(scope, _receive, answered.send, 0.0)
    exchange.request_id = "request-1"
    with contextlib.suppress(RuntimeError):  # where no loop runs, nobody asks for its time
        exchange.clock = asyncio.get_running_loop().time
    for name, value in known.items():
        setattr(exchange, name, value)
    return exchange


def identity(user_id: int = 7) -> Identity:
    """Return a doctor's identity."""
    return Identity(user_id, "doctor", "d@example.com", "sid", "Dana", 0, 10, 20, "bearer")
