"""All services of a worker, through every version of the configuration."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final

from gateline.edge.upstream import Client
from gateline.edge.upstreams.choosing import Draw
from gateline.edge.upstreams.figures import Figures
from gateline.edge.upstreams.probing import ClientProber
from gateline.edge.upstreams.slots import Slots
from gateline.edge.upstreams.target import Target
from gateline.edge.upstreams.upstream import Upstream
from gateline.policy.breakers import Breaker
from gateline.policy.ejection import HealthTally, Outlier
from gateline.policy.services import Endpoint, RetryBudget, Service

_LATECOMER_SECONDS: Final = 10.0
_STREAM_SECONDS: Final = 3600.0


class Upstreams:
    """Makes the run-time side of services; what did not change lives on in the next version.

    Connections to addresses that no version uses any more are closed: idle ones soon after, the
    others when they are done.
    """

    def __init__(self, client: Client, *, draw: Draw = random.random) -> None:
        self._client = client
        self._prober = ClientProber(client)
        self._draw = draw
        self._serving: dict[int, Upstream] = {}
        self._closing: asyncio.Task[None] | None = None
        self._figures = Figures()
        self.current: Mapping[str, Upstream] = {}

    def build(
        self, services: Mapping[str, Service], budget: RetryBudget | None = None
    ) -> dict[str, Upstream]:
        """Return the services that have an address, by name; nothing runs for new ones yet.

        Raises ValueError for an address that cannot be used.
        """
        wanted = budget or RetryBudget()
        made: dict[str, Upstream] = {}
        by_service: dict[int, Upstream] = {}
        for name, service in services.items():
            if not service.endpoints:
                continue
            known = by_service.get(id(service))
            if known is None:
                known = by_service[id(service)] = self._upstream(service, wanted)
            made[name] = known
        return made

    def settle(self, current: Mapping[str, Upstream]) -> None:
        """Serve with these from now on: start what is new, end what is not used any more.

        When one of them cannot be started, what served before serves on.
        """
        before, serving = self._serving, {id(one): one for one in current.values()}
        _start([upstream for key, upstream in serving.items() if key not in before])
        self.current, self._serving = current, serving
        gone = [upstream for key, upstream in before.items() if key not in serving]
        for upstream in gone:
            upstream.close()
        if gone:
            if self._closing is not None:
                self._closing.cancel()
            self._closing = asyncio.get_running_loop().create_task(self._close_unused())

    def publish(self) -> None:
        """Tell Prometheus how every service stands."""
        self._figures.publish(self.current.values(), asyncio.get_running_loop().time())

    async def aclose(self) -> None:
        """End everything that runs, and wait for its end."""
        ending = [task for one in self._serving.values() for task in one.tasks]
        self.settle({})
        if self._closing is not None:
            self._closing.cancel()
            ending.append(self._closing)
        await asyncio.gather(*ending, return_exceptions=True)

    async def _close_unused(self) -> None:
        # Requests that came before the change may still make their attempts.
        await asyncio.sleep(_LATECOMER_SECONDS)
        used = {target.pool for one in self._serving.values() for target in one.targets}
        await self._client.retain(used, _STREAM_SECONDS)

    def _upstream(self, service: Service, budget: RetryBudget) -> Upstream:
        before = self.current.get(service.name)
        if before is not None and service.tls is None and _wants_same(before, service, budget):
            return before  # most services of most versions: nothing to compare, nothing to make
        targets = [self._target(service, endpoint, before) for endpoint in service.endpoints]
        if before is not None and _is_same(before, service, targets, budget):
            return before
        upstream = Upstream(
            service,
            targets,
            budget=budget,
            breaker=_breaker(service, before),
            slots=_slots(service, before),
            prober=self._prober,
            draw=self._draw,
        )
        if before is not None:
            # Counters that Prometheus sees never go back.
            upstream.retries = before.retries
            upstream.retries_refused = before.retries_refused
            upstream.ejections = before.ejections
        return upstream

    def _target(self, service: Service, endpoint: Endpoint, before: Upstream | None) -> Target:
        pool = self._client.pool_for(service, endpoint)
        target = Target(
            str(pool.target),
            pool,
            endpoint.weight,
            Outlier(service.ejection) if service.ejection and len(service.endpoints) > 1 else None,
            HealthTally(service.probe) if service.probe is not None else None,
        )
        for old in before.targets if before is not None else ():
            if old.pool is pool:
                _inherit(target, old)
        return target


def _start(upstreams: Sequence[Upstream]) -> None:
    """Start all of them, or none: end those that were started before one that cannot be."""
    try:
        for upstream in upstreams:
            upstream.start()
    except BaseException:
        for upstream in upstreams:
            upstream.close()
        raise


def _is_same(
    before: Upstream, service: Service, targets: Sequence[Target], budget: RetryBudget
) -> bool:
    """Tell whether nothing changed, a renewed certificate (with new connections) included."""
    pools = [target.pool for target in targets]
    known = [target.pool for target in before.targets]
    return _wants_same(before, service, budget) and known == pools


def _wants_same(before: Upstream, service: Service, budget: RetryBudget) -> bool:
    return before.service == service and before.budget == budget


def _inherit(target: Target, old: Target) -> None:
    """Keep what was learned about a target under rules that are the same."""
    outlier, tally = target.outlier, target.tally
    if outlier and old.outlier and outlier.policy == old.outlier.policy:
        target.outlier = old.outlier
    if tally and old.tally and tally.policy == old.tally.policy:
        target.tally = old.tally


def _breaker(service: Service, before: Upstream | None) -> Breaker | None:
    if service.breaker is None:
        return None
    old = before.breaker if before is not None else None
    return old if old is not None and old.policy == service.breaker else Breaker(service.breaker)


def _slots(service: Service, before: Upstream | None) -> Slots | None:
    if service.concurrency is None:
        return None
    old = before.slots if before is not None else None
    keeps = old is not None and old.policy == service.concurrency
    return old if keeps else Slots(service.concurrency)
