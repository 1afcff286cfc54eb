"""Every statement of the documents has a test that is there and runs."""

import ast
import re
from pathlib import Path

import pytest

import contract_statements
from contract_statements import TESTS, Statement, collected, documents, find

STATEMENTS = [one for document in documents() for one in document.statements]
MODULES = sorted((TESTS / "contract").glob("test_document_*.py"))


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda one: one.id)
def test_a_statement_is_held(statement: Statement) -> None:
    """It names at least one test, each of which exists and is not skipped."""
    assert statement.tests, f"nothing holds: {statement.says}"
    for named in statement.tests:
        found = find(named)
        assert found is not None, f"there is no {named}"
        assert not found.left_out, f"{named} may be skipped"


def test_statements_are_numbered() -> None:
    """Documents 0 to 4 are there, each statement once, numbered without gaps."""
    assert [document.number for document in documents()] == [0, 1, 2, 3, 4]
    for document in documents():
        wanted = [f"D{document.number}.{place + 1}" for place in range(len(document.statements))]
        assert [one.id for one in document.statements] == wanted


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_tests_say_which_document_they_hold(path: Path) -> None:
    """The docstring of a contract test begins with its document."""
    number = path.stem.removeprefix("test_document_")[0]
    unnamed = [
        found.name
        for found in collected(path.stem).values()
        if not re.match(rf"Document {number}, .+: .+", found.sentence)
    ]
    assert unnamed == []


def test_a_skipped_test_is_seen() -> None:
    """A mark and a call both count; a word in a string does not."""

    def left_out(source: str) -> bool:
        node = ast.parse(source).body[0]
        assert isinstance(node, ast.FunctionDef)
        return contract_statements._is_left_out(node)

    assert left_out("@pytest.mark.skipif(True, reason='')\ndef test_one(): pass")
    assert left_out("def test_two():\n    pytest.skip('no')")
    assert not left_out("def test_three():\n    'pytest.skip'")
