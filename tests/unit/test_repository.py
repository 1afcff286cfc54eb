"""The repository's own files: locks in step, no hidden hosts, every command explained."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime.txt", "local.txt", "dev.txt", "bench.txt")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def _names(requirements: list[Any]) -> set[str]:
    found = (NAME.match(line) for line in requirements if isinstance(line, str))
    return {match[0].lower().replace("_", "-") for match in found if match}


@pytest.fixture
def project() -> dict[str, Any]:
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_every_dependency(lock: str, project: dict[str, Any]) -> None:
    """Whoever adds a dependency runs `make lock`."""
    wanted = _names(project["project"]["dependencies"])
    if lock != "runtime.txt":
        wanted |= _names(project["project"]["optional-dependencies"]["embedded"])
    groups = project["dependency-groups"]
    if lock == "dev.txt":
        wanted |= {name for group in groups if group != "bench" for name in _names(groups[group])}
    if lock == "bench.txt":
        wanted |= _names(groups["bench"])

    assert wanted <= _names((ROOT / "requirements" / lock).read_text().splitlines())


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_locked_has_a_hash_and_no_host(lock: str) -> None:
    """What is installed is what was looked at, wherever it is fetched from."""
    text = (ROOT / "requirements" / lock).read_text()

    assert "://" not in text
    assert "index-url" not in text
    for pinned in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert re.match(r"[a-z0-9.-]+==\S+", pinned), pinned[:80]
        assert "--hash=sha256:" in pinned, pinned[:80]


def test_make_alone_explains_every_target() -> None:
    """`make` lists the words that people and CI use, one line each."""
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in shown.stdout.splitlines()}

    assert {"up", "test", "check", "fmt", "bench", "docs"} <= listed
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == listed


def test_pre_commit_fetches_nothing() -> None:
    """Hooks are the tools of `make check`, from the same lock."""
    config = (ROOT / ".pre-commit-config.yaml").read_text()

    assert re.findall(r"- repo: (\S+)", config) == ["local"]
