"""Pass a service's answer on to the client, whole or as it comes.

What survives of its headers is decided by `policy.headers`, what a route makes of it by `shaping`.
"""

import asyncio
from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateline.edge import answers
from gateline.edge.compressing import encoder_for
from gateline.edge.exchange import AnswerBroken, Exchange
from gateline.edge.shaping import (
    count_encoded,
    encode_piece,
    encode_whole,
    shape,
    without_limit_fields,
)
from gateline.edge.upstream import Response, UpstreamError
from gateline.policy.cache_control import first, is_unchanged
from gateline.policy.caching import without_body
from gateline.policy.headers import FROM_RESPONSE, Headers, forward_response_headers
from gateline.policy.rate_limit_fields import NAMES as LIMIT_FIELDS
from gateline.policy.reasons import REASONS
from gateline.shared.cookies import SESSION_COOKIE_STARTS

if TYPE_CHECKING:
    from gateline.edge.caching import Asking, Stored

_TAKE_SECONDS: Final = 60.0
_COOKIE_WAIT_SECONDS: Final = 1.0
_FROM_LIMITED: Final = FROM_RESPONSE | LIMIT_FIELDS
_EMPTY_STATUS: Final = (204, 304)
_SHARED: Final = (b"public", b"s-maxage")


def respond(exchange: Exchange, response: Response) -> Awaitable[None]:
    """Return what answers the exchange, when awaited, with what the service said.

    Raises AnswerBroken when it breaks off.
    """
    if exchange.filling is not None:
        return _respond_and_keep(exchange, response, exchange.filling)
    route = exchange.route
    limited = route is not None and route.limits
    unwanted = _FROM_LIMITED if limited else FROM_RESPONSE
    return _respond(exchange, response, forward_response_headers(response.headers, unwanted))


async def add_renewed_cookie(
    exchange: Exchange, response: Response, renewal: "asyncio.Task[Headers]"
) -> None:
    """Give the client the session cookie that is being fetched, where it may have it and comes."""
    if _sets_session(response) or _is_shared(response):
        return
    await asyncio.wait({renewal}, timeout=_COOKIE_WAIT_SECONDS)
    # The request does not fail for it.
    if renewal.done() and not renewal.cancelled() and renewal.exception() is None:
        exchange.response_headers += renewal.result()


def _respond(exchange: Exchange, response: Response, headers: Headers) -> Awaitable[None]:
    """Return what answers with these headers, in which no service speaks of our limits."""
    coding = None
    route = exchange.route
    if exchange.speaks_cors or (
        route is not None and (route.compress or route.response_headers is not None)
    ):
        headers, coding = shape(exchange, response.status, headers, _length(exchange, response))
    if exchange.method == "HEAD" or response.status in _EMPTY_STATUS:
        return _respond_empty(exchange, response, headers, encoded=coding is not None)
    body = response.body
    if body is None:
        return _stream(exchange, response, headers, coding)
    if coding is None:
        return answers.send_whole(exchange, response.status, headers, body)
    return _respond_encoded(exchange, response.status, headers, body, coding)


async def _respond_encoded(
    exchange: Exchange, status: int, headers: Headers, body: bytes, coding: bytes
) -> None:
    await answers.send_whole(exchange, status, headers, await encode_whole(coding, body))


async def _respond_and_keep(exchange: Exchange, response: Response, filling: "Asking") -> None:
    """Answer, from what the cache has when the service says so; give the cache what it may keep."""
    stored = filling.settle(response)
    if stored is not None:
        response.close()
        await send_stored(exchange, stored, filling.age(stored))
        return
    headers = forward_response_headers(response.headers)
    if filling.wants_body and response.body is not None:
        filling.keep(response.status, list(headers), response.body)
    if _is_known(exchange, response.status, headers):
        await _respond_unchanged(exchange, filling, response, headers)
        return
    await _respond(exchange, response, without_limit_fields(exchange.route, headers))


async def send_stored(exchange: Exchange, stored: "Stored", age: float) -> None:
    """Answer with what the cache keeps; `age` in seconds."""
    headers = [*stored.headers, (b"age", b"%d" % age)]
    if _is_known(exchange, stored.status, headers):
        headers, _ = shape(exchange, 304, without_body(headers), 0)
        await answers.send_whole(exchange, 304, headers, b"")
        return
    headers, coding = shape(exchange, stored.status, headers, len(stored.body))
    body = stored.body
    if coding is not None:
        body = stored.encoded.get(coding) or await encode_whole(coding, body)
        stored.encoded[coding] = body
    await answers.send_whole(exchange, stored.status, headers, body)


def _is_known(exchange: Exchange, status: int, headers: Headers) -> bool:
    """Tell whether the client has this very answer already."""
    fields = exchange.fields
    if status != 200 or not (b"if-none-match" in fields or b"if-modified-since" in fields):
        return False
    return is_unchanged(fields, first(headers, b"etag"), first(headers, b"last-modified"))


