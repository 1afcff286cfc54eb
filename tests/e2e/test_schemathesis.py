"""The platform holds to its own OpenAPI document: 2,000 made-up requests through the edge."""

import requests
from running_platform import RunningPlatform
from tests.conftest import MORTAL_PASSWORD as PASSWORD

from gateline.local.engines import wait_until

REQUESTS = 2000
SEED = 20260115
HEALED_SECONDS = 40.0


def test_every_answer_is_one_that_the_document_names(mortal_platform: RunningPlatform) -> None:
    """No made-up request, right or wrong, of anybody gets a 5xx or an answer not described."""
    from openapi_cases import People, Run, operations

    url = mortal_platform.url
    assert wait_until(lambda: requests.get(f"{url}/health", timeout=10).ok, seconds=HEALED_SECONDS)
    document = requests.get(f"{url}/openapi.json", timeout=10).json()
    assert document["x-unavailable"] == []
    run = Run(People(mortal_platform, PASSWORD))
    found = list(operations(document))
    for position, operation in enumerate(found):
        share = REQUESTS // len(found) + (position < REQUESTS % len(found))
        run.try_operation(operation, share, SEED + position)

    assert run.sent == REQUESTS
    assert not run.wrong, "\n\n".join(run.wrong.values())
    worked = {label for label, status in run.statuses if status < 400}
    assert len(worked) > len(found) * 0.7, sorted({one.label for one in found} - worked)
