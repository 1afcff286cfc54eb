"""Forward a request to its service and stream the answer back.

What is sent again, and when, is decided by `policy.retries`; what survives of the headers by
`policy.headers`. This module only does it.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from gateline.edge import answers
from gateline.edge.bodies import RequestBody
from gateline.edge.cookie_renewal import CookieRenewer
from gateline.edge.exchange import AnswerBroken, Exchange, Refused
from gateline.edge.upstream import (
    BodyStream,
    Client,
    Pool,
    PoolExhausted,
    Response,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.policy.headers import Headers, forward_request_headers, forward_response_headers
from gateline.policy.reasons import NO_ROUTE, REASONS
from gateline.policy.retries import Outcome, is_repeatable, next_delay
from gateline.policy.routes import Destination, Route, Service
from gateline.shared.cookies import SECURE_SESSION_COOKIE, SESSION_COOKIE

_STREAM_SECONDS: Final = 3600.0
_TAKE_SECONDS: Final = 60.0
_COOKIE_WAIT_SECONDS: Final = 1.0
_OWN_COOKIES: Final = (SESSION_COOKIE.encode() + b"=", SECURE_SESSION_COOKIE.encode() + b"=")
_CREDENTIALS: Final = frozenset({b"authorization", b"cookie"})
_AUTHORIZATION: Final = frozenset({b"authorization"})
_CORS: Final = b"access-control-"
_NOTHING: Final[frozenset[bytes]] = frozenset()
_EMPTY_STATUS: Final = (204, 304)


@dataclass(frozen=True, slots=True)
class Target:
    """One pool of connections and the name under which logs and metrics know it."""

    name: str
    pool: Pool


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service and the targets that serve it."""

    service: Service
    targets: tuple[Target, ...]

    def choose(self, draw: Callable[[], float]) -> Target:
        """Return the less busy of two targets drawn at random."""
        targets = self.targets
        if len(targets) == 1:
            return targets[0]
        one = targets[int(draw() * len(targets))]
        other = targets[int(draw() * len(targets))]
        return one if one.pool.in_use <= other.pool.in_use else other


@dataclass(slots=True)
class Outgoing:
    """A request as it goes to a service; `deadline` is a time of the event loop's clock."""

    upstream: Upstream
    method: bytes
    path: bytes
    headers: Headers
    body: bytes | BodyStream | None
    deadline: float
    repeatable: bool


