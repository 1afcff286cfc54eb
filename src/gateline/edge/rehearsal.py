"""Build what a plan describes, and throw it away: what the edge would refuse is known before.

Nothing is connected and nothing that serves is touched.
"""

from collections.abc import Iterable, Iterator

from gateline.edge.composition import own_routes
from gateline.edge.gateway import compile_plan
from gateline.edge.upstream import Client
from gateline.policy.services import Service
from gateline.shared.gateway import GatewayPlan

Fault = tuple[tuple[str, ...], str]
"""What cannot be built, by its place in the file, and why."""


def faults(plan: GatewayPlan, services: Iterable[Service]) -> Iterator[Fault]:
    """Return what of a plan, and of these of its services, the edge could not build."""
    client = Client()
    for service in services:
        try:
            for endpoint in service.endpoints:
                client.pool_for(service, endpoint)
        except ValueError as error:
            yield ("services", service.name), str(error)
    try:
        compile_plan(plan, own_routes(plan))
    except ValueError as error:
        yield ("routes",), str(error)
