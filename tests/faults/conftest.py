"""The edge in a process of its own, the services behind it, and people to ask as.

And a platform of which parts are killed.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_fixtures import (
    edge,
    every_service,
    metrics_folder,
    people,
    refusing_edge,
    services,
    strict_edge,
)
from running_platform import RunningPlatform, start_platform

__all__ = [
    "edge",
    "every_service",
    "metrics_folder",
    "people",
    "refusing_edge",
    "services",
    "strict_edge",
]

MORTAL_PASSWORD = (
    "one-password-for-all-of-them"  # not a secret: the data folder ends with the tests
)
_MORTAL = {
    "GATELINE_SAMPLE_PASSWORD": MORTAL_PASSWORD,
    "RATE_LIMIT_DEFAULT": "100000/minute",
    "LOGIN_RATE_LIMIT": "1000/minute",
}


@pytest.fixture(scope="session")
def mortal_platform() -> Iterator[RunningPlatform]:
    """Run one platform for all tests that kill something; each waits until it has healed."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-mortal-"))
    platform = start_platform(folder, environment=_MORTAL)
    yield platform
    platform.stop()
    shutil.rmtree(folder, ignore_errors=True)
