"""Every key of a document has the line in which it stands."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateline.shared.gateway.positions import Location, positions

DOCUMENT = '''\
# a comment with [brackets] and "quotes"
[gateway]
allowed_hosts = [
  "a.example",  # one
  "b]\\"x",
]
[services.shop]
url = "http://shop"
retries = { attempts = 3, statuses = [502,
  503] }
env."A.B" = """
[not.a.table]
"""
"a key" = 2026-11-22 10:00:00

[[routes]]
path = '/a'
[routes.headers]
X = "1"

[[routes]]
path = "/b"
cors.origins = []
'''


def test_lines_of_a_document() -> None:
    """Tables, arrays of tables, inline tables, dotted keys and long strings are all found."""
    found = positions(DOCUMENT)

    expected: dict[Location, int] = {
        ("gateway", "allowed_hosts", 0): 4,
        ("gateway", "allowed_hosts", 1): 5,
        ("services", "shop"): 7,
        ("services", "shop", "retries", "statuses", 1): 10,
        ("services", "shop", "env", "A.B"): 11,
        ("services", "shop", "a key"): 14,
        ("routes", 0): 16,
        ("routes", 0, "headers", "X"): 19,
        ("routes", 1): 21,
        ("routes", 1, "cors", "origins"): 23,
    }
    assert {location: found[location] for location in expected} == expected


def test_what_is_lost_does_not_hurt() -> None:
    """Where the text is no TOML, what was found before stays."""
    assert positions("a = 1\nb 2\nc = 3") == {("a",): 1, ("b",): 2}


def _written(value: Any, draw: st.DrawFn) -> str:
    """Write a value as TOML, with breaks and comments where they may stand."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_written(one, draw)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        gap = draw(st.sampled_from(("", "\n", " # ]\n ")))
        return "[" + ",".join(gap + _written(one, draw) for one in value) + gap + "]"
    return value if isinstance(value, str) else str(value).lower()


SCALARS = st.sampled_from(
    ("1", "-1.5e3", "true", '"a # ] }"', "'\"'", '"""\n[x]\n"""', "1979-05-27T07:32:00Z", '"\\""')
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("a", "b", "c")), inner, max_size=2)
    ),
    max_leaves=5,
)


@st.composite
def _documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    tables = draw(st.lists(st.sampled_from(("[x.y]", "[z]", "[[r]]", "[[r]]")), max_size=4))
    for number, heading in enumerate(tables):
        if heading != "[[r]]" and heading in tables[:number]:
            continue
        lines.append(heading)
        keys = draw(st.lists(st.sampled_from(("k", '"q r"', "s")), unique=True))
        lines.extend(f"{key} = {_written(draw(VALUES), draw)} # end" for key in keys)
        lines.extend([""] * draw(st.integers(0, 2)))
    return "\n".join(lines)


def _ways(value: Any, way: Location = ()) -> Iterator[Location]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*way, key)
            yield from _ways(inner, (*way, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*way, index)
            yield from _ways(inner, (*way, index))


@given(text=_documents())
def test_everything_that_toml_reads_has_a_line(text: str) -> None:
    """No key or item of a valid document is without a place, and its line names it."""
    found = positions(text)
    lines = text.splitlines()

    for way in _ways(tomllib.loads(text)):
        if way == ("r",):
            continue  # the list itself stands nowhere, its items do
        assert way in found, (way, text)
        if isinstance(way[-1], str):
            assert way[-1] in lines[found[way] - 1]
