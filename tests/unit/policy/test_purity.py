"""`gateline.policy` decides from plain values: it imports nothing that could do anything else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateline.policy

MODULES = sorted(Path(gateline.policy.__path__[0]).rglob("*.py"))
# What would bring in the network, files, the clock or the environment.
ACTING = {"asyncio", "os", "pathlib", "socket", "subprocess", "threading", "time", "urllib.request"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_stands_on_the_standard_library_alone(path: Path) -> None:
    """Every import, wherever it stands in the module, is of `policy` or the standard library."""
    for name in _imported(path):
        top = name.partition(".")[0]
        assert top in sys.stdlib_module_names or name.startswith("gateline.policy"), name
        assert name not in ACTING, name


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            yield node.module or ""
