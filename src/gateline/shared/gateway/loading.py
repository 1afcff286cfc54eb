"""Load the plan: the platform's own, and the file's where there is one."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateline.policy.cors import CorsPolicy
from gateline.policy.services import RetryBudget, Service
from gateline.shared.gateway import building, upstreams
from gateline.shared.gateway.apps import with_addresses
from gateline.shared.gateway.checking import Checked, check
from gateline.shared.gateway.plan import BUILT_IN, GatewayPlan
from gateline.shared.gateway.problems import GatewayFileError
from gateline.shared.gateway.source import Source
from gateline.shared.routing import beside, platform_routes, platform_services

if TYPE_CHECKING:
    from gateline.shared.config import Settings

_NAMED: Final = "gateline_config"


def load_plan(settings: "Settings") -> GatewayPlan:
    """Return the plan of GATELINE_CONFIG, or the platform's own when there is no such file.

    Raises GatewayFileError, which lists every problem of the file; a file that was named and is
    not there is one.
    """
    path = settings.gateline_config
    if _NAMED not in settings.model_fields_set and not path.exists():
        return _built_in(settings)
    return plan_of(Source.read(path), settings)


def plan_of(source: Source, settings: "Settings") -> GatewayPlan:
    """Return the plan that a file describes, with what settings say on top."""
    checked = check(source)
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
    most = settings.max_body_bytes
    return GatewayPlan(
        path=source.path.absolute(),
        version=source.version,
        services=_services(checked, source.folder, settings),
        routes=checked.built
        if not gateway.platform
        else beside(checked.built, samples=gateway.samples),
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
