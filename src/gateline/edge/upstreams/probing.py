"""Active health checks, and the look at a target before it is let in again."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from gateline.edge.upstream import Client, UpstreamError
from gateline.edge.upstreams.target import Target
from gateline.policy.services import ProbePolicy, Service

if TYPE_CHECKING:
    from gateline.edge.upstreams.choosing import Draw
    from gateline.edge.upstreams.upstream import Upstream


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
        until = asyncio.get_running_loop().time() + policy.timeout
        try:
            async with asyncio.timeout_at(until):  # the deadline of `send` ends with the head
                response = await self._client.send(
                    target.pool,
                    b"GET",
                    policy.path.encode("ascii"),
                    [(b"user-agent", b"gateline-health-check")],
                    deadline=until,
                    connect_timeout=policy.timeout,
                    read_timeout=policy.timeout,
                )
                await response.read()
        except (UpstreamError, TimeoutError):
            return False
        return 200 <= response.status < 400

    async def reaches(self, service: Service, target: Target) -> bool:
        """Ask for the health check's path where there is one, else open a connection."""
        if service.probe is not None:
            return await self.is_well(target, service.probe)
        try:
            await target.pool.check(asyncio.get_running_loop().time() + service.connect_timeout)
        except UpstreamError:
            return False
        return True


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
