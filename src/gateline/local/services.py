"""The services that one machine runs, and the variables that tell the others where they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gateline.local.errors import LocalError


@dataclass(frozen=True, slots=True)
class ServiceProgram:
    """How to serve one service: `target` names its `create_app`.

    The target of a `worker` serves by itself, and answers HTTP only to be asked for its health.
    """

    name: str
    target: str
    interface: Literal["asgi", "wsgi", "worker"] = "wsgi"
    url_variables: tuple[str, ...] = ()
    port: int = 5000
    part: Literal["gateway", "platform", "samples"] = "platform"

    def is_wanted(self, *, platform: bool, samples: bool) -> bool:
        """Tell whether a gateway with or without the platform and the samples needs it."""
        return self.part == "gateway" or (platform if self.part == "platform" else samples)


_CLINIC_VARIABLES = (
    "DOCTOR_SERVICE_URL",
    "PATIENT_SERVICE_URL",
    "INSTITUTION_SERVICE_URL",
    "ADMIN_SERVICE_URL",
)
_RETAIL_VARIABLES = ("USER_SERVICE_URL", "EDGE_PROCESSOR_URL")

# In the order in which they stop; the edge goes first so that nothing new comes in.
SERVICES: Mapping[str, ServiceProgram] = MappingProxyType(
    {
        service.name: service
        for service in (
            ServiceProgram("edge", "gateline.edge:create_app", "asgi", port=8000, part="gateway"),
            ServiceProgram("web", "gateline.web:create_app", url_variables=("WEB_SERVICE_URL",)),
            ServiceProgram(
                "clinic",
                "gateline.sample.clinic:create_app",
                url_variables=_CLINIC_VARIABLES,
                part="samples",
            ),
            ServiceProgram(
                "retail",
                "gateline.sample.retail:create_app",
                url_variables=_RETAIL_VARIABLES,
                part="samples",
            ),
            ServiceProgram("api", "gateline.api:create_app", url_variables=("API_SERVICE_URL",)),
            ServiceProgram("jobs", "gateline.api.jobs:serve", "worker", port=5001),
            ServiceProgram("auth", "gateline.auth:create_app", url_variables=("JWT_SERVICE_URL",)),
        )
    }
)


def service_named(name: str) -> ServiceProgram:
    """Find a service; raise LocalError listing the names there are."""
    try:
        return SERVICES[name]
    except KeyError:
        known = ", ".join(sorted(SERVICES))
        raise LocalError(f"There is no service {name!r}; there are: {known}.") from None
