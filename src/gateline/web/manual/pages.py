"""The pages of the manual: found in a folder, put into the order that `index.md` gives them.

`index.md` is the table of contents: each of its level-2 headings is a group of the navigation, and
the pages it links to below that heading follow in that order. Pages it does not name come last.
"""

import hashlib
import html
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urldefrag

from gateline.web.manual.markdown import Heading, Rendered, Surroundings, render
from gateline.web.manual.search import Section

ROOT: Final = "/docs"
PICTURES: Final = (".svg", ".png", ".webp", ".jpg")

_INDEX: Final = "index"
_REST: Final = "More"
_LANGUAGES: Final = {"arquitectura": "es"}
"""Pages in another language than English."""

_STYLE: Final = re.compile(r"<style>.*?</style>\s*", re.DOTALL)
_ELSEWHERE: Final = re.compile(r"([a-z][a-z0-9+.-]*:|/)", re.IGNORECASE)
_SUMMARY_LENGTH: Final = 160


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `name` is its path below /docs, empty for the first one."""

    name: str
    title: str
    summary: str
    html: str
    headings: tuple[Heading, ...]
    sections: tuple[Section, ...]
    language: str = "en"

    @property
    def address(self) -> str:
        """Where it is served."""
        return address_of(self.name)


@dataclass(frozen=True, slots=True)
class Group:
    """Some pages of the navigation below one title."""

    title: str
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Manual:
    """All pages, in order. `version` changes with any of them."""

    pages: Mapping[str, Page]
    groups: tuple[Group, ...]
    version: str

    @classmethod
    def load(cls, folder: Path) -> "Manual":
        """Read and render every page below `folder`; a folder that is not there has none."""
        sources = {
            _name(path.relative_to(folder)): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*.md"))
        }
        pictures = _pictures(folder)
        rendered = {
            name: render(source, _surroundings(name, sources.keys(), pictures))
            for name, source in sources.items()
        }
        pages = {name: _page(name, found) for name, found in rendered.items()}
        first = rendered.get("")
        groups = _groups(pages, first.links if first else ())
        digest = hashlib.sha256("\0".join((*sources.values(), *pictures.values())).encode())
        return cls(MappingProxyType(pages), groups, digest.hexdigest()[:16])

    @property
    def in_order(self) -> tuple[Page, ...]:
        """The pages as one would read them."""
        return tuple(page for group in self.groups for page in group.pages)

    @property
    def sections(self) -> tuple[Section, ...]:
        """What the search looks through, in reading order."""
        first = self.pages.get("")
        every = (*((first,) if first else ()), *self.in_order)
        return tuple(section for page in every for section in page.sections)

    def neighbours(self, page: Page) -> tuple[Page | None, Page | None]:
        """Return the page before and the page after."""
        order = self.in_order
        if page not in order:
            return None, order[0] if order else None
        place = order.index(page)
        return (
            order[place - 1] if place else None,
            order[place + 1] if place + 1 < len(order) else None,
        )


def folder_of_manual() -> Path:
    """Return where the pages are: in the package, or in the tree that is being worked on."""
    packaged = Path(__file__).parents[1] / "docs"
    return packaged if packaged.is_dir() else Path(__file__).parents[4] / "docs"


def address_of(name: str) -> str:
    """Return where a page is served."""
    return f"{ROOT}/{name}" if name else ROOT


def _name(path: Path) -> str:
    name = path.with_suffix("").as_posix()
    return "" if name == _INDEX else name.removesuffix(f"/{_INDEX}")


def _pictures(folder: Path) -> dict[str, str]:
    """Return our drawings, to be put into pages; their own style is for other readers."""
    return {
        path.relative_to(folder).as_posix(): _STYLE.sub("", path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.svg"))
    }


def _surroundings(name: str, names: Iterable[str], pictures: Mapping[str, str]) -> Surroundings:
    known = frozenset(names)

    def link(target: str) -> str | None:
        if target.startswith("#") or _ELSEWHERE.match(target):
            return target
        path, fragment = urldefrag(target)
        found = _name(Path(_beside(name, path)))
        if not path.endswith(".md") or found not in known:
            return None
        return address_of(found) + (f"#{fragment}" if fragment else "")

    def picture(source: str, alt: str) -> str:
        path = _beside(name, source)
        if path in pictures:
            return f'<span class="drawing" tabindex="0">{pictures[path]}</span>'
        if path.startswith("..") or not path.endswith(PICTURES):
            return html.escape(alt)
        return f'<img src="{ROOT}/{html.escape(path)}" alt="{html.escape(alt)}" loading="lazy">'

    return Surroundings(link, picture)


def _beside(name: str, path: str) -> str:
    """Return a path that a page names, seen from the folder of all pages."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _page(name: str, rendered: Rendered) -> Page:
    title = next((found.text for found in rendered.headings if found.level == 1), name or "Docs")
    opening = next((found.text for found in rendered.passages if found.text), "")
    address = address_of(name)
    sections = tuple(
        Section(
            address=(
                f"{address}#{found.heading.anchor}"
                if found.heading and found.heading.level > 1
                else address
            ),
            page=title,
            heading=found.heading.text if found.heading and found.heading.level > 1 else "",
            text=found.text,
        )
        for found in rendered.passages
        if found.text or found.heading
    )
    return Page(
        name=name,
        title=title,
        summary=_shortened(opening),
        html=rendered.html,
        headings=tuple(found for found in rendered.headings if found.level in (2, 3)),
        sections=sections,
        language=_LANGUAGES.get(name, "en"),
    )


def _shortened(text: str) -> str:
    """Return the first sentences that fit into a line or two."""
    if len(text) <= _SUMMARY_LENGTH:
        return text
    cut = text[:_SUMMARY_LENGTH]
    whole, stop, _ = cut.rpartition(". ")
    return whole + "." if stop else cut.rpartition(" ")[0] + " …"


def _groups(pages: Mapping[str, Page], links: Iterable[tuple[str, str]]) -> tuple[Group, ...]:
    by_address = {page.address: page for page in pages.values() if page.name}
    grouped: dict[str, list[Page]] = {}
    for title, target in links:
        page = by_address.pop(urldefrag(target).url, None)
        if page is not None:
            grouped.setdefault(title or _REST, []).append(page)
    for page in by_address.values():
        folder = page.name.rpartition("/")[0]
        title = folder.replace("-", " ").capitalize() if folder else _REST
        grouped.setdefault(title, []).append(page)
    return tuple(Group(title, tuple(found)) for title, found in grouped.items())
