"""The HTTP/1.1 connections to one upstream: which are idle, in use, and who waits for one."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from gateline.edge.upstream.connection import Connection
from gateline.edge.upstream.errors import PoolExhausted, UpstreamTimeout
from gateline.edge.upstream.pool import Limits, Pool
from gateline.edge.upstream.request import BodyStream, HeadEncoder, Headers, framing_of
from gateline.edge.upstream.resolving import Addresses, Lookup, look_up
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target
from gateline.edge.upstream.waiting import Line


class Http1Pool(Pool):
    """Keeps connections to `target`: last in, first out, so that a quiet hour shrinks it.

    At `max_connections` callers wait in line, at most `max_waiting` of them and none beyond its
    deadline; whoever came first is served first. When the target's name leads elsewhere, new
    connections go there and those to addresses that are gone end with their exchange.
    """

    __slots__ = ("_clock", "_closing", "_connections", "_drained", "_encoder", "_idle", "_line")

    def __init__(
        self, target: Target, limits: Limits | None = None, *, look_up: Lookup = look_up
    ) -> None:
        super().__init__(target, limits, look_up=look_up)
        self._encoder = HeadEncoder()
        self._connections: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._line: Line[Connection] = Line()
        self._drained: asyncio.Future[None] | None = None
        self._closing = False
        self._clock: Callable[[], float] | None = None

    @property
    def open(self) -> int:
        """Count the connections that exist, those being connected or closed included."""
        return len(self._connections)

    @property
    def idle(self) -> int:
        """Count the connections that rest."""
        return len(self._idle)

    @property
    def in_use(self) -> int:
        """Count the connections that are not resting."""
        return len(self._connections) - len(self._idle)

    @property
    def waiting(self) -> int:
        """Count the callers in line."""
        return len(self._line)

    async def send(
        self,
        method: bytes,
        path: bytes,
        headers: Headers,
        body: bytes | BodyStream | None = None,
        *,
        deadline: float,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
    ) -> Response:
        """Send one request over a connection that is nobody else's meanwhile."""
        framing = framing_of(method, body)
        head = self._encoder.encode(method, path, headers, framing, self.target.authority)
        clock = self._clock or self._find_clock()
        now = clock()
        if deadline <= now:
            raise UpstreamTimeout("queue")
        if self._idle:
            self.reused_total += 1
            connection = self._idle.pop()
        else:
            connection = await self.acquire(deadline, connect_timeout)
            now = clock()
        waiter = connection.start(
            head,
            body,
            head_only=method == b"HEAD",
            now=now,
            deadline=deadline,
            read_timeout=read_timeout,
        )
        try:
            return await waiter
        except BaseException:
            connection.abandon(waiter)
            raise

    def take(self) -> Connection | None:
        """Return the connection that rested shortest, if there is one."""
        if not self._idle:
            return None
        self.reused_total += 1
        return self._idle.pop()

    async def acquire(self, deadline: float, connect_timeout: float) -> Connection:
        """Return a connection: a resting one, a new one, or the next one free.

        It is to be used at once. Raise ConnectFailed, PoolExhausted or UpstreamTimeout; nothing
        was sent in any case.
        """
        loop = asyncio.get_running_loop()
        while True:
            connection = self.take() or await self._next(loop, deadline)
            if not connection.connected:
                await self._connect(connection, min(deadline, loop.time() + connect_timeout))
                return connection
            if not connection.closed:
                return connection

    async def aclose(self, grace: float = 0.0) -> None:
        """Refuse new requests, let those in flight finish within `grace` seconds, then cut them."""
        self._closing = True
        self._dialer.close()
        self._line.refuse(self._closed)
        for connection in list(self._idle):
            connection.abort()
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty(), grace)
        for connection in list(self._connections):
            connection.abort()
        await self._empty()

    # What connections call

    def release(self, connection: Connection) -> None:
        """Take back a connection after a clean exchange."""
        waiter = self._line.first() if self._line.waiters else None
        if waiter is not None:
            self.reused_total += 1
            waiter.set_result(connection)
        elif self._closing or len(self._idle) >= self.limits.max_idle:
            connection.abort()
        else:
            self._idle.append(connection)

    def retire(self, connection: Connection) -> None:
        """Never hand out this connection again; its socket is about to close."""
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def forget(self, connection: Connection) -> None:
        """Let go of a connection whose socket is closed; its place goes to the first in line."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        waiter = self._line.first()
        if waiter is not None:
            waiter.set_result(self._new(asyncio.get_running_loop()))
        elif self._drained is not None and not self._connections and not self._drained.done():
            self._drained.set_result(None)

    def _find_clock(self) -> Callable[[], float]:
        """Return the clock of the one loop that this pool is used in: asking for it costs."""
        self._clock = asyncio.get_running_loop().time
        return self._clock

    def _new(self, loop: asyncio.AbstractEventLoop) -> Connection:
        # It takes its place among the open ones before it is connected: nobody can overtake.
        connection = Connection(loop, self)
        self._connections.add(connection)
        return connection

    async def _next(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        if self._closing:
            raise self._closed()
        if len(self._connections) < self.limits.max_connections:
            return self._new(loop)
        if len(self._line) >= self.limits.max_waiting:
            raise PoolExhausted(f"{self.target}: all connections in use, the queue is full")
        return await self._line.wait(deadline, self._take_back)

    def _closed(self) -> PoolExhausted:
        return PoolExhausted(f"{self.target} is being closed")

    def _take_back(self, connection: Connection) -> None:
        """Give what a cancelled caller had just been handed to the next in line."""
        if not connection.connected:
            self.forget(connection)
        elif not connection.closed:
            self.reused_total -= 1
            self.release(connection)

    async def _connect(self, connection: Connection, until: float) -> None:
        try:
            connection.address = await self._dialer.dial(connection, until)
        except BaseException as error:
            # Not every loop tells a protocol of the end of a connection that it gave up itself.
            connection.connection_lost(None)
            raise self._connect_error(error) from error
        self.opened_total += 1
        connection.leaving = not self._dialer.is_current(connection.address)

    def _leave(self, addresses: Addresses) -> None:
        """End the connections to other addresses than these, each after its exchange."""
        for connection in list(self._connections):
            connection.leaving = connection.connected and connection.address not in addresses
            if connection.leaving and not connection.busy:
                connection.abort()

    async def _empty(self) -> None:
        if self._connections:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
