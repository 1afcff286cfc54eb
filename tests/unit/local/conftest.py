"""Fixtures of the tests of one machine."""

from collections.abc import Iterator

import pytest

from gateline.local.ports import reserve


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Give a port that nobody listens on, held for the test."""
    with reserve("127.0.0.1") as holder:
        yield int(holder.getsockname()[1])
