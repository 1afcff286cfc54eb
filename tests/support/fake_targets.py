"""Targets without connections, which answer as a test tells them."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from edge_exchange import Answered, exchange_for

from gateline.edge.exchange import Exchange
from gateline.edge.upstream import Pool, Response, UpstreamError
from gateline.edge.upstreams import Target, Upstream
from gateline.edge.upstreams.probing import Prober
from gateline.policy.breakers import Breaker
from gateline.policy.ejection import HealthTally, Outlier
from gateline.policy.services import Endpoint, ProbePolicy, Service

Result = Response | UpstreamError
Behaviour = Callable[[], Result]


class FakePool:
    """Says how many requests are in flight; that is all that a balancer asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_use = 0

    def __str__(self) -> str:
        return self.name


class FakeProber:
    """Finds the targets in `ill` ill; remembers whom it was asked about."""

    def __init__(self) -> None:
        self.ill: set[str] = set()
        self.asked: list[str] = []

    async def is_well(self, target: Target, policy: ProbePolicy) -> bool:
        """Tell whether the target is not in `ill`."""
        del policy
        self.asked.append(target.name)
        return target.name not in self.ill

    async def reaches(self, service: Service, target: Target) -> bool:
        """Tell whether the target is not in `ill`."""
        del service
        self.asked.append(target.name)
        return target.name not in self.ill


def service_of(names: Iterable[str] = ("a", "b", "c", "d"), **more: Any) -> Service:
    """Return a service with targets of these names, `name*weight` for another weight than 1."""
    parts = [name.partition("*") for name in names]
    endpoints = tuple(Endpoint(name, int(weight or 1)) for name, _, weight in parts)
    return Service("shop", endpoints, **more)


def upstream_of(
    service: Service, *, prober: Prober | None = None, draws: Iterable[float] = ()
) -> Upstream:
    """Return the service's upstream over fake pools; `draws` are drawn in turn, then 0."""
    several = len(service.endpoints) > 1
    targets = [
        Target(
            endpoint.url,
            cast("Pool", FakePool(endpoint.url)),
            endpoint.weight,
            Outlier(service.ejection) if service.ejection is not None and several else None,
            HealthTally(service.probe) if service.probe is not None else None,
        )
        for endpoint in service.endpoints
    ]
    drawn = iter(draws)
    return Upstream(
        service,
        targets,
        breaker=Breaker(service.breaker) if service.breaker is not None else None,
        prober=prober,
        draw=lambda: next(drawn, 0.0),
    )


def set_load(target: Target, in_use: int) -> None:
    """Let a target have this many requests in flight."""
    cast("FakePool", target.pool).in_use = in_use


def a_request(**known: Any) -> Exchange:
    """Return some exchange."""
    return exchange_for(Answered(), **known)
