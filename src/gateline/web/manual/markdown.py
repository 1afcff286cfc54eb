"""From Markdown to HTML: anchors like those of code hosts, own SVG inline, raw HTML left out.

What is left out keeps the pages within the Content-Security-Policy; `<br>` alone may stay.
"""

import html
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_NO_SLUG: Final = re.compile(r"[^\w\- ]")
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Pygments wraps each token into a span with a short class; the stylesheet knows these.
_FORMATTER: Final = HtmlFormatter(nowrap=True)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and the anchor that leads to it."""

    level: int
    text: str
    anchor: str


@dataclass(slots=True)
class Passage:
    """What stands below one heading, as plain words."""

    heading: Heading | None
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The words with single blanks between them."""
        return " ".join(" ".join(self.words).split())


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page's HTML and what was learnt on the way."""

    html: str
    headings: tuple[Heading, ...]
    passages: tuple[Passage, ...]
    links: tuple[tuple[str, str], ...]
    """In reading order: the last heading of level 2 before a link, and where the link leads."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a page needs to know of the others: where a link leads, and what a picture shows.

    `link` returns None for a target that is not there to be followed.
    """

    link: Callable[[str], str | None]
    picture: Callable[[str, str], str]


def render(source: str, surroundings: Surroundings) -> Rendered:
    """Return the HTML of a page."""
    parser = _parser()
    tokens = parser.parse(source)
    headings = tuple(_anchor_headings(tokens))
    links = tuple(_lead_links(tokens, surroundings.link))
    _wrap_tables(tokens)
    shown = parser.renderer.render(tokens, parser.options, {"picture": surroundings.picture})
    return Rendered(shown, headings, tuple(_passages(tokens, headings)), links)


def slug(text: str) -> str:
    """Return the anchor of a heading, as the hosts of repositories make it.

    >>> slug("What `GATELINE_URL` is for")
    'what-gateline_url-is-for'
    """
    return _NO_SLUG.sub("", text.strip().lower()).replace(" ", "-")


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"highlight": _code}).enable(["table", "strikethrough"])
    parser.add_render_rule("html_block", _only_breaks)
    parser.add_render_rule("html_inline", _only_breaks)
    parser.add_render_rule("image", _picture)
    return parser


def _code(code: str, language: str, _attributes: str) -> str:
    """Return a block of code; it scrolls sideways, so the keyboard must reach it."""
    try:
        shown = highlight(code, get_lexer_by_name(language), _FORMATTER) if language else None
    except ClassNotFound:
        shown = None
    return f'<pre tabindex="0"><code>{shown or html.escape(code)}</code></pre>'


def _only_breaks(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
) -> str:
    return "<br>" if _BREAK.fullmatch(tokens[index].content.strip()) else ""


def _picture(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    token = tokens[index]
    alt = renderer.renderInlineAsText(token.children or [], options, env)
    shown: str = env["picture"](str(token.attrGet("src") or ""), alt)
    return shown


def _anchor_headings(tokens: list[Token]) -> Iterator[Heading]:
    taken: dict[str, int] = {}
    for token, inline in itertools.pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = _words(inline)
        wanted = slug(text) or "section"
        count = taken.get(wanted, 0)
        taken[wanted] = count + 1
        anchor = f"{wanted}-{count}" if count else wanted
        token.attrSet("id", anchor)
        yield Heading(int(token.tag[1:]), text, anchor)


def _lead_links(
    tokens: list[Token], leads: Callable[[str], str | None]
) -> Iterator[tuple[str, str]]:
    """Lead each link to where it leads on the site; one that leads nowhere becomes plain text."""
    group = ""
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            group = _words(tokens[position + 1])
        for child, close in _links_in(token.children or []):
            target = leads(str(child.attrGet("href") or ""))
            if target is None:
                child.tag = close.tag = "span"
                child.attrs = {}
                continue
            child.attrSet("href", target)
            if _ELSEWHERE.match(target):
                child.attrSet("rel", "noopener noreferrer")
            yield group, target


def _links_in(children: list[Token]) -> Iterator[tuple[Token, Token]]:
    # Links do not nest (CommonMark 6.3): each opening one belongs to the next closing one.
    opened = [child for child in children if child.type == "link_open"]
    closed = [child for child in children if child.type == "link_close"]
    return zip(opened, closed, strict=True)


def _wrap_tables(tokens: list[Token]) -> None:
    """Let wide tables scroll by themselves instead of the whole page."""
    position = 0
    while position < len(tokens):
        kind = tokens[position].type
        if kind == "table_open":
            frame = Token("frame_open", "div", 1, block=True)
            frame.attrs = {"class": "table", "tabindex": "0"}
            tokens.insert(position, frame)
            position += 1
        elif kind == "th_open" and not tokens[position + 1].content:
            # Nothing heads this column: an empty heading would only be read out as one.
            tokens[position].tag = tokens[position + 2].tag = "td"
        elif kind == "table_close":
            tokens.insert(position + 1, Token("frame_close", "div", -1, block=True))
        position += 1


def _passages(tokens: list[Token], headings: Sequence[Heading]) -> Iterator[Passage]:
    following = iter(headings)
    passage = Passage(None)
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            yield passage
            passage = Passage(next(following))
        elif token.type == "fence" or (
            token.type == "inline" and tokens[position - 1].type != "heading_open"
        ):
            passage.words.append(_words(token))
    yield passage


def _words(token: Token) -> str:
    """Return what can be read of a token, without its marks."""
    if token.type == "fence":
        return token.content
    kept = {"text", "code_inline", "softbreak", "hardbreak", "image"}
    return "".join(
        child.content or " " for child in token.children or () if child.type in kept
    ).strip()
