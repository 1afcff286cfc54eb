"""The connections to one upstream: which are idle, which are in use, and who waits for one."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from math import inf

from gateline.edge.upstream.connection import Connection
from gateline.edge.upstream.errors import ConnectFailed, PoolExhausted, UpstreamTimeout
from gateline.edge.upstream.target import Target


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a pool and of the responses it lets in.

    `idle_seconds` is how long a connection may rest (less when the upstream asks for less).
    `high_water` is how much of a streamed body is buffered before the socket is paused.
    Bodies with an announced length up to `hold_bytes` are handed over only when whole.
    """

    max_connections: int = 1024
    max_idle: int = 256
    max_waiting: int = 1024
    idle_seconds: float = 30.0
    max_head_bytes: int = 64 * 1024
    max_headers: int = 200
    high_water: int = 256 * 1024
    hold_bytes: int = 64 * 1024


class Pool:
    """Keeps connections to `target`: last in, first out, so that a quiet hour shrinks it.

    At `max_connections` callers wait in line, at most `max_waiting` of them and none beyond its
    deadline; whoever came first is served first.
    """

    __slots__ = (
        "_closing",
        "_connections",
        "_drained",
        "_idle",
        "_waiters",
        "limits",
        "opened_total",
        "reused_total",
        "target",
    )

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        self.target = target
        self.limits = Limits() if limits is None else limits
        self.opened_total = 0
        self.reused_total = 0
        self._connections: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._drained: asyncio.Future[None] | None = None
        self._closing = False

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
        return len(self._waiters)

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
                await self._connect(loop, connection, deadline, connect_timeout)
                return connection
            if not connection.closed:
                return connection

    async def aclose(self, grace: float = 0.0) -> None:
        """Refuse new requests, let those in flight finish within `grace` seconds, then cut them."""
        self._closing = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(PoolExhausted(f"{self.target} is being closed"))
        self._waiters.clear()
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
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.reused_total += 1
                waiter.set_result(connection)
                return
        if self._closing or len(self._idle) >= self.limits.max_idle:
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
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._new(asyncio.get_running_loop()))
                return
        if self._drained is not None and not self._connections and not self._drained.done():
            self._drained.set_result(None)

    def _new(self, loop: asyncio.AbstractEventLoop) -> Connection:
        # It takes its place among the open ones before it is connected: nobody can overtake.
        connection = Connection(loop, self)
        self._connections.add(connection)
        return connection

    async def _next(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        if self._closing:
            raise PoolExhausted(f"{self.target} is being closed")
        if len(self._connections) < self.limits.max_connections:
            return self._new(loop)
        if len(self._waiters) >= self.limits.max_waiting:
            raise PoolExhausted(f"{self.target}: all connections in use, the queue is full")
        return await self._wait(loop, deadline)

    async def _wait(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        waiter: asyncio.Future[Connection] = loop.create_future()
        self._waiters.append(waiter)
        timer = None if deadline == inf else loop.call_at(deadline, self._give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _give_up(self, waiter: asyncio.Future[Connection]) -> None:
        if not waiter.done():
            self._waiters.remove(waiter)
            waiter.set_exception(UpstreamTimeout("queue"))

    def _pass_on(self, waiter: asyncio.Future[Connection]) -> None:
        """Give what a cancelled caller had just been handed to the next in line."""
        if waiter.cancelled():
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
        elif waiter.exception() is None:
            connection = waiter.result()
            if not connection.connected:
                self.forget(connection)
            elif not connection.closed:
                self.reused_total -= 1
                self.release(connection)

    async def _connect(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        deadline: float,
        connect_timeout: float,
    ) -> None:
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + connect_timeout)):
                await self._dial(loop, connection)
        except BaseException as error:
            # Not every loop tells a protocol of the end of a connection that it gave up itself.
            connection.connection_lost(None)
            raise self._connect_error(error) from error
        self.opened_total += 1

    def _connect_error(self, error: BaseException) -> BaseException:
        if isinstance(error, TimeoutError):
            return UpstreamTimeout("connect")
        if isinstance(error, (OSError, UnicodeError)):
            return ConnectFailed(f"{self.target}: {error}")
        return error

    async def _dial(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        target = self.target
        if target.unix_path is not None:
            await loop.create_unix_connection(lambda: connection, target.unix_path)
        else:
            await loop.create_connection(
                lambda: connection,
                target.host,
                target.port,
                ssl=target.tls,
                server_hostname=target.host if target.tls else None,
            )

    async def _empty(self) -> None:
        if self._connections:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
