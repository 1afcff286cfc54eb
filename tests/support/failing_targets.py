"""Targets of a service that are well, busy, broken or gone as a test tells them."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Coroutine
from typing import Any, Literal, Self

Mode = Literal["well", "busy", "broken", "hanging", "gone"]
"""200; 503; a reset instead of an answer; no answer; nobody listens."""

_SECONDS = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Bodies of four bytes, which an answer to HEAD leaves out.
_ANSWERS = {
    "well": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell",
    "busy": b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy",
}


class Target:
    """One server on a port that it keeps; `requests` counts what came, health checks aside.

    `delay` is how many seconds it takes over an answer, `in_flight` counts those it is at.
    """

    def __init__(self) -> None:
        self.port = 0
        self.mode: Mode = "gone"
        self.delay = 0.0
        self.requests = 0
        self.checks = 0
        self.in_flight = 0
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def become(self, mode: Mode) -> None:
        """Behave so from now on; connections end when it goes."""
        self.mode = mode
        if mode == "gone":
            if self._server is not None:
                self._server.close()
                self._server = None
            for connection in list(self.connections):
                connection.reset()
        elif self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024
            )
            self.port = self._server.sockets[0].getsockname()[1]


class _Connection(asyncio.Protocol):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._buffer = b""
        self._is_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._target.connections.add(self)
        if self._target.mode == "gone":  # it came while the listener was being closed
            self.reset()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._target.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(rest) < (int(length[1]) if length else 0):
            return
        self._buffer = b""
        self._is_head = head.startswith(b"HEAD")
        if b"gateline-health-check" in head:
            self._target.checks += 1
        else:
            self._target.requests += 1
        self._target.in_flight += 1
        if self._target.delay:
            asyncio.get_running_loop().call_later(self._target.delay, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self._target.in_flight -= 1
        answer = _ANSWERS.get(self._target.mode)
        if answer is not None:
            self._transport.write(answer[:-4] if self._is_head else answer)
        elif self._target.mode == "broken":
            self.reset()

    def reset(self) -> None:
        """End without a word."""
        self._transport.abort()


class Targets:
    """Several targets on a thread of their own; all well at first."""

    def __init__(self, count: int = 4) -> None:
        self.all = [Target() for _ in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.become("well")
        return self

    def __exit__(self, *_: object) -> None:
        self.become("gone")
        self._wait_until_closed()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        with contextlib.suppress(RuntimeError):
            self._loop.close()

    @property
    def urls(self) -> list[str]:
        """Where they listen."""
        return [target.url for target in self.all]

    @property
    def requests(self) -> int:
        """Count what came to all of them."""
        return sum(target.requests for target in self.all)

    def become(self, mode: Mode, *which: int, delay: float = 0.0) -> None:
        """Let some of them, or without numbers all, behave so."""
        for number in which or range(len(self.all)):
            self.all[number].delay = delay
            self._run(self.all[number].become(mode))

    def forget(self) -> None:
        """Count from zero."""
        for target in self.all:
            target.requests = target.checks = 0

    def _wait_until_closed(self) -> None:
        """Wait for the ends of all sockets, and of those that were just being accepted."""
        for _ in range(3):
            while any(target.connections for target in self.all):
                time.sleep(0.01)
            time.sleep(0.02)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)
