"""The client: one request to one upstream, one response or one error, never a repetition."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

from gateline.edge.upstream.http1_pool import Http1Pool
from gateline.edge.upstream.pool import Limits, Pool
from gateline.edge.upstream.request import BodyStream, Headers
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target
from gateline.edge.upstream.tls import TlsContexts
from gateline.policy.services import Endpoint, Service, TlsPolicy


class Client:
    """Sends requests over pooled connections, one pool for each target and its limits.

    Nothing is repeated, redirected, decompressed or read from the environment. Build one for each
    event loop and close it with `aclose`.
    """

    __slots__ = ("_limits", "_names", "_pools", "_tls")

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = Limits() if limits is None else limits
        self._pools: dict[tuple[Target, Limits], Pool] = {}
        self._tls = TlsContexts()
        self._names: set[str] = set()

    @property
    def pools(self) -> list[Pool]:
        """List the pools that this client has made."""
        return list(self._pools.values())

    def connections(self) -> dict[str, tuple[int, int]]:
        """Count the connections in use and the idle ones by target.

        Targets that are not used any more stay, with none: a figure must not freeze at its last.
        """
        found = dict.fromkeys(self._names, (0, 0))
        for pool in self._pools.values():
            in_use, idle = found[str(pool.target)]
            found[str(pool.target)] = in_use + pool.open - pool.idle, idle + pool.idle
        return found

    def pool(self, target: Target, limits: Limits | None = None) -> Pool:
        """Return the pool of `target`, made on first use.

        Raise ValueError when the target wants HTTP/2 and the library for it is not installed.
        """
        limits = limits or self._limits
        pool = self._pools.get((target, limits))
        if pool is None:
            pool = self._pools[target, limits] = _new_pool(target, limits)
            self._names.add(str(target))
        return pool

    def pool_for(self, service: Service, endpoint: Endpoint) -> Pool:
        """Return the pool for one of a service's endpoints, as the service wants it.

        The same wishes for the same address give the same pool, whichever service has them.
        Raise ValueError for an address, a certificate or a protocol that cannot be used.
        """
        url, http2 = endpoint.url, service.protocol == "http2"
        policy = service.tls or TlsPolicy()
        tls = self._tls.get(policy, http2=http2) if url.startswith("https:") else None
        target = Target.parse(url, tls=tls, server_name=policy.server_name, http2=http2)
        limits = Limits(
            max_connections=service.max_connections,
            idle_seconds=service.idle_seconds,
            dns_seconds=service.dns_seconds,
        )
        return self.pool(target, limits)

    def send(
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
    ) -> Coroutine[Any, Any, Response]:
        """Send one request as `Pool.send` does, to a pool or to the one of a target."""
        pool = self.pool(upstream) if isinstance(upstream, Target) else upstream
        return pool.send(
            method,
            path,
            headers,
            body,
            deadline=deadline,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )

    async def retain(self, pools: Collection[Pool], grace: float = 0.0) -> None:
        """Close every pool but these; what is in flight there may finish within `grace` seconds."""
        gone = {key: pool for key, pool in self._pools.items() if pool not in pools}
        for key in gone:
            del self._pools[key]
        await asyncio.gather(*(pool.aclose(grace) for pool in gone.values()))

    async def aclose(self, grace: float = 0.0) -> None:
        """Refuse new requests, wait up to `grace` seconds for those in flight, close everything."""
        await asyncio.gather(*(pool.aclose(grace) for pool in self._pools.values()))


def _new_pool(target: Target, limits: Limits) -> Pool:
    if not target.http2:
        return Http1Pool(target, limits)
    try:
        from gateline.edge.upstream.http2 import Http2Pool
    except ModuleNotFoundError as error:
        msg = f"HTTP/2 to {target} needs a library: pip install 'gateline[http2]'"
        raise ValueError(msg) from error
    return Http2Pool(target, limits)
