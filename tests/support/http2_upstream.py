"""An HTTP/2 server that behaves as a test asks for, one handler call for each stream."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from gateline.edge.upstream import BodyStream, Client, Limits, Pool, Response, Target

Headers = list[tuple[bytes, bytes]]


class Visit:
    """One request while it is being answered."""

    def __init__(self, peer: "Peer", stream_id: int, headers: Headers) -> None:
        self.peer = peer
        self.stream_id = stream_id
        self.headers = headers
        self.ended = asyncio.Event()
        self.was_reset = asyncio.Event()
        self.body = b""
        self.unread = 0
        self.reads = True

    def value(self, name: bytes) -> bytes | None:
        """Return the first value of a field."""
        return next((value for key, value in self.headers if key == name), None)

    async def answer(
        self, status: int = 200, body: bytes = b"", headers: Headers | None = None
    ) -> None:
        """Answer with a body whose length is announced."""
        self.start(status, [*(headers or []), (b"content-length", b"%d" % len(body))])
        await self.send(body, end=True)

    def start(self, status: int, headers: Headers | None = None, *, end: bool = False) -> None:
        """Send a head."""
        fields = [(b":status", b"%d" % status), *(headers or [])]
        self.peer.engine.send_headers(self.stream_id, fields, end_stream=end)
        self.peer.flush()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the body as the windows allow."""
        engine = self.peer.engine
        while data:
            room = min(
                engine.local_flow_control_window(self.stream_id), engine.max_outbound_frame_size
            )
            if room <= 0:
                await self.peer.moved()
                continue
            engine.send_data(self.stream_id, data[:room])
            data = data[room:]
            self.peer.flush()
        if end:
            engine.end_stream(self.stream_id)
            self.peer.flush()

    def reset(self, code: int) -> None:
        """Reset the stream."""
        self.peer.engine.reset_stream(self.stream_id, code)
        self.peer.flush()

    def read(self) -> None:
        """Give the client its room back for all that came."""
        self.reads = True
        self.peer.engine.acknowledge_received_data(self.unread, self.stream_id)
        self.unread = 0
        self.peer.flush()


Handler = Callable[[Visit], Awaitable[None]]


class Peer(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, upstream: "Http2Upstream") -> None:
        self.upstream = upstream
        self.engine = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        self.visits: dict[int, Visit] = {}
        self.gone = False
        self._movement: asyncio.Event = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport: Any = transport
        self.upstream.peers.append(self)
        self.engine.local_settings = h2.settings.Settings(
            client=False, initial_values=self.upstream.settings
        )
        self.engine.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand every new stream to the handler."""
        for event in self.engine.receive_data(data):
            self._note(event)
        self.flush()

    def connection_lost(self, _: Exception | None) -> None:
        """Note that the client has gone."""
        self.gone = True
        self._wake()

    def flush(self) -> None:
        """Write what the engine has."""
        if not self.gone:
            self.transport.write(self.engine.data_to_send())

    async def moved(self) -> None:
        """Wait until something comes from the client."""
        await self._movement.wait()

    def _wake(self) -> None:
        self._movement.set()
        self._movement = asyncio.Event()

    def _note(self, event: h2.events.Event) -> None:
        visit = self.visits.get(getattr(event, "stream_id", None) or 0)
        if isinstance(event, h2.events.RequestReceived):
            headers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            visit = self.visits[event.stream_id or 0] = Visit(self, event.stream_id or 0, headers)
            self.upstream.begin(visit)
        elif isinstance(event, h2.events.DataReceived) and visit is not None:
            visit.body += event.data or b""
            visit.unread += event.flow_controlled_length or 0
            if visit.reads:
                visit.read()
        elif isinstance(event, h2.events.StreamEnded) and visit is not None:
            visit.ended.set()
        elif isinstance(event, h2.events.StreamReset) and visit is not None:
            visit.was_reset.set()
        self._wake()


async def _ok(visit: Visit) -> None:
    await visit.answer(body=b"ok")


class Http2Upstream:
    """A server on a free port, a client with a pool for it; both closed at the end."""

    def __init__(
        self,
        handler: Handler = _ok,
        limits: Limits | None = None,
        settings: dict[h2.settings.SettingCodes, int] | None = None,
        **listen: Any,
    ) -> None:
        self._handler = handler
        self._limits = limits
        self._listen = listen
        self._tasks: set[asyncio.Task[None]] = set()
        self.settings: dict[h2.settings.SettingCodes, int] = settings or {}
        self.peers: list[Peer] = []
        self.visits: list[Visit] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Peer(self), "127.0.0.1", 0, **self._listen)
        self.port = self._server.sockets[0].getsockname()[1]
        self.client = Client(self._limits)
        self.target = Target.parse(f"http://127.0.0.1:{self.port}", http2=True)
        self.pool: Pool = self.client.pool(self.target)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer.transport.abort()
        await asyncio.sleep(0)

    def begin(self, visit: Visit) -> None:
        """Have a stream answered."""
        self.visits.append(visit)
        task = asyncio.ensure_future(self._handler(visit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        body: bytes | BodyStream | None = None,
        within: float = 5.0,
        **options: float,
    ) -> Response:
        """Send a request with a deadline `within` so many seconds."""
        deadline = asyncio.get_running_loop().time() + within
        return await self.pool.send(method, path, headers, body, deadline=deadline, **options)
