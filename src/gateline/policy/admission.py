"""Is the head of a request one that the gateway may take at all.

Everything here is an ambiguity that two HTTP implementations could read in two ways (request
smuggling, routing by the wrong host), so it is refused and not repaired (RFC 9112, sections 3.2
and 6.3).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from gateline.policy.reasons import (
    BAD_REQUEST,
    HOST_NOT_ALLOWED,
    METHOD_NOT_ALLOWED,
    Reason,
)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_.-])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
_ONCE: Final = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,128}")


def refuse_method(method: str) -> Reason | None:
    """Return why a request with this method is refused, or None."""
    return None if method in METHODS else METHOD_NOT_ALLOWED


def refuse_headers(
    headers: Sequence[tuple[bytes, bytes]], fields: Mapping[bytes, bytes]
) -> Reason | None:
    """Return why a request with these headers is refused, whatever its method, or None.

    `headers` are all pairs with lower-case names, `fields` the same as a mapping (one value each).
    """
    host = fields.get(b"host")
    if host is None or not _HOST.fullmatch(host):
        return BAD_REQUEST
    if len(fields) != len(headers) and _repeats(headers):
        return BAD_REQUEST
    if b"_" in b"".join(fields):
        return BAD_REQUEST
    return _refuse_framing(fields)


def _repeats(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    names = [name for name, _ in headers]
    return any(names.count(name) > 1 for name in _ONCE)


def _refuse_framing(fields: Mapping[bytes, bytes]) -> Reason | None:
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or b"content-length" in fields):
        return BAD_REQUEST
    length = fields.get(b"content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        return BAD_REQUEST
    return None


def host_name(host: bytes) -> str:
    """Return the name of a valid Host header: lower case, without port and trailing dot."""
    text = host.decode("ascii").lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0].rstrip(".")


def refuse_host(name: str, allowed: Collection[str]) -> Reason | None:
    """Return why a host name is refused; an empty `allowed` allows all.

    An entry is a name, or `.example.com` / `*.example.com` for every name below it.
    """
    if not allowed or name in allowed or "*" in allowed:
        return None
    parent = name.partition(".")[2]
    while parent:
        if f".{parent}" in allowed or f"*.{parent}" in allowed:
            return None
        parent = parent.partition(".")[2]
    return HOST_NOT_ALLOWED


def request_id(offered: bytes | None) -> str | None:
    """Return a client's X-Request-ID when it is fit to be used, else None."""
    if offered is None or not _REQUEST_ID.fullmatch(offered):
        return None
    return offered.decode("ascii")