async def _respond_unchanged(
    exchange: Exchange, filling: "Asking", response: Response, headers: Headers
) -> None:
    """Tell the client that it has the answer already, then read it for the cache."""
    shown, _ = shape(exchange, 304, without_body(headers), 0)
    await answers.send_whole(exchange, 304, shown, b"")
    try:
        if response.body is None and filling.wants_body:
            gathered = Gathered(filling, response.status, headers)
            while gathered.is_wanted and (chunk := await response.read_chunk()):
                gathered.add(chunk)
            gathered.finish()
    except UpstreamError:
        return  # the client has its answer; the cache goes without
    finally:
        response.close()


async def _respond_empty(
    exchange: Exchange, response: Response, headers: Headers, *, encoded: bool
) -> None:
    """Answer without a body; Content-Length tells what a GET would have (RFC 9110, 8.6)."""
    length = _content_length(response) if response.status != 204 and not encoded else None
    if length is not None:
        headers.append((b"content-length", length))
    await exchange.send(answers.start(exchange, response.status, headers))
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


class Gathered:
    """The body of a streamed answer on its way into the cache, as long as it is small enough."""

    __slots__ = ("_chunks", "_filling", "_headers", "_size", "_status", "is_wanted")

    def __init__(self, filling: "Asking", status: int, headers: Headers) -> None:
        self._filling = filling
        self._status = status
        self._headers = headers
        self._chunks: list[bytes] = []
        self._size = 0
        self.is_wanted = True

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._size += len(chunk)
        if self._size > self._filling.most_bytes:
            self.is_wanted = False
            self._chunks.clear()
            self._filling.give_up()
        elif self.is_wanted:
            self._chunks.append(chunk)

    def finish(self) -> None:
        """Keep the body, which has come to its end."""
        if self.is_wanted:
            self._filling.keep(self._status, self._headers, b"".join(self._chunks))


async def _stream(
    exchange: Exchange, response: Response, headers: Headers, coding: bytes | None
) -> None:
    """Pass the body on as it comes; `send` waits for the client, so memory stays bounded."""
    encoder = None if coding is None else encoder_for(coding)
    came_bytes = 0
    length = _content_length(response)
    if length is not None and encoder is None:
        headers.append((b"content-length", length))
    filling = exchange.filling
    gathered = None
    if filling is not None and filling.wants_body:
        kept = forward_response_headers(response.headers)
        gathered = Gathered(filling, response.status, kept)
    send = exchange.send
    clock = asyncio.get_running_loop().time
    try:
        await exchange.send(answers.start(exchange, response.status, headers))
        while True:
            asked = perf_counter()
            chunk = await response.read_chunk()
            came = perf_counter()
            exchange.upstream_seconds += came - asked
            if not chunk:
                break
            if gathered is not None:
                gathered.add(chunk)
            if encoder is not None:
                came_bytes += len(chunk)
                chunk = await encode_piece(encoder.encode, chunk)
            exchange.sent_bytes += len(chunk)
            # Who reads nothing at all must not hold a connection to the service for ever.
            exchange.deadline = clock() + _TAKE_SECONDS
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            exchange.deadline = None
            exchange.client_seconds += perf_counter() - came
    except UpstreamError as error:
        exchange.reason = REASONS[error.reason]
        raise AnswerBroken from error
    finally:
        response.close()
    if gathered is not None:
        gathered.finish()
    last = b""
    if coding is not None and encoder is not None:
        last = encoder.finish()
        count_encoded(coding, came_bytes, exchange.sent_bytes + len(last))
        exchange.sent_bytes += len(last)
    await send({"type": "http.response.body", "body": last, "more_body": False})


def _content_length(response: Response) -> bytes | None:
    for name, value in response.headers:
        if name.lower() == b"content-length":
            return value.strip()
    return None


def _length(exchange: Exchange, response: Response) -> int | None:
    """Return how long the body is, for HEAD that of a GET; None when nobody knows yet."""
    if response.body is not None and exchange.method != "HEAD":
        return len(response.body)
    length = _content_length(response)
    return int(length) if length is not None and length.isdigit() else None


def _sets_session(response: Response) -> bool:
    """Tell whether the service gives or takes the session cookie itself: a login or a logout."""
    return any(
        name.lower() == b"set-cookie" and value.startswith(SESSION_COOKIE_STARTS)
        for name, value in response.headers
    )


def _is_shared(response: Response) -> bool:
    """Tell whether caches behind us may keep the answer: then no session may go along with it."""
    return any(
        name.lower() == b"cache-control" and any(word in value.lower() for word in _SHARED)
        for name, value in response.headers
    )
