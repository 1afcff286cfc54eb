"""One version of the gateway: everything that requests are decided by, compiled whole from a plan.

A request takes the version that is current when it comes in and keeps it to its end, so it never
sees half of one and half of another.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateline.edge.collaborators import Cache, Credentials, Limits, Sockets
from gateline.edge.upstreams import Upstream, Upstreams
from gateline.policy.clients import Network
from gateline.policy.cors import CorsPolicy
from gateline.policy.reasons import Reason
from gateline.policy.routes import Route, RouteTable
from gateline.shared.gateway import MOST_HEADERS, GatewayPlan
from gateline.shared.pacing import in_portions

_NO_CORS: Final = CorsPolicy()


@dataclass(frozen=True, slots=True)
class Door:
    """What the edge decides by: routes, allowed hosts, and whom it believes and lets read.

    `speaks_cors` tells that some origin may read something; `slashes_in_segments` that some route
    takes paths with `%2F`.
    """

    routes: RouteTable
    allowed_hosts: Collection[str] = ()
    trusted_origins: Collection[str] = ()
    trusted_proxies: Collection[Network] = ()
    cors: CorsPolicy = _NO_CORS
    most_headers: int = MOST_HEADERS
    speaks_cors: bool = False
    slashes_in_segments: bool = False


@dataclass(frozen=True, slots=True)
class Special:
    """What only few routes ask for at the door, so that all others pay one look-up for it.

    `verdicts` remembers what the route's address lists say: they may be long. `lends_session` tells
    that the service sees the session's cookie although the route asks for nobody.
    """

    route: Route
    trusted_origins: Collection[str]
    guards_addresses: bool
    lends_session: bool
    verdicts: dict[str, Reason | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lasting:
    """What outlives a version of the gateway; a maker that is None leaves its part out.

    A maker may return None when the plan has no use for its part.
    """

    upstreams: Upstreams
    credentials: Callable[[GatewayPlan], Credentials | None] | None = None
    cache: Callable[[GatewayPlan], Cache | None] | None = None
    sockets: Sockets | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Gateway:
    """One compiled version; `since` is epoch seconds, `special` goes by route name."""

    plan: GatewayPlan
    door: Door
    upstreams: Mapping[str, Upstream]
    special: Mapping[str, Special]
    credentials: Credentials | None = None
    limits: Limits | None = None
    cache: Cache | None = None
    sockets: Sockets | None = None
    since: float = field(default_factory=time.time)

    def trusted_origins(self, route: Route | None) -> Collection[str]:
        """Return the origins whose pages may send requests of a route with a cookie."""
        special = self.special.get(route.name) if route is not None else None
        return (special or self.door).trusted_origins


@dataclass(frozen=True, slots=True)
class Compiled:
    """What of a version takes long to make and touches nothing that lasts."""

    door: Door
    special: Mapping[str, Special]
    limits: Limits | None = None


def compile_plan(
    plan: GatewayPlan,
    own: Iterable[Route] = (),
    limits: Callable[[GatewayPlan], Limits | None] | None = None,
) -> Compiled:
    """Compile a plan, in any thread; `own` are the edge's own routes.

    `limits` makes what decides the limits of the plan's routes, where somebody counts.
    Raises ValueError when two routes claim the same requests.
    """
    routes = (*own, *plan.routes)
    door = _door(plan, routes)
    special = _special(routes, door.trusted_origins)
    return Compiled(door, special, limits(plan) if limits is not None else None)


def build(plan: GatewayPlan, compiled: Compiled, lasting: Lasting) -> Gateway:
    """Make the version, in the event loop that will serve it. What serves is not touched.

    Raises ValueError for an address or a certificate that cannot be used.
    """
    return Gateway(
        plan=plan,
        door=compiled.door,
        upstreams=lasting.upstreams.build(plan.services, plan.retry_budget),
        special=compiled.special,
        credentials=lasting.credentials(plan) if lasting.credentials is not None else None,
        limits=compiled.limits,
        cache=lasting.cache(plan) if lasting.cache is not None else None,
        sockets=lasting.sockets,
    )


def _door(plan: GatewayPlan, routes: tuple[Route, ...]) -> Door:
    return Door(
        RouteTable(in_portions(routes)),
        allowed_hosts=frozenset(plan.allowed_hosts),
        trusted_origins=_trusted(plan.cors),
        trusted_proxies=plan.trusted_proxies,
        cors=plan.cors,
        most_headers=plan.max_header_count,
        speaks_cors=bool(plan.cors.origins) or any(route.cors is not None for route in routes),
        slashes_in_segments=any(route.encoded_slashes for route in routes),
    )


def _trusted(cors: CorsPolicy) -> Collection[str]:
    """Return the origins that may send requests with a cookie: those that may read the answers."""
    return cors.origins - {"*"} if cors.credentials else frozenset()


def _special(routes: Iterable[Route], trusted: Collection[str]) -> dict[str, Special]:
    return {
        route.name: Special(
            route,
            trusted if route.cors is None else _trusted(route.cors),
            bool(route.allow_ips or route.deny_ips),
            _lends_session(route),
        )
        for route in routes
        if route.cors is not None
        or route.allow_ips
        or route.deny_ips
        or route.redirect is not None
        or _lends_session(route)
    }


def _lends_session(route: Route) -> bool:
    return route.share_cookie and route.auth == "none"
