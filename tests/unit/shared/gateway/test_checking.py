"""Whatever stands in a file, it is judged and nothing breaks."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.shared.gateway.checking import check
from gateline.shared.gateway.model import ApiKeyEntry, GatewayEntry, IssuerEntry
from gateline.shared.gateway.route_model import RouteEntry
from gateline.shared.gateway.service_model import ServiceEntry
from gateline.shared.gateway.source import Source
from gateline.shared.gateway.tables import Table

PATH = Path("gateline.toml")
WORDS = "a /a /a/* /{x} /{x http://a http://[ unix:///a 5s 5/minute * ::1 GET session key X-A"
TEXTS = st.sampled_from((*WORDS.split(), "a:b", "{path}", "=", "", "é", "\x00", "a\nb", "a\rb"))
VALUES = st.recursive(
    TEXTS | st.integers(-1, 600) | st.booleans() | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _table(model: type[Table]) -> st.SearchStrategy[Any]:
    """Draw a table with some of a model's names and any values, or something else."""
    names = st.sampled_from((*model.model_fields, "unknown"))
    return st.dictionaries(names, VALUES, max_size=6) | VALUES


FILES = st.fixed_dictionaries(
    {},
    optional={
        "gateway": _table(GatewayEntry),
        "services": st.dictionaries(TEXTS, _table(ServiceEntry), max_size=2) | VALUES,
        "routes": st.lists(_table(RouteEntry), max_size=3) | VALUES,
        "issuers": st.dictionaries(TEXTS, _table(IssuerEntry), max_size=2) | VALUES,
        "api_keys": st.lists(_table(ApiKeyEntry), max_size=2) | VALUES,
        "other": VALUES,
    },
)


@given(values=FILES)
def test_nothing_that_toml_can_say_breaks_the_check(values: dict[str, Any]) -> None:
    """Each problem has a place, a message and a remedy, whatever was written."""
    checked = check(Source(PATH, "", values))

    for problem in (*checked.errors, *checked.warnings):
        assert problem.line == 1
        assert problem.field
        assert problem.message
        assert problem.remedy
        assert str(problem).startswith("gateline.toml:1: ")
        assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("gateway = 5", "gateway"),
        ("routes = [1]", "routes[1]"),
        ("[services]\nshop = 5", "services.shop"),
        ("api_keys = 'none'", "api_keys"),
    ],
)
def test_a_table_that_is_none(text: str, field: str) -> None:
    """What should be a table and is not is named itself."""
    errors = check(Source.parse(text, PATH)).errors

    assert [error.field for error in errors] == [field]
    assert "table" in errors[0].message


def test_what_is_wrong_hides_nothing_else() -> None:
    """A wrong service is known by name, so its routes are not wrong for it."""
    text = "[services.shop]\nurl = 5\n[[routes]]\npath = '/a'\nservice = 'shop'\n"

    assert [error.field for error in check(Source.parse(text, PATH)).errors] == [
        "services.shop.url"
    ]


@pytest.mark.parametrize(("protocol", "takes"), [("http1", True), ("http2", False)])
def test_services_that_speak_http2_take_no_websockets(protocol: str, takes: bool) -> None:
    """Their routes refuse them at the door, since an upgrade begins in HTTP/1.1."""
    service = f"[services.shop]\nurl = 'http://shop'\nprotocol = '{protocol}'\n"
    route = "[[routes]]\npath = '/a'\nservice = 'shop'\n"

    assert [one.websocket for one in check(Source.parse(service + route, PATH)).built] == [takes]


def test_a_problem_is_one_line() -> None:
    """What a person wrote is shown, but neither breaks a line nor drives a terminal."""
    text = '[[routes]]\npath = "\\u001b[2J\\napi"\nredirect = "/b"\n'
    (error,) = check(Source.parse(text, PATH)).errors

    assert str(error).isprintable()
    assert error.remedy == r'write "/\x1b[2J\napi"'
