"""Fixtures that every test may use: real engines, one of each per session."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from running_platform import RunningPlatform, start_platform

from gateline.local.engines import Postgres, Valkey, running

# What a machine is busy with besides is nothing that an example can fail for.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# One client makes all the requests of a session; the tests of the limits set their own.
_ROOMY = {
    "RATE_LIMIT_DEFAULT": "100000/minute",
    "EDGE_RATE_LIMIT": "100000/minute",
    "LOGIN_RATE_LIMIT": "10000/minute",
}

# Longest first: what is begun last is what one worker is left with while the others are done.
_LONG = (
    "test_schemathesis",
    "test_supervisor",
    "test_pages",
    "test_containers",
    "test_outbox",
    "test_control_room",
    "test_kills_under_load",
    "test_document_2",
    "test_readme",
    "test_forms",
    "test_settings_at_work",
)
_RANKS = {name: rank for rank, name in enumerate(_LONG)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the others stay in their random order."""
    items.sort(key=lambda item: _RANKS.get(item.path.stem, len(_LONG)))


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """Fail a test that leaves variables behind: the processes of later ones would inherit them."""
    before = _environment()
    yield
    after = _environment()
    assert after == before, f"changed by the test: {dict(after.items() ^ before.items())}"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


@pytest.fixture(scope="session")
def engine_folder() -> Iterator[Path]:
    """Give a short folder for the engines' files; pytest's own is closed to other accounts."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(engine_folder: Path) -> Iterator[Postgres]:
    """Run an embedded PostgreSQL; speed over durability, its data end with the session."""
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    engine = Postgres(engine_folder / "postgres", engine_folder / "run-postgres", options=fast)
    with running(engine):
        yield engine


@pytest.fixture(scope="session")
def valkey(engine_folder: Path) -> Iterator[Valkey]:
    """Run an embedded Valkey."""
    engine = Valkey(engine_folder / "valkey", engine_folder / "run-valkey")
    with running(engine):
        yield engine


@pytest.fixture(scope="session")
def database_url(postgres: Postgres) -> str:
    """Give the address of a fresh, empty database."""
    return postgres.create_database("gateline_test")


@pytest.fixture(scope="session")
def redis_url(valkey: Valkey) -> str:
    """Give the address of an empty Valkey database."""
    return valkey.url()


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    """Run the whole platform as `gateline up` does, once for the session."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-platform-"))
    running_platform = start_platform(folder, environment=_ROOMY)
    yield running_platform
    running_platform.stop()
    shutil.rmtree(folder, ignore_errors=True)
