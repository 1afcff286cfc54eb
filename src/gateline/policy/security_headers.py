"""What browsers are told to be strict about when the service itself says nothing of it.

What a service says always stands: each header is added only where it says none of that name.
"""

import re
from collections.abc import Collection
from typing import Final

from gateline.policy.headers import Headers

Pairs = tuple[tuple[bytes, bytes], ...]

_DEFAULTS: Final[Pairs] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"strict-transport-security", b"max-age=31536000"),
)
_CSP: Final = b"content-security-policy"
_BITS: Final = {name: 1 << place for place, (name, _) in enumerate([*_DEFAULTS, (_CSP, b"")])}
_FRAMES_BIT: Final = _BITS[b"x-frame-options"]
_TRANSPORT_BIT: Final = _BITS[b"strict-transport-security"]
_CSP_BIT: Final = _BITS[_CSP]
_LEFT: Final[tuple[Pairs, ...]] = tuple(
    tuple(pair for pair in _DEFAULTS if not said & _BITS[pair[0]])
    for said in range(1 << len(_BITS))
)
"""What is left to add, by the bits of what is said."""

_FRAME_ANCESTORS: Final = re.compile(rb"[;,]\s*frame-ancestors[\s;,]", re.IGNORECASE)
_NOT_MODIFIED: Final = 304


def missing_security_headers(
    status: int, headers: Headers, *, encrypted: bool, unwanted: Collection[bytes] = ()
) -> Pairs:
    """Return the headers to add to an answer (names in lower case).

    `encrypted` tells that the client came by https: elsewhere nobody may say
    Strict-Transport-Security (RFC 6797, section 7.2). `unwanted` are names that are not to be
    added. A 304 gets none: its headers would replace those of the answer that the client keeps,
    where the service may have said something else (RFC 9111, section 3.2).
    """
    if status == _NOT_MODIFIED:
        return ()
    bits = [_BITS[name] for name, _ in headers if name in _BITS]
    if unwanted:
        bits += [_BITS[name] for name in unwanted if name in _BITS]
    said = 0 if encrypted else _TRANSPORT_BIT
    for bit in bits:
        said |= bit
    if said & _CSP_BIT and not said & _FRAMES_BIT and _rules_frames(headers):
        said |= _FRAMES_BIT
    return _LEFT[said]


def _rules_frames(headers: Headers) -> bool:
    """Tell whether a Content-Security-Policy has the directive `frame-ancestors` (CSP 3, 6.4.2)."""
    for name, value in headers:
        if name == _CSP and _FRAME_ANCESTORS.search(b";" + value + b";"):
            return True
    return False
