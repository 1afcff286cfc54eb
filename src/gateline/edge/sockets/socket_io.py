"""`/ws/dashboard` as a Socket.IO namespace, and the server for one's own events.

Every namespace asks for an administrator's session unless its own `connect` handler decides
otherwise. Long polling works while one worker serves: its requests must all reach the worker that
has the session, and nothing in front of several workers sees to that. So `gateline serve edge
--workers 2` offers WebSocket only, and a client then asks for `transports: ["websocket"]`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Final

import socketio
from engineio.packet import NOOP, Packet
from socketio.exceptions import ConnectionRefusedError as Refusal

from gateline.edge.exchange import Message, Receive, Scope, Send
from gateline.edge.sockets.fan_out import FanOut
from gateline.edge.sockets.guests import Guest, Guests
from gateline.edge.sockets.outbox import Outbox, Told
from gateline.edge.sockets.places import Engines
from gateline.edge.sockets.snapshot import Snapshot
from gateline.policy.reasons import SESSION_MISSING, Reason

DASHBOARD: Final = "/ws/dashboard"
TOKEN: Final = "gateline.token"  # noqa: S105 # the name of a member of the scope, not a token
CLIENT: Final = "gateline.client"
Register = Callable[[socketio.AsyncServer], object]

_MOST_BYTES: Final = 64 * 1024
_MOST_QUEUED: Final = 32
_WAIT_SECONDS: Final = 0.1
_SWEEP_SECONDS: Final = 1.0
_NAMELESS_SECONDS: Final = 10.0
_ROLES: Final = frozenset({"admin"})


class SocketIo:
    """The Socket.IO server of one worker; `register` adds one's own events to it."""

    def __init__(
        self,
        fan_out: FanOut,
        guests: Guests,
        snapshot: Snapshot,
        *,
        transports: Collection[str],
        register: Register | None = None,
    ) -> None:
        self._fan_out = fan_out
        self._guests = guests
        self._snapshot = snapshot
        self._deliveries: set[asyncio.Task[None]] = set()
        self._nameless: dict[str, float] = {}
        self.server = _server(transports)
        if register is not None:
            register(self.server)
        for namespace in _namespaces(self.server):
            self._guard(namespace)

    def __len__(self) -> int:
        """Return how many clients are connected, whatever their transport."""
        return len(self.server.eio.sockets)

    def engines(self, client: str) -> Engines:
        """Count those who are connected, and those of them whom this client has."""
        every: Counter[str] = Counter()
        own: Counter[str] = Counter()
        for sid, engine in self.server.eio.sockets.items():
            kinds = [] if engine.upgraded else ["polling"]
            if not self._has_joined(sid):
                kinds.append("newcomers")
            every.update(kinds)
            if self._client_of(sid) == client:
                own.update(kinds)
        return Engines(every["polling"], every["newcomers"], own["polling"], own["newcomers"])

    def knows(self, query: bytes) -> bool:
        """Tell whether a request belongs to a client that is connected already."""
        return self._engine(query) is not None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket or one request of a long-polling client.

        The scope holds as `TOKEN` what token came with it, if any, and as `CLIENT` whose it is.
        """
        engine = self._engine(scope["query_string"])
        await self.server.eio.handle_request(scope, receive, send)
        if engine is not None and engine.closed:
            _wake(engine)

    async def run(self) -> None:
        """Send away, until cancelled, clients that have joined no namespace for 10 s."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            nameless = [sid for sid in list(self.server.eio.sockets) if not self._has_joined(sid)]
            self._nameless = {sid: self._nameless.get(sid, now) for sid in nameless}
            for sid, since in self._nameless.items():
                engine = self.server.eio.sockets.get(sid)
                if engine is not None and now - since > _NAMELESS_SECONDS:
                    await engine.close(wait=False)

    async def close(self) -> None:
        """End what runs in the background."""
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self.server.shutdown()

    def end_polls(self) -> None:
        """Answer the requests of long-polling clients that wait for events."""
        for engine in list(self.server.eio.sockets.values()):
            if not engine.upgraded:
                _wake(engine)

    def _engine(self, query: bytes) -> Any:
        """Return the connected client to which a request belongs, or None."""
        for pair in query.split(b"&"):
            name, _, sid = pair.partition(b"=")
            if name == b"sid":
                return self.server.eio.sockets.get(sid.decode("latin-1"))
        return None

    def _client_of(self, engine_sid: str) -> str | None:
        scope = self.server.environ.get(engine_sid, {}).get("asgi.scope", {})
        client: str | None = scope.get(CLIENT)
        return client

    def _has_joined(self, engine_sid: str) -> bool:
        manager = self.server.manager
        return any(
            manager.sid_from_eio_sid(engine_sid, namespace) is not None
            for namespace in list(manager.get_namespaces())
        )

    def _guard(self, namespace: str) -> None:
        """Let administrators only into a namespace."""

        async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
            token = _token(auth) or environ["asgi.scope"].get(TOKEN)
            identity = await self._guests.identify(token, _ROLES) if token else SESSION_MISSING
            if isinstance(identity, Reason):
                raise Refusal(identity.message, {"reason": identity.code})
            known = {"user_id": identity.user_id, "user_type": identity.user_type}
            await self.server.save_session(
                sid, {**known, "email": identity.email}, namespace=namespace
            )
            self._welcome(sid, namespace, token)

        self.server.on("connect", connect, namespace=namespace)

    def _welcome(self, sid: str, namespace: str, token: str) -> None:
        """Look after a client from now on; the task begins when the client was told that it is in.

        (Nothing yields between the end of a connect handler and the answer to the client.)
        """

        async def end(reason: Reason) -> None:
            over = {"type": "ended", "reason": reason.code, "message": reason.message}
            await self.server.emit("ended", over, to=sid, namespace=namespace)
            await self.server.disconnect(sid, namespace=namespace)

        guest = Guest(token, _ROLES, end)
        self._guests.add(guest)
        task = asyncio.create_task(self._attend(sid, namespace, guest))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _attend(self, sid: str, namespace: str, guest: Guest) -> None:
        """Deliver the live events to a client of the dashboard; see every client out."""
        outbox = Outbox()
        if namespace == DASHBOARD:
            self._fan_out.attach(outbox)
        try:
            if namespace == DASHBOARD:
                await self._emit(sid, namespace, await self._snapshot.hello())
            while await self._has_room(sid, namespace):
                try:
                    async with asyncio.timeout(_SWEEP_SECONDS):
                        told = await outbox.take()
                except TimeoutError:
                    continue
                await self._emit(sid, namespace, told)
        finally:
            self._fan_out.detach(outbox)
            self._guests.discard(guest)

    async def _emit(self, sid: str, namespace: str, told: Told) -> None:
        await self.server.emit(told.data["type"], told.data, to=sid, namespace=namespace)

    async def _has_room(self, sid: str, namespace: str) -> bool:
        """Wait until the client has taken what was sent; False when it has left."""
        manager = self.server.manager
        while manager.is_connected(sid, namespace):
            engine = self.server.eio.sockets.get(manager.eio_sid_from_sid(sid, namespace))
            if engine is None:
                return False
            if engine.queue.qsize() < _MOST_QUEUED:
                return True
            await asyncio.sleep(_WAIT_SECONDS)
        return False


