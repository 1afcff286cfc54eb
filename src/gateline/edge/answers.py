"""What the edge says itself: refusals in the standard error body, small JSON documents."""

import json
from time import perf_counter
from typing import Any, Final

from gateline.edge.exchange import Exchange, Message, Refused
from gateline.policy.headers import Headers
from gateline.policy.reasons import Reason
from gateline.policy.security_headers import missing_security_headers

_JSON: Final = (b"content-type", b"application/json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_CHALLENGE: Final = (b"www-authenticate", b"Bearer")


async def refuse(exchange: Exchange, refused: Refused) -> None:
    """Answer with the standard error body and a header that says that the edge made it."""
    reason = refused.reason
    exchange.reason = reason
    headers: Headers = [(b"x-gateline-error", reason.code.encode()), _NO_STORE, *refused.headers]
    if reason.status == 401:
        headers.append(_CHALLENGE)
    await send_json(exchange, reason.status, _error_body(exchange, refused), headers)


async def send_json(
    exchange: Exchange, status: int, content: dict[str, Any], headers: Headers
) -> None:
    """Answer with a JSON document of the edge's own."""
    body = json.dumps(content, separators=(",", ":")).encode()
    await send_whole(exchange, status, [_JSON, *headers], body)


async def send_whole(exchange: Exchange, status: int, headers: Headers, body: bytes) -> None:
    """Answer with a body that is complete; Content-Length is set from it (RFC 9110, 8.6)."""
    if status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    if exchange.method == "HEAD":
        body = b""
    send = exchange.send
    await send(start(exchange, status, headers))
    exchange.sent_bytes = len(body)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def start(exchange: Exchange, status: int, headers: Headers) -> Message:
    """Return the message with status and headers; from here on no other answer is possible."""
    exchange.status = status
    exchange.answered = True
    if exchange.security_headers:
        route = exchange.route
        # What the route takes away is not to come back as a default.
        gone = () if route is None or (made := route.response_headers) is None else made.remove
        encrypted = exchange.scheme == "https"
        headers += missing_security_headers(status, headers, encrypted=encrypted, unwanted=gone)
    headers.append((b"x-request-id", exchange.request_id.encode()))
    if exchange.response_headers:
        headers.extend(exchange.response_headers)
    if exchange.tells_timing:
        headers.append((b"server-timing", _timing(exchange)))
    return {"type": "http.response.start", "status": status, "headers": headers}


def _timing(exchange: Exchange) -> bytes:
    """Return where the time until now was spent, in milliseconds (W3C Server Timing)."""
    own = exchange.own_seconds(perf_counter() - exchange.started)
    parts = [f"edge;dur={own * 1000:.3f}"]
    if exchange.attempts:
        plural = "" if exchange.attempts == 1 else "s"
        told = f"{exchange.service}, {exchange.attempts} attempt{plural}"
        parts.append(f'upstream;dur={exchange.upstream_seconds * 1000:.3f};desc="{told}"')
    if exchange.client_seconds:
        parts.append(f"client;dur={exchange.client_seconds * 1000:.3f}")
    if exchange.cache:
        parts.append(f'cache;desc="{exchange.cache}"')
    return ", ".join(parts).encode("ascii")


def _error_body(exchange: Exchange, refused: Refused) -> dict[str, Any]:
    reason: Reason = refused.reason
    return {
        "error": reason.error,
        "message": refused.message or reason.message,
        "details": {"reason": reason.code, "request_id": exchange.request_id, **refused.details},
    }
