"""The pages of the manual, and that those that are there hold together."""

import re
from pathlib import Path

import pytest

from gateline.web.manual import Manual, folder_of_manual
from gateline.web.manual.pages import address_of

FILES = {
    "index.md": "# Docs\n\n## Begin\n\n[B](b.md)\n[A](a.md#part)\n\n## Deeper\n\n[C](sub/c.md)\n",
    "a.md": "# A\n\nFirst words. More.\n\n## Part\n\n[up](index.md) [gone](x.md) [code](../a.py)\n",
    "b.md": "# B\n\n![A drawing](img/d.svg) ![A photo](img/p.png) ![Else](../e.svg)\n",
    "sub/c.md": "# C\n\n[a](../a.md#part) ![again](../img/d.svg)\n",
    "sub/d.md": "# D\n",
    "loose.md": "no title\n",
    "img/d.svg": "<svg><style>.x{}</style><path/></svg>",
}


@pytest.fixture
def manual(tmp_path: Path) -> Manual:
    """Give a small manual."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Manual.load(tmp_path)


def test_order_is_that_of_the_index(manual: Manual) -> None:
    """Groups are the headings of index.md; what it does not name comes last, by folder."""
    groups = [(group.title, [page.name for page in group.pages]) for group in manual.groups]
    assert groups == [
        ("Begin", ["b", "a"]),
        ("Deeper", ["sub/c"]),
        ("More", ["loose"]),
        ("Sub", ["sub/d"]),
    ]


def test_neighbours(manual: Manual) -> None:
    """Each page knows the one before and after; the first page leads to the beginning."""
    a = manual.pages["a"]
    before, after = manual.neighbours(a)
    assert before is not None
    assert after is not None
    assert (before.name, after.name) == ("b", "sub/c")
    assert manual.neighbours(manual.pages["b"])[0] is None
    assert manual.neighbours(manual.in_order[-1])[1] is None
    assert manual.neighbours(manual.pages[""]) == (None, manual.pages["b"])


def test_links_between_pages(manual: Manual) -> None:
    """Links to pages lead to their addresses, from any folder; what is not there is words."""
    assert 'href="/docs"' in manual.pages["a"].html
    assert "x.md" not in manual.pages["a"].html
    assert "a.py" not in manual.pages["a"].html
    assert 'href="/docs/a#part"' in manual.pages["sub/c"].html


def test_pictures(manual: Manual) -> None:
    """Own drawings stand in the page without their style; others are asked for from here."""
    html = manual.pages["b"].html
    assert "<svg><path/></svg>" in html
    assert '<img src="/docs/img/p.png" alt="A photo"' in html
    assert "e.svg" not in html
    assert "<svg>" in manual.pages["sub/c"].html


def test_title_and_summary(manual: Manual) -> None:
    """A page without a title is called by its name; the summary is its opening."""
    assert manual.pages["loose"].title == "loose"
    assert manual.pages["a"].summary == "First words. More."


def test_summary_ends_with_a_sentence(tmp_path: Path) -> None:
    """A long opening is cut after a sentence."""
    (tmp_path / "a.md").write_text("# A\n\nOne sentence. " + "word " * 60)
    assert Manual.load(tmp_path).pages["a"].summary == "One sentence."


def test_version_changes_with_any_page(tmp_path: Path) -> None:
    """Another text makes another version, so that no browser keeps an old index."""
    (tmp_path / "a.md").write_text("# A")
    before = Manual.load(tmp_path).version
    (tmp_path / "a.md").write_text("# B")
    assert Manual.load(tmp_path).version != before


def test_no_folder_is_an_empty_manual(tmp_path: Path) -> None:
    """An installation without the pages has an empty manual, not a crash."""
    empty = Manual.load(tmp_path / "gone")
    assert (dict(empty.pages), empty.groups, empty.sections) == ({}, (), ())
    assert empty.version


def test_addresses() -> None:
    """The first page is /docs itself."""
    assert (address_of(""), address_of("a/b")) == ("/docs", "/docs/a/b")


def test_the_architecture_is_there_in_both_languages() -> None:
    """The two pages that are documented exist, with their drawings, in their language."""
    pages = Manual.load(folder_of_manual()).pages
    assert pages["architecture"].language == "en"
    assert pages["arquitectura"].language == "es"
    for name in ("architecture", "arquitectura"):
        assert pages[name].html.count("<svg") == 2
        assert "<style" not in pages[name].html


def test_every_anchor_of_the_manual_is_there() -> None:
    """No link between the pages points to a heading that is gone."""
    manual = Manual.load(folder_of_manual())
    ids = {
        page.address: set(re.findall(r' id="([^"]+)"', page.html)) for page in manual.pages.values()
    }
    for page in manual.pages.values():
        for path, anchor in re.findall(r'href="(/docs[^"#]*)?#([^"]+)"', page.html):
            target = path or page.address
            if target in ids:
                assert anchor in ids[target], f"{page.name} links to {target}#{anchor}"
