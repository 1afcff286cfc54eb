"""The client: one request to one upstream, one response or one error, never a repetition."""

import asyncio

from gateline.edge.upstream.errors import UpstreamTimeout
from gateline.edge.upstream.pool import Limits, Pool
from gateline.edge.upstream.request import BodyStream, HeadEncoder, Headers, framing_of
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target


class Client:
    """Sends requests over pooled HTTP/1.1 connections, one pool for each target.

    Nothing is repeated, redirected, decompressed or read from the environment. Build one for each
    event loop and close it with `aclose`.
    """

    __slots__ = ("_encoder", "_limits", "_pools")

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits
        self._encoder = HeadEncoder()
        self._pools: dict[Target, Pool] = {}

    @property
    def pools(self) -> list[Pool]:
        """List the pools that this client has made."""
        return list(self._pools.values())

    def pool(self, target: Target) -> Pool:
        """Return the pool of `target`, made on first use."""
        pool = self._pools.get(target)
        if pool is None:
            pool = self._pools[target] = Pool(target, self._limits)
        return pool

    async def send(
        self,
        upstream: Pool | Target,
        method: bytes,
        path: bytes,
        headers: Headers,
        body: bytes | BodyStream | None = None,
        *,
        deadline: float,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
    ) -> Response:
        """Send one request and return its final response, as soon as its head is there.

        `path` goes out byte for byte. `deadline` (in the loop's time) bounds everything until the
        response is handed over; a body that is streamed after that is bounded by `read_timeout`
        between two reads. Raise ValueError for what must not be sent, otherwise only subclasses
        of UpstreamError and what a BodyStream raises. Cancelling closes the connection at once.
        """
        pool = upstream if isinstance(upstream, Pool) else self.pool(upstream)
        framing = framing_of(method, body)
        head = self._encoder.encode(method, path, headers, framing, pool.target.authority)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if deadline <= now:
            raise UpstreamTimeout("queue")
        connection = pool.take()
        if connection is None:
            connection = await pool.acquire(deadline, connect_timeout)
            now = loop.time()
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

    async def aclose(self, grace: float = 0.0) -> None:
        """Refuse new requests, wait up to `grace` seconds for those in flight, close everything."""
        await asyncio.gather(*(pool.aclose(grace) for pool in self._pools.values()))
