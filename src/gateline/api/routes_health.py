"""/api/health: the service's health at its documented address."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateline.shared.health import report
from gateline.shared.middleware.rate_limiter import exempt

health = Blueprint("api_health", __name__)


@health.get("/api/health")
@exempt
def read_health() -> ResponseReturnValue:
    """Tell status, timestamp and version; 503 when something that is needed is away."""
    return report()
