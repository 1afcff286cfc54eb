"""A gateway file as it was read: its text, its values, and in which line each stands."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from gateline.shared.gateway import toml
from gateline.shared.gateway.positions import Location, positions
from gateline.shared.gateway.problems import FileProblem, GatewayFileError

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_VERSION_DIGITS: Final = 12
_REMEDIES: Final = (
    ("overwrite a value", "name each setting once"),
    ("declare", "write each table once; several routes are several [[routes]]"),
    ("mutate immutable", "write the table either in one line or under a heading of its own"),
    ("Expected '=' after a key", 'write name = value, such as path = "/api/*"'),
    ("Invalid value", 'write text in quotes: path = "/api/*"'),
    ("Expected newline or end", "write one setting a line, and text in quotes"),
    ("Unclosed array", "end the list with ]"),
    ("Unclosed inline table", "end the table with }, in the line in which it begins"),
    ("Expected ']'", "close the heading: [services.shop] or [[routes]]"),
    ("Illegal character '\\n'", "close the quotes in the line in which they open"),
    ("Unterminated string", "close the quotes"),
    ("escape", "write a backslash twice, or the text in single quotes"),
    ("Unescaped '\\'", "write a backslash twice, or the text in single quotes"),
)
_GENERAL_REMEDY: Final = 'write it as TOML: [services.shop], then url = "http://shop:9000"'


@dataclass(frozen=True)
class Source:
    """One reading of a file; `values` is what TOML says."""

    path: Path
    text: str
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raise GatewayFileError when it is not there or is no TOML."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            found = FileProblem(path, 1, "file", "is not there", "make one with `gateline init`")
            raise GatewayFileError([found]) from None
        except (OSError, UnicodeDecodeError) as error:
            found = FileProblem(
                path, 1, "file", f"cannot be read ({type(error).__name__})", "save it as UTF-8 text"
            )
            raise GatewayFileError([found]) from error
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """Take `text` as what stands in `path`; raise GatewayFileError when it is no TOML."""
        try:
            return cls(path, text, toml.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise GatewayFileError([_syntax_problem(path, text, str(error))]) from None

    @property
    def folder(self) -> Path:
        """The absolute folder from which the file's own paths count."""
        return self.path.absolute().parent

    @property
    def version(self) -> str:
        """12 hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_VERSION_DIGITS]

    def problem(
        self, location: Location, message: str, remedy: str, *, warning: bool = False
    ) -> FileProblem:
        """Return a problem with the place of `location`, or of what encloses it."""
        return FileProblem(
            self.path,
            self.line(location),
            _in_one_line(spelled(location)),
            _in_one_line(message),
            _in_one_line(remedy),
            warning,
        )

    def line(self, location: Location) -> int:
        """Return the line of `location`, or of what encloses it."""
        while location and location not in self._positions:
            location = location[:-1]
        return self._positions.get(location, 1)

    @cached_property
    def _positions(self) -> dict[Location, int]:
        return positions(self.text)


def _in_one_line(text: str) -> str:
    """Return a text with escapes for what would break a line or drive a terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def spelled(location: Location) -> str:
    """Return a location as a person would say it, items counted from 1.

    >>> spelled(("routes", 0, "request_headers", "set"))
    'routes[1].request_headers.set'
    """
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{name}" if text else name
    return text or "file"


def _syntax_problem(path: Path, text: str, error: str) -> FileProblem:
    match = _PLACE.search(error)
    line = int(match[1]) if match and match[1] else max(1, len(text.splitlines()))
    message = _PLACE.sub("", error)
    remedy = next((remedy for part, remedy in _REMEDIES if part in message), _GENERAL_REMEDY)
    return FileProblem(path, line, "syntax", f"{message[:1].lower()}{message[1:]}", remedy)