class Forwarder:
    """Sends requests to services, again where that is allowed, and passes their answers on."""

    def __init__(
        self,
        client: Client,
        upstreams: Mapping[str, Upstream],
        *,
        max_body_bytes: int,
        renewer: CookieRenewer | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._upstreams = upstreams
        self._max_body_bytes = max_body_bytes
        self._renewer = renewer
        self._draw = draw

    async def forward(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Forward the exchange and answer it; raises Refused when no answer could be had."""
        upstream = self._upstreams.get(destination.service)
        if upstream is None:
            raise Refused(NO_ROUTE)
        exchange.service = destination.service
        renewal = self._renewer.begin(exchange) if self._renewer is not None else None
        loop = asyncio.get_running_loop()
        outgoing = await self._outgoing(exchange, route, destination, upstream, loop)
        asked = perf_counter()
        try:
            response = await self._ask(exchange, outgoing, loop)
        except UpstreamError as error:
            raise Refused(REASONS[error.reason]) from error
        finally:
            exchange.upstream_seconds = perf_counter() - asked
        if renewal is not None and not _sets_session(response):
            exchange.response_headers += await _renewed(renewal)
        await _respond(exchange, response)

    async def _outgoing(
        self,
        exchange: Exchange,
        route: Route,
        destination: Destination,
        upstream: Upstream,
        loop: asyncio.AbstractEventLoop,
    ) -> Outgoing:
        """Build what goes upstream; a body that is small is read whole first."""
        path = destination.path(exchange.path, upstream.service.prefix).encode("ascii")
        if exchange.query:
            path = path + b"?" + exchange.query
        most = route.max_body_bytes or self._max_body_bytes
        body = None if exchange.body_done else await _body(exchange, most)
        seconds = _STREAM_SECONDS if isinstance(body, BodyStream) else upstream.service.timeout
        return Outgoing(
            upstream,
            exchange.method.encode("ascii"),
            path,
            _headers(exchange, route),
            body,
            loop.time() + seconds,
            is_repeatable(exchange.method, b"idempotency-key" in exchange.fields),
        )

    async def _ask(
        self, exchange: Exchange, outgoing: Outgoing, loop: asyncio.AbstractEventLoop
    ) -> Response:
        """Make attempts until one answers or the policy says stop."""
        passing = outgoing.upstream.service.retry.statuses
        while True:
            began = loop.time()
            result = await self._attempt(exchange, outgoing)
            if isinstance(result, Response) and result.status not in passing:
                return result
            delay = self._delay(exchange, outgoing, result, began, loop.time())
            if delay is None:
                if isinstance(result, UpstreamError):
                    raise result
                return result
            if isinstance(result, Response):
                result.close()
            await asyncio.sleep(delay)

    async def _attempt(self, exchange: Exchange, outgoing: Outgoing) -> Response | UpstreamError:
        target = outgoing.upstream.choose(self._draw)
        exchange.attempts += 1
        exchange.target = target.name
        service = outgoing.upstream.service
        try:
            return await self._client.send(
                target.pool,
                outgoing.method,
                outgoing.path,
                outgoing.headers,
                outgoing.body,
                deadline=outgoing.deadline,
                connect_timeout=service.connect_timeout,
                read_timeout=service.timeout,
            )
        except UpstreamError as error:
            return error

    def _delay(
        self,
        exchange: Exchange,
        outgoing: Outgoing,
        result: Response | UpstreamError,
        began: float,
        now: float,
    ) -> float | None:
        """Return the wait before the next attempt, None when this was the last."""
        outcome = _outcome(result)
        if isinstance(result, PoolExhausted):
            return None
        if isinstance(outgoing.body, BodyStream) and outcome is not Outcome.CONNECT_FAILED:
            return None  # its bytes are gone: what came from the client cannot be read again
        return next_delay(
            outgoing.upstream.service.retry,
            attempt=exchange.attempts,
            repeatable=outgoing.repeatable,
            outcome=outcome,
            status=result.status if isinstance(result, Response) else None,
            retry_after=_retry_after(result) if isinstance(result, Response) else None,
            remaining=outgoing.deadline - now,
            took=now - began,
            random=self._draw(),
        )


async def _body(exchange: Exchange, most: int) -> bytes | BodyStream:
    body = await RequestBody(exchange, most).read()
    if isinstance(body, bytes):
        return body
    length = exchange.fields.get(b"content-length")
    return BodyStream(body, None if length is None else int(length))


def _headers(exchange: Exchange, route: Route) -> Headers:
    """Return the headers for the service: the client's that may pass, then our own."""
    fields = exchange.fields
    known = exchange.identity is not None
    headers = forward_request_headers(
        exchange.headers,
        connection=_connection(exchange) if b"connection" in fields else None,
        drop=(_CREDENTIALS if b"cookie" in fields else _AUTHORIZATION) if known else _NOTHING,
    )
    if known and b"cookie" in fields:
        headers += _cookies(exchange, keep_session=route.share_cookie)
    request_id = exchange.request_id.encode("ascii")
    headers += exchange.identity_headers
    headers += (
        (b"x-forwarded-for", exchange.client.encode("ascii")),
        (b"x-forwarded-proto", exchange.scheme.encode("ascii")),
        (b"x-forwarded-host", fields[b"host"]),
        (b"x-request-id", request_id),
    )
    if b"traceparent" not in fields:
        headers.append((b"traceparent", exchange.traceparent()))
    return headers


def _connection(exchange: Exchange) -> bytes:
    """Return the options of every Connection header: a client may send several."""
    return b",".join(value for name, value in exchange.headers if name == b"connection")


def _cookies(exchange: Exchange, *, keep_session: bool) -> Headers:
    """Return the client's cookies, without that of the session unless the service may see it."""
    pairs = [
        pair
        for name, value in exchange.headers
        if name == b"cookie"
        for pair in value.split(b";")
        if keep_session or not pair.lstrip().startswith(_OWN_COOKIES)
    ]
    return [(b"cookie", b";".join(pairs).strip())] if pairs else []


def _outcome(result: Response | UpstreamError) -> Outcome:
    if isinstance(result, Response):
        return Outcome.STATUS
    if not result.may_have_arrived:
        return Outcome.CONNECT_FAILED
    return Outcome.TIMED_OUT if isinstance(result, UpstreamTimeout) else Outcome.LOST


def _retry_after(response: Response) -> float | None:
    """Return the seconds of a Retry-After header; its form as a date is not worth a wait."""
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.isdigit():
            return float(value)
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
        name.lower() == b"set-cookie" and value.startswith(_OWN_COOKIES)
        for name, value in response.headers
    )


async def _respond(exchange: Exchange, response: Response) -> None:
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
