"""Clients that ask all the time over connections that they keep, and note every answer."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

import uvloop

_SECONDS = 20.0
LOST = 0
"""The status of a request that was not answered."""


class Load:
    """`clients` connections, each with one request after the other, `pause` seconds between.

    `answers` are moments (monotonic) and statuses, in order of the answers.
    """

    def __init__(
        self,
        port: int,
        *,
        clients: int = 20,
        method: str = "GET",
        path: str = "/shop/things",
        pause: float = 0.0,
    ) -> None:
        self.answers: list[tuple[float, int]] = []
        self._port = port
        self._clients = clients
        self._pause = pause
        self._request = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"{'Content-Length: 0' if method != 'GET' else 'Accept: */*'}\r\n\r\n"
        ).encode()
        self._over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join(_SECONDS)

    def statuses(self, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        """Count the statuses of answers between two moments."""
        return Counter(status for at, status in self.answers if since <= at < until)

    def failures(self, since: float = 0.0, until: float = float("inf")) -> int:
        """Count the answers that are no success."""
        counted = self.statuses(since, until)
        return counted.total() - counted[200]

    def wait(self, condition: Callable[[], bool], seconds: float = _SECONDS) -> float:
        """Wait until the condition holds while the load goes on; return the moment."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.01)
        return time.monotonic()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._ask_all())

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask() for _ in range(self._clients)))
        await asyncio.sleep(0.05)  # sockets that were aborted are closed a moment later

    async def _ask(self) -> None:
        while not self._over:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self._note(LOST)
                await asyncio.sleep(0.05)
                continue
            try:
                await self._converse(reader, writer)
            except (OSError, EOFError, ValueError):
                self._note(LOST)
            finally:
                writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._over:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            length = int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self._note(int(head[9:12]))
            if b"connection: close" in lowered:
                return
            if self._pause:
                await asyncio.sleep(self._pause)

    def _note(self, status: int) -> None:
        self.answers.append((time.monotonic(), status))
