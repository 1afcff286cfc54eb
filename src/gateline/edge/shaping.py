"""What an answer looks like to the client: the route's headers, and the coding of its body.

What may be compressed is decided by `policy.compression`.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateline.edge.compressing import encoder_for
from gateline.edge.exchange import Exchange
from gateline.edge.record import COMPRESSED
from gateline.policy.compression import (
    choose_coding,
    is_guess,
    may_compress,
    vary_on_coding,
    weaken,
)
from gateline.policy.headers import Headers, change
from gateline.policy.rate_limit_fields import NAMES as LIMIT_FIELDS
from gateline.policy.routes import Route

_AT_ONCE_BYTES: Final = 64 * 1024
_CORS: Final = b"access-control-"


def shape(
    exchange: Exchange, status: int, headers: Headers, length: int | None
) -> tuple[Headers, bytes | None]:
    """Return the headers as the client gets them and the coding of the body, None for as it is.

    What the edge says itself about limits and other origins takes the place of what the service
    says. `length` is the body's, None when nobody knows it yet.
    """
    if exchange.speaks_cors:
        headers = [pair for pair in headers if not pair[0].startswith(_CORS)]
    route = exchange.route
    if route is None:
        return headers, None
    headers = without_limit_fields(route, headers)
    if route.response_headers is not None:
        headers = change(headers, route.response_headers)
    if not route.compress:
        return headers, None
    return _compress(exchange, status, headers, length)


def without_limit_fields(route: Route | None, headers: Headers) -> Headers:
    """Return the headers without what a service says of limits, where the edge says it itself."""
    if route is None or not route.limits:
        return headers
    return [pair for pair in headers if pair[0] not in LIMIT_FIELDS]


def _compress(
    exchange: Exchange, status: int, headers: Headers, length: int | None
) -> tuple[Headers, bytes | None]:
    """Return what `policy.compression` makes of an answer."""
    fields = exchange.fields
    wanted = None if is_guess(fields) else choose_coding(fields.get(b"accept-encoding"))
    if status == 304:
        return (headers if wanted is None else weaken(headers)), None
    if not may_compress(status, headers, length):
        return headers, None
    headers = vary_on_coding(headers)
    if wanted is None:
        return headers, None
    return [*weaken(headers), (b"content-encoding", wanted)], wanted


async def encode_whole(coding: bytes, body: bytes) -> bytes:
    """Return a whole body in this coding."""
    encoded = await encode_piece(encoder_for(coding).finish, body)
    count_encoded(coding, len(body), len(encoded))
    return encoded


async def encode_piece(encode: Callable[[bytes], bytes], chunk: bytes) -> bytes:
    """Encode; much of it on a thread, for the encoders let others run meanwhile."""
    if len(chunk) <= _AT_ONCE_BYTES:
        return encode(chunk)
    return await asyncio.to_thread(encode, chunk)


def count_encoded(coding: bytes, before: int, after: int) -> None:
    """Count the bytes of a body before and after its compression."""
    name = coding.decode("ascii")
    COMPRESSED.labels(name, "in").inc(before)
    COMPRESSED.labels(name, "out").inc(after)
