"""Pass a service's answer on to the client, whole or as it comes.

What survives of its headers is decided by `policy.headers`. This module only does it.
"""

import asyncio
from typing import Final

from gateline.edge import answers
from gateline.edge.exchange import AnswerBroken, Exchange
from gateline.edge.upstream import Response, UpstreamError
from gateline.policy.headers import Headers, forward_response_headers
from gateline.policy.reasons import REASONS
from gateline.shared.cookies import SESSION_COOKIE_STARTS

_TAKE_SECONDS: Final = 60.0
_COOKIE_WAIT_SECONDS: Final = 1.0
_CORS: Final = b"access-control-"
_EMPTY_STATUS: Final = (204, 304)


async def respond(
    exchange: Exchange, response: Response, renewal: "asyncio.Task[Headers] | None" = None
) -> None:
    """Answer the exchange with what the service said; raises AnswerBroken when it breaks off.

    `renewal` is the session cookie that is being fetched for this client, if one is.
    """
    if renewal is not None and not _sets_session(response):
        exchange.response_headers += await _renewed(renewal)
    headers = forward_response_headers(response.headers)
    if exchange.speaks_cors:
        headers = [pair for pair in headers if not pair[0].startswith(_CORS)]
    if exchange.method == "HEAD" or response.status in _EMPTY_STATUS:
        await _respond_empty(exchange, response, headers)
    elif response.body is not None:
        await answers.send_whole(exchange, response.status, headers, response.body)
    else:
        await _stream(exchange, response, headers)


async def _respond_empty(exchange: Exchange, response: Response, headers: Headers) -> None:
    """Answer without a body; Content-Length tells what a GET would have (RFC 9110, 8.6)."""
    length = _content_length(response) if response.status != 204 else None
    if length is not None:
        headers.append((b"content-length", length))
    await answers.start(exchange, response.status, headers)
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _stream(exchange: Exchange, response: Response, headers: Headers) -> None:
    """Pass the body on as it comes; `send` waits for the client, so memory stays bounded."""
    length = _content_length(response)
    if length is not None:
        headers.append((b"content-length", length))
    send = exchange.send
    clock = asyncio.get_running_loop().time
    try:
        await answers.start(exchange, response.status, headers)
        while chunk := await response.read_chunk():
            exchange.sent_bytes += len(chunk)
            # Who reads nothing at all must not hold a connection to the service for ever.
            exchange.deadline = clock() + _TAKE_SECONDS
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            exchange.deadline = None
    except UpstreamError as error:
        exchange.reason = REASONS[error.reason]
        raise AnswerBroken from error
    finally:
        response.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _content_length(response: Response) -> bytes | None:
    for name, value in response.headers:
        if name.lower() == b"content-length":
            return value.strip()
    return None


async def _renewed(renewal: "asyncio.Task[Headers]") -> Headers:
    """Return the cookie that follows, if it comes in time; the request does not fail for it."""
    await asyncio.wait({renewal}, timeout=_COOKIE_WAIT_SECONDS)
    if renewal.done() and not renewal.cancelled() and renewal.exception() is None:
        return renewal.result()
    return []


def _sets_session(response: Response) -> bool:
    """Tell whether the service gives or takes the session cookie itself: a login or a logout."""
    return any(
        name.lower() == b"set-cookie" and value.startswith(SESSION_COOKIE_STARTS)
        for name, value in response.headers
    )
