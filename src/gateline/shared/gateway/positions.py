"""In which line of a TOML document each of its keys stands.

`tomllib` tells values but not places. This walks a document that `tomllib` has accepted, so it
needs to find where things begin and end, not what they mean; where it loses its way it stops, and
what it has found so far stays right.
"""

import contextlib
import re
from bisect import bisect_right
from typing import Final

from gateline.shared.pacing import give_way

Location = tuple[str | int, ...]

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING: Final = re.compile(
    r"\"\"\"(?:[^\\]|\\.)*?\"{3,5}|'''.*?'{3,5}|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", re.DOTALL
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def positions(text: str) -> dict[Location, int]:
    """Return the line (from 1) of every table, key and array item of a valid TOML document.

    A location is the way from the root: `("routes", 0, "path")`.
    """
    scan = _Scan(text)
    with contextlib.suppress(_Lost):
        scan.document()
    return scan.found


class _Lost(Exception):
    """The text is not what was expected."""


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [match.start() for match in re.finditer("\n", text)]
        self._items: dict[Location, int] = {}
        self.found: dict[Location, int] = {}

    def document(self) -> None:
        """Walk tables and keys up to the end."""
        table: Location = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            give_way()
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)

    def _header(self) -> Location:
        start, many = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        names = self._keys()
        self._expect("]]" if many else "]")
        location: Location = ()
        for depth, name in enumerate(names):
            location = (*location, name)
            if many and depth == len(names) - 1:
                self._items[location] = self._items.get(location, -1) + 1
            if location in self._items:
                location = (*location, self._items[location])
            self._note(location, start)
        return location

    def _pair(self, table: Location) -> None:
        start = self._at
        location = table
        for name in self._keys():
            location = (*location, name)
            self._note(location, start)
        self._expect("=")
        self._value(location)

    def _keys(self) -> list[str]:
        names = [self._key()]
        while self._text.startswith(".", self._at):
            self._at += 1
            names.append(self._key())
        return names

    def _key(self) -> str:
        self._skip(_BLANK)
        match = _KEY.match(self._text, self._at)
        if match is None:
            raise _Lost
        self._at = match.end()
        self._skip(_BLANK)
        name = match[0]
        return name[1:-1] if name[0] in "\"'" else name

    def _value(self, location: Location) -> None:
        self._skip(_SPACE)
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._array(location)
        elif opening == "{":
            self._inline_table(location)
        else:
            self._skip(_STRING if opening and opening in "\"'" else _SCALAR, needed=True)

    def _array(self, location: Location) -> None:
        self._at += 1
        index = 0
        while not self._closes("]"):
            self._note((*location, index), self._at)
            self._value((*location, index))
            self._comma()
            index += 1

    def _inline_table(self, location: Location) -> None:
        self._at += 1
        while not self._closes("}"):
            self._pair(location)
            self._comma()

    def _closes(self, bracket: str) -> bool:
        self._skip(_SPACE)
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        return False

    def _comma(self) -> None:
        self._skip(_SPACE)
        if self._text.startswith(",", self._at):
            self._at += 1

    def _expect(self, text: str) -> None:
        self._skip(_BLANK)
        if not self._text.startswith(text, self._at):
            raise _Lost
        self._at += len(text)

    def _skip(self, pattern: re.Pattern[str], *, needed: bool = False) -> None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        elif needed:
            raise _Lost

    def _note(self, location: Location, at: int) -> None:
        self.found.setdefault(location, bisect_right(self._lines, at - 1) + 1)
