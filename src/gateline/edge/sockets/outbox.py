"""What waits to be sent to one client: a bounded queue that forgets the oldest."""

import asyncio
import json
from collections import deque
from functools import cached_property
from typing import Any, Final

from gateline.shared.telemetry.entries import encode

_MOST_WAITING: Final = 256


class Told:
    """One event: its text for plain sockets, its data for Socket.IO."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Told":
        """Return an event made here."""
        return cls(encode(data))

    @cached_property
    def data(self) -> dict[str, Any]:
        """The event's object; decoded once, whoever wants it."""
        data: dict[str, Any] = json.loads(self.text)
        return data


class Outbox:
    """The events for one client. A client that is slower than they come is told what it missed."""

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self._waiting: deque[Told] = deque(maxlen=most)
        self._dropped = 0
        self._filled = asyncio.Event()

    def put(self, told: Told) -> None:
        """Add an event, dropping the oldest when the client has too many before it."""
        if len(self._waiting) == self._waiting.maxlen:
            self._dropped += 1
        self._waiting.append(told)
        self._filled.set()

    async def take(self) -> Told:
        """Wait for the next event; what was dropped is told where it is missing."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        if self._dropped:
            count, self._dropped = self._dropped, 0
            return Told.of({"type": "dropped", "count": count})
        return self._waiting.popleft()