def _wake(engine: Any) -> None:
    """Let a poll that waits for events return; the library leaves it when its client has closed."""
    engine.queue.put_nowait(Packet(NOOP))


def replay(connect: Message, receive: Receive) -> Receive:
    """Return a `receive` that gives this message first."""
    waiting = [connect]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def _server(transports: Collection[str]) -> socketio.AsyncServer:
    # What a client sends may stand in their messages: nothing but faults of ours is worth a line.
    events, engine = (logging.getLogger(f"{__name__}.{part}") for part in ("events", "engine"))
    events.setLevel(logging.ERROR)
    engine.setLevel(logging.CRITICAL)
    return socketio.AsyncServer(
        async_mode="asgi",
        transports=list(transports),
        namespaces=[DASHBOARD],
        # The edge itself decides about origins and answers preflights, for all its routes alike.
        cors_allowed_origins=[],
        max_http_buffer_size=_MOST_BYTES,
        http_compression=False,
        logger=events,
        engineio_logger=engine,
    )


def _namespaces(server: socketio.AsyncServer) -> list[str]:
    """Return the namespaces that have no say of their own about who comes in."""
    with_events = {DASHBOARD, *server.handlers, *server.namespace_handlers} - {"*"}
    return [
        name
        for name in sorted(with_events)
        if "connect" not in server.handlers.get(name, {})
        and not hasattr(server.namespace_handlers.get(name), "on_connect")
    ]


def _token(auth: Any) -> str | None:
    """Return the token in what a client gave as `auth`: `{"token": "…"}`."""
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str) or not token.isascii() or len(token) > 8192:
        return None
    return token.removeprefix("Bearer ").strip() or None
