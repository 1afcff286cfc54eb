"""Fixtures of the tests of commands."""

from pathlib import Path

import pytest
from edge_fixtures import every_service, people, services

from gateline.shared.config.settings import Settings, variables_of

__all__ = ["every_service", "own_folder", "people", "services"]


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        for variable in variables_of(field):
            monkeypatch.delenv(variable, raising=False)
    return tmp_path
