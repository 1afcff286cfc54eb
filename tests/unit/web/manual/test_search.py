"""Searching the manual."""

import pytest

from gateline.web.manual.search import Section, folded, search

SECTIONS = [
    Section("/docs/a", "Tutorial", "", "Start the platform and log in. A session begins."),
    Section("/docs/a#s", "Tutorial", "Sessions", "Every session has an entry."),
    Section("/docs/s", "Sesión", "", "Una sesión revocada se rechaza."),
    Section(
        "/docs/b", "Limits", "Windows", "Requests are counted; " + "more words " * 40 + "spent."
    ),
]


def test_best_first() -> None:
    """A word in a title counts more than in a heading, and there more than in the text."""
    found = [finding.section.address for finding in search(SECTIONS, "ses")]
    assert found == ["/docs/s", "/docs/a#s", "/docs/a"]


@pytest.mark.parametrize(
    ("query", "addresses"),
    [
        ("SESIÓN", ["/docs/s"]),
        ("tutorial entry", ["/docs/a#s"]),
        ("tutorial nothing", []),
        ("ession", []),
        ("  ", []),
        ("!?", []),
    ],
)
def test_every_word_must_begin_a_word(query: str, addresses: list[str]) -> None:
    """Case and accents do not matter; every word must be found; the middle of one is none."""
    assert [finding.section.address for finding in search(SECTIONS, query)] == addresses


def test_excerpt_shows_the_place() -> None:
    """Of a long text the words around the place are shown, cut between words."""
    excerpt = search(SECTIONS, "spent")[0].excerpt
    assert excerpt.startswith("… ")
    assert excerpt.endswith("spent.")
    assert len(excerpt) < 100
    assert search(SECTIONS, "counted")[0].excerpt.endswith("words …")


def test_folding_keeps_the_length() -> None:
    """Excerpts are cut by the folded text, so places must be the same."""
    assert len(folded("Sesión Ñandú")) == len("Sesión Ñandú")
