"""The platform holds to its own OpenAPI document: 2,000 made-up requests through the edge."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from running_platform import RunningPlatform, start_platform

REQUESTS = 2000
SEED = 20260115
PASSWORD = "made-up-people-9"
_ROOMY = {
    "RATE_LIMIT_DEFAULT": "100000/minute",
    "LOGIN_RATE_LIMIT": "10000/minute",
    "SERVICE_RATE_LIMIT": "100000/minute",
    "GATELINE_SAMPLE_PASSWORD": PASSWORD,
}


@pytest.fixture(scope="module")
def crash_platform() -> Iterator[RunningPlatform]:
    """Run a platform that may be filled with rubbish: no other test looks at it."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-openapi-"))
    running = start_platform(folder, environment=_ROOMY)
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_every_answer_is_one_that_the_document_names(crash_platform: RunningPlatform) -> None:
    """No made-up request, right or wrong, of anybody gets a 5xx or an answer not described."""
    from openapi_cases import People, Run, operations

    document = requests.get(f"{crash_platform.url}/openapi.json", timeout=10).json()
    assert document["x-unavailable"] == []
    run = Run(People(crash_platform, PASSWORD))
    found = list(operations(document))
    for position, operation in enumerate(found):
        share = REQUESTS // len(found) + (position < REQUESTS % len(found))
        run.try_operation(operation, share, SEED + position)

    assert run.sent == REQUESTS
    assert not run.wrong, "\n\n".join(run.wrong.values())
    worked = {label for label, status in run.statuses if status < 400}
    assert len(worked) > len(found) * 0.7, sorted({one.label for one in found} - worked)
