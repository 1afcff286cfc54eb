"""Paths, methods and headers, with what to write instead of a wrong one."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, PlainValidator

from gateline.policy.admission import METHODS
from gateline.policy.headers import HOP_BY_HOP, OWN_MARKS, SPOOFABLE
from gateline.policy.paths import PathRefused, canonical
from gateline.shared.gateway.suggestions import one_of, percent_encoded
from gateline.shared.gateway.tables import wrong

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,4096}")
_PARAMETER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]{0,31}\}")
_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_ELSEWHERE: Final = re.compile(r"<[A-Za-z_][A-Za-z0-9_]{0,31}>")
"""A parameter as other routers write it."""
_NOT_OURS_TO_SET: Final = frozenset({b"content-length", b"host", b"expect"})


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise wrong(f"{value!r} does not start with /", f'write "/{value.lstrip("/")}"')
    segments = [part for part in value.split("/") if part]
    star = segments[-1:] == ["*"]
    if "*" in "/".join(segments[:-1] if star else segments):
        raise wrong(
            "* stands alone and at the end", 'write "/api/*", or {name} for one part of a path'
        )
    segments = [*map(_segment, segments[:-1]), "*"] if star else [*map(_segment, segments)]
    if len(set(_names_in(segments))) < len(list(_names_in(segments))):
        raise wrong("a parameter appears twice", "give each {parameter} its own name")
    return "/" + "/".join(segments)


def _names_in(segments: Iterable[str]) -> list[str]:
    return [segment for segment in segments if segment.startswith("{")]


def _segment(segment: str) -> str:
    """Return a part of a path in the spelling in which requests are matched."""
    if "{" in segment or "}" in segment:
        if not _PARAMETER.fullmatch(segment):
            raise wrong(
                f"{segment!r} is no parameter", 'write a whole part of the path: "/orders/{id}"'
            )
        return segment
    try:
        return canonical(f"/{segment}".encode("ascii")).decode("ascii").removeprefix("/")
    except (PathRefused, UnicodeEncodeError):
        raise wrong(
            f"{segment!r} cannot stand in a path",
            (
                f'write "{{{segment[1:-1]}}}" for one part of a path'
                if _ELSEWHERE.fullmatch(segment)
                else "write letters, digits and -._~, others percent-encoded"
            ),
        ) from None


def _prefix(value: str) -> str:
    """Return a leading part of a path in the spelling in which paths are forwarded."""
    if not value.startswith("/") or "*" in value or "{" in value or "?" in value:
        raise wrong(f"{value!r} is no leading part of a path", 'write it as "/v2"')
    return _canonical(value).rstrip("/")


def _asked_path(value: str) -> str:
    """Return a path that may be asked for, with its query."""
    if not value.startswith("/"):
        raise wrong(
            f"{value!r} does not start with /", f'write "/{percent_encoded(value, keep="?")}"'
        )
    path, mark, query = value.partition("?")
    if not _QUERY.fullmatch(query):
        raise wrong(
            f"{value!r} has characters that no query has",
            f'percent-encode them: "{percent_encoded(value, keep="?")}"',
        )
    return f"{_canonical(path)}{mark}{query}"


def _canonical(path: str) -> str:
    try:
        return canonical(path.encode("ascii")).decode("ascii")
    except UnicodeEncodeError:
        raise wrong(
            f"{path!r} has characters that no path has",
            f'percent-encode them: "{percent_encoded(path)}"',
        ) from None
    except PathRefused as error:
        raise wrong(
            f"{path!r} cannot be asked for: {error}",
            f'write it as "{_mended(path)}"',
        ) from None


def _mended(path: str) -> str:
    """Return a path that can be asked for and looks most like this one."""
    parts = [part for part in path.split("/") if part.partition(";")[0] not in ("", ".", "..")]
    mended = "/" + "/".join(percent_encoded(part) for part in parts)
    try:
        return canonical(mended.encode("ascii")).decode("ascii")
    except PathRefused:
        return "/v2"


def _method(value: str) -> str:
    upper = value.upper()
    if upper not in METHODS:
        raise wrong(f"{value!r} is no method that the gateway takes", one_of(upper, METHODS))
    return upper


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise wrong(f"{value!r} is no header name", "write it as X-Version")
    if "_" in value:
        raise wrong(f"{value!r} has an underscore", f"write {value.replace('_', '-')}")
    return value


def _telling_header(value: str) -> str:
    if value == "*":
        raise wrong("'*' is no header: then no two requests are alike", "name the headers")
    return _header_name(value)


def _own_request_header(value: str) -> str:
    name = _header_name(value).lower().encode()
    if name in HOP_BY_HOP or name in _NOT_OURS_TO_SET or name in SPOOFABLE:
        raise wrong(f"{value} is the gateway's own to say", "choose another name")
    return value


def _own_response_header(value: str) -> str:
    name = _header_name(value).lower().encode()
    if name in HOP_BY_HOP or name in OWN_MARKS or name == b"content-length":
        raise wrong(f"{value} is the gateway's own to say", "choose another name")
    return value


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value) or not all(ord(one) < 256 for one in value):
        raise wrong("a header's value has no line breaks or control characters", "take them out")
    return value.strip(" \t")


def _header_condition(value: object) -> str | bool:
    if isinstance(value, str):
        return _header_value(value)
    if value is not True:
        raise wrong("is no condition", 'write the value in quotes, or true for any: "2"')
    return value


def _stripped(value: object) -> str | bool:
    if isinstance(value, str):
        return _prefix(value)
    if not isinstance(value, bool):
        raise wrong("must be true or a leading part of the path", "write strip_prefix = true")
    return value


Path = Annotated[str, AfterValidator(_path)]
AskedPath = Annotated[str, AfterValidator(_asked_path)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Method = Annotated[str, AfterValidator(_method)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
TellingHeader = Annotated[str, AfterValidator(_telling_header)]
RequestHeaderName = Annotated[str, AfterValidator(_own_request_header)]
ResponseHeaderName = Annotated[str, AfterValidator(_own_response_header)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
HeaderCondition = Annotated[
    str | bool, PlainValidator(_header_condition, json_schema_input_type=str | bool)
]
Stripped = Annotated[str | bool, PlainValidator(_stripped, json_schema_input_type=str | bool)]
