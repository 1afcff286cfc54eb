"""A document that is read route by route says what it says when it is read in one go."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.shared.gateway import toml

MANY = "".join(f'[[routes]]\npath = "/{number}"\n' for number in range(10))

LINES = (
    "[[routes]]",
    "[[routes]]",
    "[[routes]] # a comment",
    " [[routes]]",
    "[[routes]] = 1",
    "[[routes.inner]]",
    "[routes.headers]",
    "[routes]",
    "routes = []",
    "routes.a = 1",
    "[gateway]",
    "[services.shop]",
    "[services.cart]",
    "[services]",
    "[[services]]",
    'path = "/a"',
    "a = 1",
    "headers.b = 2",
    "headers = { c = 3 }",
    "text = '''",
    '"""',
    "list = [",
    "1, 2]",
    "",
)


def read(text: str, how: Any) -> Any:
    """Return what a document says, or what is wrong with it."""
    try:
        return how(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)


@given(st.lists(st.sampled_from(LINES), max_size=14), st.sampled_from(["\n", "\r\n"]))
def test_parts_say_what_the_whole_says(lines: list[str], end: str) -> None:
    """Whatever stands between the headings, and however wrong it is."""
    text = end.join(lines)
    assert read(text, toml.loads) == read(text, tomllib.loads)


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_long_documents_too(lines: list[str]) -> None:
    """What stands after some parts changes nothing of them, or is read together with them."""
    text = "[gateway]\n" + MANY + "\n".join(lines) + "\n" + MANY
    assert read(text, toml.loads) == read(text, tomllib.loads)


@pytest.mark.parametrize(
    ("text", "is_apart"),
    [
        ("[gateway]\nplatform = false\n" + MANY, True),
        ("[gateway]\n" + MANY + '[services.shop]\nurl = "http://shop"\n', True),
        ("[services.a]\n" + MANY + "[services.b]\n", False),
        ("a = '''\n" + MANY + "'''\n", False),
        ("routes = []\n" + MANY, False),
    ],
)
def test_what_can_be_read_apart_is(
    text: str, is_apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tables are shared or a text goes on, the document is read in one go."""
    read_whole: list[bool] = []
    loads = tomllib.loads

    def noted(part: str) -> dict[str, Any]:
        read_whole.append(part == text)
        return loads(part)

    monkeypatch.setattr(tomllib, "loads", noted)
    read(text, toml.loads)
    assert any(read_whole) is not is_apart
