"""Fixtures that every test may use: real engines, one of each per session."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from running_platform import RunningPlatform, start_platform
from xdist.scheduler import LoadFileScheduling

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
# Not a secret: the data folder ends with the tests.
MORTAL_PASSWORD = "one-password-for-all-of-them"

# Files that share what is costly to start: the platform of the session, or one that is hurt.
_TOGETHER = {
    "contract": (
        "contract/test_clinic.py",
        "contract/test_document_0.py",
        "contract/test_document_1.py",
        "contract/test_document_2.py",
        "contract/test_document_3.py",
        "contract/test_document_4_admin.py",
        "contract/test_document_4_live.py",
        "contract/test_document_4_retail.py",
        "contract/test_documents_in_code.py",
        "contract/test_every_printed_request.py",
        "contract/test_own_service.py",
        "contract/test_settings_at_work.py",
    ),
    "pages": (
        "e2e/test_control_room.py",
        "e2e/test_forms.py",
        "e2e/test_pages.py",
        "faults/test_pages_degrade.py",
    ),
    "mortal": (
        "e2e/test_schemathesis.py",
        "faults/test_kills_under_load.py",
        "faults/test_supervisor.py",
    ),
}
_GROUPS = {file: group for group, files in _TOGETHER.items() for file in files}

# Longest first: what is begun last is what one worker is left with while the others are done.
_LONG = (
    "pages",
    "mortal",
    "faults/test_edge_reload.py",  # no platform: three that start at once are slow to come up
    "contract",
    "faults/test_outbox.py",
    "faults/test_containers.py",
    "e2e/test_readme.py",
    "unit/edge/sockets/test_plain.py",
    "unit/local/test_rolling.py",
    "unit/auth/test_routes_accounts.py",
)
_RANKS = {group: rank for rank, group in enumerate(_LONG)}

# The last of its group: what it leaves behind is rubbish.
_LITTERS = "e2e/test_schemathesis.py"


class Together(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each file to one worker, and all files of a group."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid.partition("::")[0].removeprefix("tests/"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Keep together what shares something, where files are kept together."""
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups that take longest first; the others stay in their random order."""
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    """Search for no garbage among the thousands of tests and their modules: they are to stay."""
    gc.collect()
    gc.freeze()


def _place(item: pytest.Item) -> tuple[int, bool]:
    file = item.path.relative_to(Path(__file__).parent).as_posix()
    return _RANKS.get(_group(file), len(_LONG)), file == _LITTERS


def _group(file: str) -> str:
    """Return the group of a file, given below `tests`; a file alone is one."""
    return _GROUPS.get(file, file)


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
    yield from _run_platform("gateline-platform-", _ROOMY)


@pytest.fixture(scope="session")
def mortal_platform() -> Iterator[RunningPlatform]:
    """Run one platform for all tests that kill parts of it or fill it with rubbish.

    Each of them waits until it has healed.
    """
    told = {"SERVICE_RATE_LIMIT": "100000/minute", "GATELINE_SAMPLE_PASSWORD": MORTAL_PASSWORD}
    yield from _run_platform("gateline-mortal-", {**_ROOMY, **told})


def _run_platform(prefix: str, told: Mapping[str, str]) -> Iterator[RunningPlatform]:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    running_platform = start_platform(folder, environment=told)
    yield running_platform
    running_platform.stop()
    shutil.rmtree(folder, ignore_errors=True)
