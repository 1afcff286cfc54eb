"""What Cache-Control, Date, Expires and validators say (RFC 9111, section 5; RFC 9110, 8.8, 13)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

Directives = Mapping[str, str | None]
"""Directives by name in lower case; the value without quotes, None without one."""

MOST_SECONDS: Final = 2**31
"""A number of seconds that is greater, or no number at all where one must be, means this or 0."""

_TAG: Final = re.compile(rb'(?:W/)?"[^"]*"|[^\s,"]+')
"""An entity tag, or a word without quotes, which some services send for one."""

_NONE: Final[Directives] = MappingProxyType({})


def directives(headers: Iterable[tuple[bytes, bytes]]) -> Directives:
    """Return what all Cache-Control lines among the headers (names in lower case) say together."""
    lines = [value for name, value in headers if name == b"cache-control"]
    return _parse(b",".join(lines)) if lines else _NONE


@lru_cache(maxsize=512)
def _parse(line: bytes) -> Directives:
    found: dict[str, str | None] = {}
    for item in _items(line.decode("latin-1")):
        name, equals, value = item.partition("=")
        key = name.strip().lower()
        # Of a directive that is there twice the first one counts (RFC 9111, section 4.2.1).
        if key and key not in found:
            found[key] = value.strip().strip('"') if equals else None
    return MappingProxyType(found)


def _items(line: str) -> Iterable[str]:
    """Split at the commas that are not within quotes.

    There a backslash takes the next character's meaning away (RFC 9110, section 5.6.4). Nobody
    knows what a quote that never closes hides, so it counts as `no-store`.
    """
    start, quoted, escaped = 0, False, False
    for index, letter in enumerate(line):
        if escaped:
            escaped = False
        elif quoted and letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            yield line[start:index]
            start = index + 1
    yield line[start:]
    if quoted:
        yield "no-store"


def seconds(found: Directives, name: str) -> float | None:
    """Return a directive's seconds, None without it; what is no number counts as 0 (stale)."""
    if name not in found:
        return None
    value = found[name] or ""
    if not (value.isascii() and value.isdigit()):
        return 0.0
    return float(min(int(value[:12]), MOST_SECONDS))


def http_date(value: bytes | None) -> float | None:
    """Return the epoch seconds of an HTTP date in any of its three forms, None for no date."""
    return None if value is None else date_seconds(value.decode("latin-1"))


def date_seconds(text: str) -> float | None:
    """Return the epoch seconds of a date; without a zone it is UTC (RFC 9110, section 5.6.7)."""
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the value of the first header of this name (lower case)."""
    return next((value for key, value in headers if key == name), None)


def is_unchanged(
    fields: Mapping[bytes, bytes], etag: bytes | None, last_modified: bytes | None
) -> bool:
    """Tell whether a conditional GET has this version already (RFC 9110, section 13.2.2)."""
    wanted = fields.get(b"if-none-match")
    if wanted is not None:
        return wanted.strip() == b"*" or (etag is not None and _opaque(etag) in _tags(wanted))
    since = http_date(fields.get(b"if-modified-since"))
    modified = http_date(last_modified)
    return since is not None and modified is not None and modified <= since


def _tags(value: bytes) -> frozenset[bytes]:
    """Return the tags of a list; a comma within one's quotes is part of it (8.8.3)."""
    return frozenset(_opaque(tag) for tag in _TAG.findall(value))


def _opaque(tag: bytes) -> bytes:
    """Return a tag for the weak comparison, which is that of If-None-Match (8.8.3.2)."""
    return tag.strip().removeprefix(b"W/")
