"""From Markdown to HTML."""

import pytest

from gateline.web.manual.markdown import Surroundings, render, slug

NOWHERE = Surroundings(link=lambda _: None, picture=lambda source, alt: f"[{source}|{alt}]")
EVERYWHERE = Surroundings(link=lambda target: target, picture=NOWHERE.picture)


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        ("The parts", "the-parts"),
        ("What `GATELINE_URL` is for", "what-gateline_url-is-for"),
        ("Sesión y café", "sesión-y-café"),
        ("A, b & c", "a-b--c"),
    ],
)
def test_anchors_are_those_of_code_hosts(text: str, anchor: str) -> None:
    """A link to a heading works here and where the repository is shown."""
    assert slug(text) == anchor


def test_headings_that_are_alike_have_anchors_of_their_own() -> None:
    """The second heading of the same words gets a number."""
    found = render("# A\n\n## Same\n\n## Same\n", NOWHERE)
    assert [heading.anchor for heading in found.headings] == ["a", "same", "same-1"]
    assert '<h2 id="same-1">' in found.html


def test_raw_html_is_left_out() -> None:
    """Neither a script nor a comment of a generator reaches the page; a line break does."""
    found = render("<!-- made -->\n\n<script>x()</script>\n\na<br>b <b>c</b>\n", NOWHERE)
    assert "script" not in found.html
    assert "made" not in found.html
    assert "<p>a<br>b c</p>" in found.html


def test_code_is_reached_by_keyboard_and_coloured_without_styles() -> None:
    """A block of code has spans with classes and never a style attribute."""
    found = render("```python\nimport os\n```\n", NOWHERE)
    assert '<pre tabindex="0"><code>' in found.html
    assert '<span class="kn">import</span>' in found.html
    assert "style=" not in found.html


@pytest.mark.parametrize("language", ["", "nothing-known"])
def test_code_of_no_known_language_is_escaped(language: str) -> None:
    """Code that nobody can colour is shown as it is."""
    found = render(f"```{language}\n<a> & b\n```\n", NOWHERE)
    assert "<code>&lt;a&gt; &amp; b\n</code>" in found.html


def test_links_lead_where_the_surroundings_say() -> None:
    """A link that leads nowhere becomes plain words; one to another site tells it nothing."""
    assert "<span>x</span>" in render("[x](gone.md)", NOWHERE).html
    outside = render("[x](https://example.com/)", EVERYWHERE).html
    assert 'rel="noopener noreferrer"' in outside
    assert "rel=" not in render("[x](/docs)", EVERYWHERE).html


def test_links_are_told_with_their_group() -> None:
    """The table of contents is read off headings of level 2 and the links below them."""
    found = render("[a](1)\n\n## G\n\n- [b](2)\n- [c](3)\n", EVERYWHERE)
    assert found.links == (("", "1"), ("G", "2"), ("G", "3"))


def test_pictures_are_drawn_by_the_surroundings() -> None:
    """A picture is whatever the surroundings make of its address and words."""
    assert "[a.svg|Some words]" in render("![Some *words*](a.svg)", NOWHERE).html


def test_tables_scroll_by_themselves() -> None:
    """A table stands in a frame that the keyboard can scroll."""
    found = render("| a | b |\n|---|---|\n| 1 | 2 |\n\n| c |\n|---|\n", NOWHERE)
    assert found.html.count('<div class="table" tabindex="0">') == 2
    assert found.html.count("</table>\n</div>") == 2


def test_an_empty_heading_of_a_column_is_none() -> None:
    """A column that nothing heads has an empty cell there, which no screen reader announces."""
    found = render("| a | |\n|---|---|\n| 1 | 2 |\n", NOWHERE)
    assert found.html.count("<th>") == 1
    assert "<td></td>" in found.html


def test_passages_hold_the_words_below_each_heading() -> None:
    """What the search looks through has no marks, and code counts as words."""
    found = render("start\n\n# T\n\n*one*\n`two`\n\n```\nthree\n```\n", NOWHERE)
    assert [(part.heading and part.heading.text, part.text) for part in found.passages] == [
        (None, "start"),
        ("T", "one two three"),
    ]
