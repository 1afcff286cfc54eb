"""The edge in a process of its own, the services behind it, and people to ask as."""

from edge_fixtures import (
    edge,
    every_service,
    metrics_folder,
    people,
    refusing_edge,
    services,
    strict_edge,
)

__all__ = [
    "edge",
    "every_service",
    "metrics_folder",
    "people",
    "refusing_edge",
    "services",
    "strict_edge",
]
