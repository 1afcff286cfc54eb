"""A part of the store of our own: edges of other tests tell about themselves all the time."""

import pytest

from gateline.local.engines import Valkey

DATABASE = 11


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """Give the address of a database that nobody else writes to."""
    return valkey.url(DATABASE)
