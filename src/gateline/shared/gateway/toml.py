"""Read TOML route by route, so that a long file leaves time for others between its routes."""

import re
import tomllib
from itertools import pairwise
from typing import Any, Final

from gateline.shared.pacing import in_portions

_ROUTES: Final = "routes"
_HEADING: Final = re.compile(r"^\[\[routes\]\]", re.MULTILINE)
_ROUTES_A_PART: Final = 4


def loads(text: str) -> dict[str, Any]:
    """Return what `tomllib.loads` returns; raise what it raises.

    Where every part of the document, from the heading of a route to that of another, is a document
    by itself, and no two have another table in common, the whole says what the parts say one after
    another: a heading ends what stood before it. Everything else is read in one go.
    """
    starts = [match.start() for match in _HEADING.finditer(text)][::_ROUTES_A_PART]
    parts = [text[start:end] for start, end in pairwise([0, *starts, len(text)])]
    try:
        return _joined(parts)
    except (tomllib.TOMLDecodeError, _NotApart):
        return tomllib.loads(text)


class _NotApart(Exception):
    """The parts have to be read together."""


def _joined(parts: list[str]) -> dict[str, Any]:
    values = tomllib.loads(parts[0])
    routes: list[Any] = []
    for part in in_portions(parts[1:]):
        found = tomllib.loads(part)
        routes += found.pop(_ROUTES)
        if not values.keys().isdisjoint(found):
            raise _NotApart
        values |= found
    if not routes:
        return values
    if _ROUTES in values:
        raise _NotApart
    values[_ROUTES] = routes
    return values
