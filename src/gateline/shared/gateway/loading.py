"""Load the plan: the platform's own, and the file's where there is one."""

from gateline.policy.cors import CorsPolicy
from gateline.shared.config import Settings
from gateline.shared.gateway.plan import BUILT_IN, GatewayPlan
from gateline.shared.routing import platform_routes, platform_services


def load_plan(settings: Settings, *, text: str | None = None) -> GatewayPlan:
    """Return the plan of GATELINE_CONFIG, or the platform's own when that file does not exist.

    `text` is taken for what stands in the file, which is not read then: whoever watches the file
    decides by the very text that it saw. Raises GatewayFileError, which lists every problem.
    """
    del text  # no file is read yet
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
