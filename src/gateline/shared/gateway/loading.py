"""Load the plan: the platform's own, and the file's where there is one."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateline.policy.cors import CorsPolicy
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit
from gateline.policy.routes import Route
from gateline.policy.services import RetryBudget, Service
from gateline.shared.gateway import building, upstreams
from gateline.shared.gateway.apps import with_addresses
from gateline.shared.gateway.checking import Checked, check
from gateline.shared.gateway.model import GatewayEntry
from gateline.shared.gateway.plan import BUILT_IN, GatewayPlan
from gateline.shared.gateway.problems import GatewayFileError
from gateline.shared.gateway.source import Source
from gateline.shared.pacing import in_portions
from gateline.shared.routing import beside, platform_routes, platform_services

if TYPE_CHECKING:
    from gateline.shared.config import Settings

_NAMED: Final = "gateline_config"
_LIMIT: Final = "rate_limit_default"


def load_plan(settings: "Settings", *, listens: bool = True) -> GatewayPlan:
    """Return the plan of GATELINE_CONFIG, or the platform's own when there is no such file.

    Raises GatewayFileError, which lists every problem of the file; a file that was named and is
    not there is one. Without `listens` the files of [gateway.tls] are not looked at.
    """
    path = settings.gateline_config
    if _NAMED not in settings.model_fields_set and not path.exists():
        return _built_in(settings)
    return plan_of(Source.read(path), settings, listens=listens)


def plan_of(source: Source, settings: "Settings", *, listens: bool = True) -> GatewayPlan:
    """Return the plan that a file describes, with what settings say on top.

    Without `listens` the files of [gateway.tls] are not looked at.
    """
    checked = check(source, listens=listens)
    if checked.errors:
        raise GatewayFileError(checked.errors)
    gateway = checked.gateway
    given = settings.model_fields_set
    hosts = settings.allowed_hosts if "allowed_hosts" in given else gateway.allowed_hosts
    origins = settings.cors_origins if "cors_origins" in given else gateway.cors_origins
    proxies = (
        settings.edge_trusted_proxies
        if "edge_trusted_proxies" in given
        else building.networks(gateway.trusted_proxies)
    )
    limits = _default_limits(gateway, settings)
    own = _limited(checked, limits)
    most = settings.max_body_bytes
    return GatewayPlan(
        path=source.path.absolute(),
        version=source.version,
        services=_services(checked, source.folder, settings),
        routes=own if not gateway.platform else beside(own, samples=gateway.samples),
        allowed_hosts=tuple(hosts),
        cors=CorsPolicy(frozenset(origins)),
        trusted_proxies=proxies,
        max_body_bytes=most if "max_body_bytes" in given else gateway.max_body or most,
        retry_budget=RetryBudget(gateway.retry_budget.share, gateway.retry_budget.least),
        tls=building.each(gateway.tls, lambda one: building.edge_tls(one, source.folder)),
        issuers=tuple(building.issuer(name, one) for name, one in checked.issuers.items()),
        api_keys=tuple(building.api_key(one) for one in checked.api_keys.values()),
        platform=gateway.platform,
        samples=gateway.samples,
        default_limits=limits,
        max_header_count=gateway.max_header_count,
        server_timing=gateway.server_timing,
        access_log=gateway.access_log,
        security_headers=gateway.security_headers,
        problems=checked.warnings,
    )


def _built_in(settings: "Settings") -> GatewayPlan:
    return GatewayPlan(
        path=None,
        version=BUILT_IN,
        services=platform_services(settings),
        routes=platform_routes(),
        allowed_hosts=settings.allowed_hosts,
        cors=CorsPolicy(frozenset(settings.cors_origins)),
        trusted_proxies=settings.edge_trusted_proxies,
        max_body_bytes=settings.max_body_bytes,
    )


def _services(checked: Checked, folder: Path, settings: "Settings") -> dict[str, Service]:
    timeout = settings.upstream_timeout
    own = {
        name: upstreams.service(name, entry, folder, timeout=timeout)
        for name, entry in checked.services.items()
    }
    platform = (
        platform_services(settings, samples=checked.gateway.samples)
        if checked.gateway.platform
        else {}
    )
    return {**platform, **with_addresses(own, settings)}


def _default_limits(gateway: GatewayEntry, settings: "Settings") -> tuple[LimitRule, ...]:
    """Return the limits of routes for which the file says none."""
    if gateway.rate_limit is not None and _LIMIT not in settings.model_fields_set:
        return building.limit_rules(gateway.rate_limit)
    limit = Limit.parse(settings.rate_limit_default)
    return (LimitRule(limit, limit.requests),)


def _limited(checked: Checked, limits: tuple[LimitRule, ...]) -> tuple[Route, ...]:
    """Return the file's routes, with the default limits where it says none.

    A redirect asks nobody, and costs as little as a refusal.
    """
    return tuple(
        (
            replace(route, limits=limits)
            if entry.rate_limit is None and entry.redirect is None
            else route
        )
        for route, entry in in_portions(zip(checked.built, checked.routes.values(), strict=True))
    )
