"""The gateway file `gateline.toml`: read, checked whole, and turned into one immutable plan."""

from gateline.shared.gateway.loading import load_plan
from gateline.shared.gateway.plan import MOST_HEADERS, EdgeTls, GatewayPlan
from gateline.shared.gateway.problems import FileProblem, GatewayFileError

__all__ = [
    "MOST_HEADERS",
    "EdgeTls",
    "FileProblem",
    "GatewayFileError",
    "GatewayPlan",
    "load_plan",
]
