"""Services that answer as a test tells them, byte by byte, and that keep what they saw."""

import asyncio
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import uvloop

VARIABLES: Final = {
    "auth": "JWT_SERVICE_URL",
    "doctors": "DOCTOR_SERVICE_URL",
    "patients": "PATIENT_SERVICE_URL",
    "institutions": "INSTITUTION_SERVICE_URL",
    "admins": "ADMIN_SERVICE_URL",
    "users": "USER_SERVICE_URL",
    "events": "EDGE_PROCESSOR_URL",
    "web": "WEB_SERVICE_URL",
    "api": "API_SERVICE_URL",
}
"""The services, and the settings that tell where each is."""

PATIENCE: Final = 10.0


@dataclass
class Received:
    """A request as it came over the wire; `whole` once its body has been read to the end."""

    service: str
    head: bytes
    body: bytes = b""
    whole: bool = False

    @property
    def method(self) -> str:
        """The method of the request line."""
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> bytes:
        """The request target, byte for byte."""
        return self.head.split(b"\r\n", 1)[0].split(b" ", 1)[1].rsplit(b" ", 1)[0]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All headers in order, names in lower case."""
        lines = self.head.split(b"\r\n")[1:-2]
        pairs = [line.partition(b":") for line in lines]
        return [(name.lower(), value.strip(b" \t")) for name, _, value in pairs]

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of one header."""
        return [value for key, value in self.headers if key == name]


class Visit:
    """One request while it is being answered: the raw connection in a handler's hands."""

    def __init__(
        self,
        received: Received,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        changed: Callable[[], None],
    ) -> None:
        self.received = received
        self.reader = reader
        self.writer = writer
        self._changed = changed

    async def read_body(self) -> bytes:
        """Read the body that the head announces."""
        head = self.received.head.lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if b"\r\ntransfer-encoding:" in head:
            self.received.body = await self._read_chunks()
        elif length:
            self.received.body = await self.reader.readexactly(int(length[1]))
        self.received.whole = True
        self._changed()
        return self.received.body

    async def send(self, *pieces: bytes) -> None:
        """Write raw bytes and wait until the socket takes more."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def until_gone(self) -> None:
        """Wait until the other side closes the connection."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int((await self._read_line()).split(b";")[0], 16):
            body += await self.reader.readexactly(size)
            await self._read_line()
        while (await self._read_line()).strip():
            pass
        return bytes(body)

    async def _read_line(self) -> bytes:
        """Read a line; the end of the stream is no line."""
        return await self.reader.readuntil(b"\n")


Handler = Callable[[Visit], Awaitable[None]]
Behaviour = bytes | Handler


def answer(
    status: int = 200, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Write a whole response with its length."""
    lines = [b"HTTP/1.1 %d Whatever" % status]
    lines += [name + b": " + value for name, value in headers]
    if status not in (204, 304):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def hang(visit: Visit) -> None:
    """Take the request and never say a word."""
    await visit.until_gone()


def cut(said: bytes = b"", *, with_reset: bool = False) -> Handler:
    """Return a handler that says this much and closes."""

    async def behave(visit: Visit) -> None:
        await visit.read_body()
        await visit.send(said)
        if with_reset:
            visit.reset()
        visit.writer.close()

    return behave


class ScriptedServices:
    """One raw server for each service, all on a thread of their own.

    A path without a script is answered with 200 and the service's name.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.open: Counter[str] = Counter()
        self.ports: dict[str, int] = {}
        self._scripts: dict[str, list[Behaviour]] = {}
        self._changes = threading.Condition()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._servers: list[asyncio.Server] = []

    def start(self) -> None:
        """Listen; afterwards `environment` tells where."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE)

    def stop(self) -> None:
        """Close everything and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead to these services."""
        return {VARIABLES[name]: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    def on(self, path: str, *behaviours: Behaviour) -> None:
        """Answer a path so: each behaviour once and in turn, the last one ever after."""
        self._scripts[path] = list(behaviours)

    def clear(self) -> None:
        """Forget scripts and requests."""
        self._scripts.clear()
        self.requests.clear()

    def seen(self, path: str) -> list[Received]:
        """Return the requests that came for a path."""
        return [one for one in self.requests if one.path == path]

    def wait(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
        """Wait until something that happens here makes the condition true; return how long."""
        started = time.monotonic()
        with self._changes:
            assert self._changes.wait_for(condition, seconds), "it did not happen in time"
        return time.monotonic() - started

    async def _listen(self) -> None:
        for name in VARIABLES:
            server = await asyncio.start_server(
                partial(self._serve, name),
                "127.0.0.1",
                0,
                limit=2**20,
                backlog=1024,
            )
            self._servers.append(server)
            self.ports[name] = server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(
        self, service: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._count(service, 1)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(Received(service, head), reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._count(service, -1)
            writer.transport.abort()

    async def _answer(
        self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests.append(received)
        self._changed()
        visit = Visit(received, reader, writer, self._changed)
        script = self._scripts.get(received.path)
        behaviour: Behaviour = _introduction(received.service)
        if script:
            behaviour = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(behaviour, bytes):
            await visit.read_body()
            await visit.send(behaviour)
        else:
            await behaviour(visit)

    def _count(self, service: str, step: int) -> None:
        self.open[service] += step
        self._changed()

    def _changed(self) -> None:
        with self._changes:
            self._changes.notify_all()


def _introduction(service: str) -> bytes:
    body = json.dumps({"service": service}).encode()
    return answer(body=body, headers=[(b"content-type", b"application/json")])
