"""What is written about the file is what the file may hold."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it has no types
from tests.unit.shared.gateway.test_loading import FULL, SMALL

from gateline.shared.gateway.checking import check
from gateline.shared.gateway.model import GatewayFile
from gateline.shared.gateway.reference import (
    SCHEMA_FILE,
    TableReference,
    reference,
    schema,
    schema_text,
)
from gateline.shared.gateway.source import Source
from gateline.shared.gateway.tables import Table


@pytest.fixture(scope="module")
def validator() -> Any:
    """Give what an editor checks with."""
    made = schema()
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


@pytest.mark.parametrize("text", [SMALL, FULL, "", 'routes = []\n[services.a]\nurl = "unix:///a"'])
def test_an_editor_takes_what_the_gateway_takes(validator: Any, text: str) -> None:
    """Shorthands, durations and sizes are in the schema too."""
    assert [error.message for error in validator.iter_errors(tomllib.loads(text))] == []


def test_an_editor_takes_the_example_of_the_readme(validator: Any) -> None:
    """And the gateway too: who copies it has a file that works."""
    readme = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    examples = [text for text in blocks if "routes" in text]

    assert examples
    for text in examples:
        assert [error.message for error in validator.iter_errors(tomllib.loads(text))] == []
        assert check(Source.parse(text, Path("gateline.toml"))).errors == ()


@pytest.mark.parametrize(
    "text",
    [
        "[gateway]\nplatfrm = true",
        "[services.a]\ntimeout = 'long'",
        "[[routes]]\nservice = 'a'",
        "[[routes]]\npath = '/a'\nauth = 'never'",
        "[[routes]]\npath = '/a'\nrate_limit = 600",
    ],
)
def test_an_editor_sees_what_is_wrong(validator: Any, text: str) -> None:
    """Unknown names, wrong kinds and missing settings are underlined while one types."""
    assert list(validator.iter_errors(tomllib.loads(text)))


def test_the_schema_that_is_shipped_is_this_one() -> None:
    """Whoever changes the models runs `make docs`."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("table", reference(), ids=lambda table: table.heading)
def test_every_setting_has_a_sentence(table: TableReference) -> None:
    """And what it is without it, or an example, or both."""
    assert table.description.endswith(".")
    for field in table.fields:
        assert field.description.endswith("."), field
        assert field.default or field.example or field.name == "tls", field


def test_every_example_is_right() -> None:
    """What the reference shows can be copied into a file."""
    defaults = {"service": 'service = "shop"', "sha256": f'sha256 = "{"0" * 64}"'}
    for table in reference():
        lines = [field.example or defaults.get(field.name, "") for field in table.fields]
        assert tomllib.loads("\n".join(filter(None, lines))) is not None, table


def test_every_table_is_documented() -> None:
    """No model is without its place in the reference."""
    assert len(reference()) == len(Table.__subclasses__()) - 1  # the file itself is the page
    assert set(GatewayFile.model_fields) == {"gateway", "services", "routes", "issuers", "api_keys"}
