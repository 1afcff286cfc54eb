"""What the five documents state and which tests hold it, read from `tests/`."""

import ast
import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1] / "tests"
_CONTRACT: Final = "contract"
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEFT_OUT: Final = frozenset({"skip", "skipif", "xfail"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a document; `tests` are named as in `statements.toml`."""

    id: str
    says: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document and all that it states."""

    number: int
    title: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """A test that is there; `left_out` when it is marked or made to be skipped."""

    __test__ = False  # a name that pytest would collect

    name: str
    path: str
    sentence: str
    left_out: bool


def documents() -> tuple[Document, ...]:
    """Return the documents with their statements, in order."""
    data = tomllib.loads((TESTS / _CONTRACT / "statements.toml").read_text(encoding="utf-8"))
    return tuple(
        Document(
            found["number"],
            found["title"],
            tuple(
                Statement(one["id"], one["says"], tuple(one["tests"]))
                for one in found["statements"]
            ),
        )
        for found in data["document"]
    )


@functools.cache
def collected(module: str) -> dict[str, Test]:
    """Return the tests of a module by name, none for a module that is not there.

    `test_health` is a module of `tests/contract`, `unit/web/test_health` one elsewhere.
    """
    path = TESTS / (module if "/" in module else f"{_CONTRACT}/{module}")
    file = path.with_name(f"{path.name}.py")
    if not file.is_file():
        return {}
    place = file.relative_to(TESTS.parent).as_posix()
    return {found.name: found for found in _tests_in(file, place)}


def find(named: str) -> Test | None:
    """Return the test that a statement names, None when there is none."""
    module, _, name = named.partition("::")
    return collected(module).get(name)


def _tests_in(file: Path, place: str) -> Iterator[Test]:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    functions = {node.name: node for node in body if isinstance(node, _FUNCTIONS)}
    marks = [node for node in body if isinstance(node, ast.Assign)]
    for name, node in functions.items():
        if name.startswith("test_"):
            sentence = (ast.get_docstring(node) or "").partition("\n")[0]
            fixtures = [functions[one.arg] for one in node.args.args if one.arg in functions]
            left_out = any(map(_is_left_out, [node, *fixtures, *marks]))
            yield Test(name, place, sentence, left_out)


def _is_left_out(node: ast.AST) -> bool:
    """Tell whether anything in a test or a fixture, marks included, says skip or xfail."""
    return any(
        isinstance(part, ast.Attribute) and part.attr in _LEFT_OUT and _is_pytest(part.value)
        for part in ast.walk(node)
    )


def _is_pytest(value: ast.expr) -> bool:
    return ast.unparse(value) in {"pytest", "pytest.mark"}
