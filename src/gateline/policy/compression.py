"""Whether an answer may be compressed on its way, and how (RFC 9110, sections 8.4 and 12.5.3)."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from gateline.policy.headers import Headers

LEAST_BYTES: Final = 1024
"""Below this a compressed body saves nothing that a network would notice."""

CODINGS: Final = (b"zstd", b"br", b"gzip")
"""What we can do, best first where a client likes several equally: by the CPU that each takes."""

_COMPRESSIBLE: Final = frozenset(
    {
        b"application/graphql",
        b"application/javascript",
        b"application/json",
        b"application/manifest+json",
        b"application/ndjson",
        b"application/rtf",
        b"application/wasm",
        b"application/x-javascript",
        b"application/x-ndjson",
        b"application/x-www-form-urlencoded",
        b"application/xml",
        b"application/yaml",
        b"font/otf",
        b"font/ttf",
        b"image/bmp",
        b"image/svg+xml",
        b"image/x-icon",
    }
)
_NEVER_COMPRESSED: Final = frozenset(
    {
        b"content-digest",
        b"content-encoding",
        b"content-md5",
        b"content-range",
        b"digest",
        b"repr-digest",
        b"set-cookie",
        b"transfer-encoding",
    }
)
_WITH_BODY_OF_ITS_OWN: Final = frozenset({204, 206, 304})
_OF_THIS_SITE: Final = frozenset({b"same-origin", b"none"})
_ALIASES: Final = {b"x-gzip": b"gzip"}


@lru_cache(maxsize=256)
def choose_coding(accept: bytes | None) -> bytes | None:
    """Return the coding that an Accept-Encoding asks for most; None sends the body as it is.

    Of codings with the same weight the cheapest one wins. A client that says nothing gets nothing.
    """
    if not accept:
        return None
    weights = _weights(accept)
    anything = weights.get(b"*", 0.0)
    best, most = None, 0.0
    for coding in CODINGS:
        weight = weights.get(coding, anything)
        if weight > most:
            best, most = coding, weight
    return best if most >= weights.get(b"identity", 0.0) else None


def _weights(accept: bytes) -> dict[bytes, float]:
    weights: dict[bytes, float] = {}
    for item in accept.lower().split(b","):
        name, *parameters = (part.strip() for part in item.split(b";"))
        if name:
            weights[_ALIASES.get(name, name)] = _weight(parameters)
    return weights


def _weight(parameters: Iterable[bytes]) -> float:
    """Return the q-value; one that makes no sense excludes, as that can do no harm."""
    for parameter in parameters:
        key, _, value = parameter.partition(b"=")
        if key.strip() == b"q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0.0 <= weight <= 1.0 else 0.0
    return 1.0


@lru_cache(maxsize=256)
def is_compressible(content_type: bytes) -> bool:
    """Tell whether bodies of this media type become smaller; what is packed already does not."""
    kind = content_type.partition(b";")[0].strip().lower()
    return (
        kind in _COMPRESSIBLE
        or kind.startswith(b"text/")
        or kind.endswith((b"+json", b"+xml", b"+text"))
    )


def may_compress(status: int, headers: Headers, length: int | None) -> bool:
    """Tell whether this answer may be compressed at all; header names in lower case.

    Never what the upstream has encoded, a part of something, what must not be transformed or has a
    digest of its bytes, or what sets a cookie: a secret beside text that a stranger chose can be
    guessed by length (BREACH).
    """
    if status < 200 or status in _WITH_BODY_OF_ITS_OWN:
        return False
    if length is not None and length < LEAST_BYTES:
        return False
    kind = b""
    for name, value in headers:
        if name in _NEVER_COMPRESSED or (
            name == b"cache-control" and b"no-transform" in value.lower()
        ):
            return False
        if name == b"content-type":
            kind = value
    return is_compressible(kind)


def is_guess(fields: Mapping[bytes, bytes]) -> bool:
    """Tell whether another site made the browser send its cookies: BREACH begins like that."""
    site = fields.get(b"sec-fetch-site")
    return b"cookie" in fields and site is not None and site.strip() not in _OF_THIS_SITE


def weaken(headers: Headers) -> Headers:
    """Return the headers with a weak ETag: other bytes, same meaning (RFC 9110, 8.8.3.3).

    Nor are ranges offered, which would be ranges of the bytes that the upstream has.
    """
    return [
        (name, b"W/" + value) if name == b"etag" and value.startswith(b'"') else (name, value)
        for name, value in headers
        if name != b"accept-ranges"
    ]


def vary_on_coding(headers: Headers) -> Headers:
    """Return the headers with Accept-Encoding among what the answer depends on."""
    for name, value in headers:
        if name == b"vary":
            names = {one.strip() for one in value.lower().split(b",")}
            if b"accept-encoding" in names or b"*" in names:
                return headers
    return [*headers, (b"vary", b"accept-encoding")]
