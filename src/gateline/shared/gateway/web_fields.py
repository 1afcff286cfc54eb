"""Addresses, paths, hosts and headers, with what to write instead of a wrong one."""

import re
from collections.abc import Iterable
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, PlainValidator

from gateline.policy.admission import METHODS
from gateline.policy.headers import HOP_BY_HOP, OWN_MARKS, SPOOFABLE
from gateline.policy.paths import PathRefused, canonical
from gateline.shared.config import checks
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.gateway.tables import wrong

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,4096}")
_PARAMETER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]{0,31}\}")
_NOT_OURS_TO_SET: Final = frozenset({b"content-length", b"host", b"expect"})


def _url(value: str) -> str:
    example = "write http://host:port, https://host or unix:///run/app.sock"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 # reading it is what validates it
    except ValueError:
        raise wrong(f"{value!r} is no address", example) from None
    if parts.scheme == "unix":
        if parts.netloc or len(unquote(parts.path)) < 2:
            raise wrong(f"{value!r} names no socket", "write unix:///run/app.sock")
        return value
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise wrong(f"{value!r} is no address", example)
    if "@" in parts.netloc:
        raise wrong("an address holds no password", "set a header by request_headers instead")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise wrong(
            f"{value!r} has a path",
            f'write url = "{parts.scheme}://{parts.netloc}" and prefix = "{parts.path}"',
        )
    return value.rstrip("/")


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise wrong(f"{value!r} is no address", "write https://login.example.com/keys")
    return value


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
            "write letters, digits and -._~, others percent-encoded",
        ) from None


def _prefix(value: str) -> str:
    if not value.startswith("/") or "*" in value or "{" in value or "?" in value:
        raise wrong(f"{value!r} is no leading part of a path", 'write it as "/v2"')
    return value.rstrip("/")


def _location(value: str) -> str:
    parts = urlsplit(value)
    absolute = parts.scheme in {"http", "https"} and parts.netloc and "{" not in parts.netloc
    if not absolute and (not value.startswith("/") or value.startswith("//")):
        raise wrong(f"{value!r} is no place to go", 'write "/new/{path}" or "https://host/path"')
    if not _HEADER_VALUE.fullmatch(value) or not value.isascii() or " " in value:
        raise wrong("a place to go holds no spaces or other characters", "percent-encode them")
    return value


def _host(value: str) -> str:
    try:
        return checks.allowed_hosts([value])[0]
    except ValueError:
        raise wrong(
            f"{value!r} is no host name",
            "write it without scheme and port: api.example.com or *.example.com",
        ) from None


def _origin(value: str) -> str:
    try:
        return checks.cors_origins([value])[0]
    except ValueError:
        raise wrong(
            f"{value!r} is no origin", "write scheme, host and port: https://app.example.com"
        ) from None


def _network(value: str) -> str:
    try:
        return str(checks.networks([value])[0])
    except ValueError:
        raise wrong(f"{value!r} is no address", "write 10.0.0.0/8, 192.168.1.7 or ::1") from None


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


Url = Annotated[str, AfterValidator(_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
Path = Annotated[str, AfterValidator(_path)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Location = Annotated[str, AfterValidator(_location)]
Host = Annotated[str, AfterValidator(_host)]
Origin = Annotated[str, AfterValidator(_origin)]
NetworkText = Annotated[str, AfterValidator(_network)]
Method = Annotated[str, AfterValidator(_method)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
RequestHeaderName = Annotated[str, AfterValidator(_own_request_header)]
ResponseHeaderName = Annotated[str, AfterValidator(_own_response_header)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
HeaderCondition = Annotated[
    str | bool, PlainValidator(_header_condition, json_schema_input_type=str | bool)
]
Stripped = Annotated[str | bool, PlainValidator(_stripped, json_schema_input_type=str | bool)]
