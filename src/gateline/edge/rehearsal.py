"""Build the services of a file, and throw them away: what the edge would refuse is known before.

Nothing is connected and nothing that serves is touched.
"""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Final

from gateline.edge.upstream import Client
from gateline.policy.services import Service
from gateline.shared.gateway import FileProblem
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.source import Source
from gateline.shared.pacing import in_portions

_HTTP2: Final = "h2"


def problems(source: Source, services: Iterable[Service]) -> Iterator[FileProblem]:
    """Return what of a file's own services the edge could not build, by line and field."""
    client = Client()
    written = source.values.get("services", {})
    for service in in_portions(services):
        if service.name in written:
            at: Location = ("services", service.name)
            yield from _problems(source, at, service, client)


def _problems(
    source: Source, at: Location, service: Service, client: Client
) -> Iterator[FileProblem]:
    if service.protocol == "http2" and find_spec(_HTTP2) is None:
        remedy = "pip install 'gateline[http2]'"
        message = "needs a library that is not installed here"
        yield source.problem((*at, "protocol"), message, remedy)
        return
    for endpoint in service.endpoints:
        try:
            client.pool_for(service, endpoint)
        except ValueError as error:
            yield source.problem(at, f"cannot be built: {error}", "mend what is named here")
            return
