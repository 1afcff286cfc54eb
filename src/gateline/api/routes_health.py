"""/api/health: the service's health at its documented address."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateline.shared.declarations import answers
from gateline.shared.health import HealthOut, report
from gateline.shared.middleware.rate_limiter import PROBES, address_key, limit

health = Blueprint("api_health", __name__)


@health.get("/api/health")
@answers(200, HealthOut)
@answers(503, HealthOut, "Something that is needed is away.")
@limit(PROBES, key=address_key)
def read_health() -> ResponseReturnValue:
    """Tell status, timestamp and version; 503 when something that is needed is away."""
    return report()
