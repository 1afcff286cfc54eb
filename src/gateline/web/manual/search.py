"""Looking for words in the manual: the same rules as the module that searches in the browser.

Every word that was typed must begin a word of the section; where it does so counts: most in the
page's title, then in the heading, least in the text.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LONGEST_QUERY: Final = 100

_WORD: Final = re.compile(r"[a-z0-9_]+")
_MOST: Final = 20
_AROUND: Final = 60
_WEIGHTS: Final = (8, 5, 1)


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below one heading of a page."""

    address: str
    page: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A section that was found, with the words around the place."""

    section: Section
    excerpt: str


def search(sections: Iterable[Section], query: str) -> list[Finding]:
    """Return the sections that fit, best first; those that fit alike keep their order."""
    words = _words(query[:LONGEST_QUERY])
    if not words:
        return []
    scored = [(_score(section, words), section) for section in sections]
    found = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])
    return [Finding(section, _excerpt(section.text, words)) for _, section in found[:_MOST]]


def folded(text: str) -> str:
    """Return a text in lower case and without accents, as long as it was where that matters.

    >>> folded("Sesión")
    'sesion'
    """
    apart = unicodedata.normalize("NFD", text.lower())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _words(text: str) -> list[str]:
    return _WORD.findall(folded(text))


def _score(section: Section, words: list[str]) -> int:
    places = [_words(part) for part in (section.page, section.heading, section.text)]
    total = 0
    for word in words:
        counts = [sum(found.startswith(word) for found in place) for place in places]
        if not any(counts):
            return 0
        total += sum(min(count, 3) * weight for count, weight in zip(counts, _WEIGHTS, strict=True))
    return total


def _excerpt(text: str, words: list[str]) -> str:
    """Return the words around the first place where one of those looked for stands."""
    plain = folded(text)
    places = [found.start() for word in words if (found := re.search(rf"\b{word}", plain))]
    start = max(0, min(places, default=0) - _AROUND)
    if start:
        start = text.find(" ", start) + 1
    end = start + 3 * _AROUND
    shown = text[start:end] if end >= len(text) else text[start:end].rpartition(" ")[0] + " …"
    return ("… " if start else "") + shown
