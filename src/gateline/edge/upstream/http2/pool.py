"""The HTTP/2 connections to one upstream: few, each shared by many requests."""

import asyncio
import contextlib

from gateline.edge.upstream.errors import ConnectFailed, PoolExhausted, UpstreamTimeout
from gateline.edge.upstream.http2.connection import Http2Connection
from gateline.edge.upstream.http2.fields import FieldWriter
from gateline.edge.upstream.pool import Limits, Pool
from gateline.edge.upstream.request import BodyStream, Headers, length_of
from gateline.edge.upstream.resolving import Addresses, Lookup, look_up
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target
from gateline.edge.upstream.waiting import Line


class Http2Pool(Pool):
    """Shares connections to `target`, opening another one only when all are full.

    At `max_connections` full connections callers wait in line, at most `max_waiting` of them and
    none beyond its deadline; whoever came first is served first.
    """

    __slots__ = ("_closing", "_connecting", "_connections", "_drained", "_fields", "_line")

    def __init__(
        self, target: Target, limits: Limits | None = None, *, look_up: Lookup = look_up
    ) -> None:
        super().__init__(target, limits, look_up=look_up)
        self._fields = FieldWriter()
        self._connections: list[Http2Connection] = []
        self._line: Line[Http2Connection] = Line()
        self._connecting: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._closing = False

    @property
    def open(self) -> int:
        """Count the connections that exist, those being connected or closed included."""
        return len(self._connections)

    @property
    def idle(self) -> int:
        """Count the connections without a request."""
        return sum(not connection.active for connection in self._connections)

    @property
    def in_use(self) -> int:
        """Count the requests on all connections."""
        return sum(connection.active for connection in self._connections)

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
        """Send one request on a stream of its own."""
        fields = self._fields.write(
            method,
            path,
            headers,
            scheme=b"http" if self.target.tls is None else b"https",
            authority=self.target.authority,
            length=length_of(method, body),
        )
        if deadline <= asyncio.get_running_loop().time():
            raise UpstreamTimeout("queue")
        connection = self._free()
        if connection is None:
            connection = await self._wait(deadline, connect_timeout)
        else:
            self.reused_total += 1
        stream = connection.start(fields, body, deadline=deadline, read_timeout=read_timeout)
        try:
            return await stream.waiter
        except BaseException:
            stream.abandon()
            raise

    async def aclose(self, grace: float = 0.0) -> None:
        """Refuse new requests, let those in flight finish within `grace` seconds, then cut them."""
        self._closing = True
        self._dialer.close()
        self._line.refuse(self._closed)
        if self._connecting is not None:
            self._connecting.cancel()
        for connection in list(self._connections):
            connection.leave()
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty(), grace)
        for connection in list(self._connections):
            connection.abort()
        await self._empty()

    # What connections call

    def serve(self) -> None:
        """Give what is free to those in line; connect once more when that is not enough."""
        while len(self._line):
            connection = self._free()
            if connection is None:
                self._connect_more()
                return
            waiter = self._line.first()
            if waiter is not None:
                connection.promised += 1
                waiter.set_result(connection)

    def forget(self, connection: Http2Connection) -> None:
        """Let go of a connection whose socket is closed."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self.serve()
        if self._drained is not None and not self._connections and not self._drained.done():
            self._drained.set_result(None)

    # Finding a connection

    def _free(self) -> Http2Connection | None:
        """Return a connection with room, the oldest first, so that the others may rest."""
        for connection in self._connections:
            if connection.free > 0:
                return connection
        return None

    async def _wait(self, deadline: float, connect_timeout: float) -> Http2Connection:
        while True:
            if self._closing:
                raise self._closed()
            if len(self._line) >= self.limits.max_waiting:
                raise PoolExhausted(f"{self.target}: all connections in use, the queue is full")
            self._connect_more(connect_timeout)
            connection = await self._line.wait(deadline, self._take_back)
            connection.promised -= 1
            if not connection.closed and not connection.leaving:
                return connection

    def _take_back(self, connection: Http2Connection) -> None:
        connection.promised -= 1
        self.serve()

    def _connect_more(self, connect_timeout: float = 5.0) -> None:
        """Open one connection, unless one is being opened or there are enough."""
        busy = self._connecting is not None and not self._connecting.done()
        if busy or self._closing or len(self._connections) >= self.limits.max_connections:
            return
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(self._connect(loop.time() + connect_timeout))
        self._connecting.add_done_callback(lambda _: self.serve())

    async def _connect(self, until: float) -> None:
        connection = Http2Connection(asyncio.get_running_loop(), self)
        self._connections.append(connection)
        try:
            connection.address = await self._dialer.dial(connection, until)
            async with asyncio.timeout_at(until):
                await asyncio.shield(connection.ready)
        except BaseException as error:
            connection.abort()
            self._refuse_all(error)
            # Not every loop tells a protocol of the end of a connection that it gave up itself.
            connection.connection_lost(None)
            if not isinstance(error, (OSError, UnicodeError, ConnectFailed)):
                raise
        else:
            self.opened_total += 1
            if not self._dialer.is_current(connection.address):
                connection.leave()

    def _refuse_all(self, error: BaseException) -> None:
        self._line.refuse(lambda: self._refusal(error))

    def _refusal(self, error: BaseException) -> Exception:
        if isinstance(error, ConnectFailed):
            return ConnectFailed(f"{self.target}: {error}")
        refusal = self._connect_error(error)
        return refusal if isinstance(refusal, Exception) else self._closed()

    def _closed(self) -> PoolExhausted:
        return PoolExhausted(f"{self.target} is being closed")

    def _leave(self, addresses: Addresses) -> None:
        for connection in list(self._connections):
            if connection.capacity and connection.address not in addresses:
                connection.leave()

    async def _empty(self) -> None:
        if self._connections:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
