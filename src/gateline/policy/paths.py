"""One canonical form of a path, in which routes are matched and in which it goes upstream.

A gateway that decides on one spelling and forwards another can be talked past. So a path is
brought to one spelling (RFC 3986, section 6.2.2: unreserved characters decoded, escapes in upper
case, empty segments merged) or refused; nothing downstream sees any other.
"""

import re
from typing import Final

_PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*/?")
_ESCAPE: Final = re.compile(rb"%(?:([0-9A-Fa-f]{2})|)")
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)
_REFUSED_ESCAPES: Final = frozenset(b"/\\") | frozenset(range(0x20)) | {0x7F}
_REFUSED_BYTES: Final = re.compile(rb"[\x00-\x20\x7f\\#?\"<>^`{|}]")
_TWICE: Final = re.compile(rb"%25(?:25)*(?:2[EeFf]|5[Cc]|00)")
_SLASHES: Final = re.compile(rb"/{2,}")


class PathRefused(ValueError):
    """The path has no canonical form that is safe to forward."""


def canonical(raw: bytes, *, encoded_slashes: bool = False) -> bytes:
    """Return the canonical form of a raw request path (no query).

    Raises PathRefused for a path without leading slash, with dot segments (plain, escaped, or with
    a `;` parameter), slashes, backslashes or dots that are escaped (dots: twice), broken escapes,
    and control or other characters that no URI may hold. With `encoded_slashes` a `%2F` stays as
    it is, in upper case; dot segments are refused on either side of it.
    """
    if raw and _PLAIN.fullmatch(raw):
        return raw
    if not raw.startswith(b"/"):
        raise PathRefused("a path starts with a slash")
    if _REFUSED_BYTES.search(raw) or _TWICE.search(raw):
        raise PathRefused("a path holds no control characters, spaces or backslashes")
    normal = _keep_slash if encoded_slashes else _normal_escape
    path = _SLASHES.sub(b"/", _ESCAPE.sub(normal, _escape_high_bytes(raw)))
    for segment in (path.replace(b"%2F", b"/") if encoded_slashes else path).split(b"/"):
        if segment.partition(b";")[0] in (b".", b".."):
            raise PathRefused("a path holds no dot segments")
    return path


def _escape_high_bytes(raw: bytes) -> bytes:
    if raw.isascii():
        return raw
    return b"".join(b"%%%02X" % byte if byte > 0x7F else bytes((byte,)) for byte in raw)


def _normal_escape(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        raise PathRefused("a percent sign is followed by two hexadecimal digits")
    byte = int(match[1], 16)
    if byte in _REFUSED_ESCAPES:
        raise PathRefused("a path holds no escaped slash, backslash or control character")
    return bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte


def _keep_slash(match: re.Match[bytes]) -> bytes:
    return b"%2F" if match[0] in (b"%2F", b"%2f") else _normal_escape(match)


def with_prefix(path: str, prefix: str) -> str:
    """Return `path` under `prefix`, added only where it is missing.

    >>> with_prefix("/doctors/", "/api/v1")
    '/api/v1/doctors/'
    """
    if not prefix or path == prefix or path.startswith(f"{prefix}/"):
        return path
    return f"{prefix}{path}" if path.startswith("/") else f"{prefix}/{path}"


def replace_prefix(path: str, old: str, new: str) -> str:
    """Return `path` with its leading `old` replaced by `new`; `old` ends at a segment."""
    return f"{new}{path[len(old) :]}"


def prefix_before(path: str, sent: str) -> str:
    """Return what a client's path has before the one that a service gets; "" when it is no such.

    A service that puts it before its own addresses (X-Forwarded-Prefix) gives out ones that work.

    >>> prefix_before("/api/shop/items", "/items"), prefix_before("/api/shop", "/")
    ('/api/shop', '/api/shop')
    >>> prefix_before("/api/shop/items", "/v2/items")
    ''
    """
    if sent == "/":
        return path.rstrip("/")
    return path.removesuffix(sent) if path.endswith(sent) else ""
