"""Serving one service."""

import os
import socket
import sys
import types

import pytest

from gateline.local import serving
from gateline.local.errors import LocalError
from gateline.local.services import SERVICES
from gateline.shared.config import ConfigError, Problem


@pytest.fixture(autouse=True)
def _untied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the process that runs the tests from being tied to its parent like a worker."""
    monkeypatch.setattr(serving, "die_with_parent", lambda _signum, _parent: None)


def test_a_taken_port_is_refused_before_anything_starts() -> None:
    """granian would share the port with whoever listens there."""  # noqa: D403 - its name
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = serving.Listen("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(LocalError, match="is taken"):
            serving.serve(SERVICES["web"], listen)


def test_a_worker_builds_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target names a module and its factory."""
    module = types.ModuleType("made_up_service")
    module.create_app = lambda: print  # type: ignore[attr-defined] # a module of the test
    monkeypatch.setitem(sys.modules, "made_up_service", module)

    assert serving.load("made_up_service:create_app", os.getppid()) is print


def test_a_wrong_configuration_ends_a_worker_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable is named; exit code 2 says that no restart will help."""

    def create_app() -> None:
        raise ConfigError([Problem("SECRET_KEY", "is not set")])

    module = types.ModuleType("made_up_service")
    module.create_app = create_app  # type: ignore[attr-defined] # a module of the test
    monkeypatch.setitem(sys.modules, "made_up_service", module)

    with pytest.raises(SystemExit) as ending:
        serving.load("made_up_service:create_app", os.getppid())
    assert ending.value.code == 2
    assert "SECRET_KEY is not set" in capsys.readouterr().err


def test_the_descriptor_limit_is_raised_to_what_is_allowed() -> None:
    """Each connection takes a descriptor."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        serving._raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
