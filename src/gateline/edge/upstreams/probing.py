"""Active health checks, and the look at a target before it is let in again."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from gateline.edge.upstream import Client, UpstreamError
from gateline.edge.upstreams.target import Target
from gateline.policy.services import ProbePolicy, Service

if TYPE_CHECKING:
    from gateline.edge.upstreams.choosing import Draw
    from gateline.edge.upstreams.upstream import Upstream

_LOOK_SECONDS: Final = 2.0
_UNAVAILABLE: Final = (502, 503, 504)


class Prober(Protocol):
    """Asks targets how they are; says no more than yes or no."""

    async def is_well(self, target: Target, policy: ProbePolicy) -> bool:
        """Tell whether the target answers the health check with 2xx or 3xx in time."""

    async def reaches(self, service: Service, target: Target) -> bool:
        """Tell whether an ejected target of the service may be tried with requests again."""


class ClientProber:
    """Asks over the client that sends the requests too."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        self._client = client

    async def is_well(self, target: Target, policy: ProbePolicy) -> bool:
        """Ask for the path of the policy."""
        status = await self._status(target, b"GET", policy.path, policy.timeout)
        return status is not None and 200 <= status < 400

    async def reaches(self, service: Service, target: Target) -> bool:
        """Ask for the health check's path where there is one, else whether anything answers.

        Taking a connection is not enough: a process that hangs does, for its kernel does.
        """
        if service.probe is not None:
            return await self.is_well(target, service.probe)
        within = min(service.timeout, _LOOK_SECONDS)
        try:
            # A new connection: one of the pool may be left over from better times.
            await target.pool.check(asyncio.get_running_loop().time() + within)
        except UpstreamError:
            return False
        status = await self._status(target, b"HEAD", "/", within)
        return status is not None and status not in _UNAVAILABLE

    async def _status(self, target: Target, method: bytes, path: str, seconds: float) -> int | None:
        """Return the status of a whole answer, None when there is none in time."""
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(until):  # the deadline of `send` ends with the head
                response = await self._client.send(
                    target.pool,
                    method,
                    path.encode("ascii"),
                    [(b"user-agent", b"gateline-health-check")],
                    deadline=until,
                    connect_timeout=seconds,
                    read_timeout=seconds,
                )
                await response.read()
        except (UpstreamError, TimeoutError):
            return None
        return response.status


async def watch(upstream: "Upstream", prober: Prober, policy: ProbePolicy, draw: "Draw") -> None:
    """Check every target of a service, each `interval` seconds, for ever."""
    # Workers, and edges, that were started together do not ask together.
    await asyncio.sleep(draw() * policy.interval)
    while True:
        wells = await asyncio.gather(
            *(prober.is_well(target, policy) for target in upstream.targets)
        )
        for target, well in zip(upstream.targets, wells, strict=True):
            upstream.note_probe(target, well)
        await asyncio.sleep(policy.interval)
