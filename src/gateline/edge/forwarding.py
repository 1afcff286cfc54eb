"""Forward a request to its service and hand on what it answers.

What survives of the headers is decided by `policy.headers`; what is sent again is the business of
`attempts`.
"""

import random
import time
from collections.abc import Callable
from time import perf_counter
from typing import Final

from gateline.edge.addressing import address_headers, target_of
from gateline.edge.attempts import Attempts, Outgoing
from gateline.edge.bodies import RequestBody
from gateline.edge.cookie_renewal import CookieRenewer
from gateline.edge.exchange import AnswerBroken, Exchange, Refused
from gateline.edge.mirroring import Mirrors
from gateline.edge.responding import respond
from gateline.edge.upstream import BodyStream, Client, PreparedHeaders, UpstreamError
from gateline.edge.upstreams import Upstream
from gateline.policy.headers import Headers, change, forward_request_headers
from gateline.policy.reasons import NO_ROUTE, REASONS
from gateline.policy.retries import is_repeatable
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Service
from gateline.shared.cookies import SESSION_COOKIE_STARTS

DEADLINE: Final = b"x-gateline-deadline"
"""Until when an answer is of use: epoch milliseconds, all attempts included."""

_STREAM_SECONDS: Final = 3600.0
_CREDENTIALS: Final = frozenset({b"authorization", b"cookie"})
_AUTHORIZATION: Final = frozenset({b"authorization"})
_COOKIE: Final = frozenset({b"cookie"})
_TRACE: Final = frozenset({b"traceparent", b"tracestate"})
_NOTHING: Final[frozenset[bytes]] = frozenset()


class Forwarder:
    """Sends requests to services, again where that is allowed, and passes their answers on."""

    def __init__(
        self,
        client: Client,
        *,
        renewer: CookieRenewer | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._attempts = Attempts(client, draw)
        self._mirrors = Mirrors(draw=draw)
        self._renewer = renewer

    async def forward(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Forward the exchange and answer it; raises Refused when no answer could be had."""
        upstream = exchange.gateway.upstreams.get(destination.service)
        if upstream is None:
            raise Refused(NO_ROUTE)
        exchange.service = destination.service
        # Before a place is taken: a client that dawdles must not hold one of the service's.
        body = None if exchange.body_done else await _body(exchange, route)
        slots = upstream.slots
        if slots is not None:
            await slots.enter()
        try:
            renewal = self._renewer.begin(exchange) if self._renewer is not None else None
            outgoing = _outgoing(exchange, route, destination, upstream, body)
            if route.mirror is not None:
                self._mirrors.copy(exchange, route.mirror, outgoing)
            asked = perf_counter()
            try:
                response, target = await self._attempts.ask(exchange, outgoing)
            except UpstreamError as error:
                raise _refusal(error) from error
            finally:
                exchange.upstream_seconds = perf_counter() - asked
            if response.body is None and response.is_endless:
                response.allow_silence(route.stream_idle or upstream.service.stream_idle)
            try:
                await respond(exchange, response, renewal)
            except AnswerBroken:
                upstream.failed(target, exchange.clock(), unavailable=True)
                raise
        finally:
            if slots is not None:
                slots.leave()


def _refusal(error: UpstreamError) -> Refused:
    """Return the answer to a request that no service answered."""
    reason = REASONS[error.reason]
    return Refused(reason, [(b"retry-after", b"1")] if reason.status == 503 else None)


def _outgoing(
    exchange: Exchange,
    route: Route,
    destination: Destination,
    upstream: Upstream,
    body: bytes | BodyStream | None,
) -> Outgoing:
    """Build what goes upstream."""
    service = upstream.service
    path = destination.path(exchange.path, service.prefix)
    headers = service_headers(exchange, route, service, path)
    patience = seconds = route.timeout or service.timeout
    if isinstance(body, BodyStream):
        seconds = _STREAM_SECONDS
    else:
        headers.append((DEADLINE, b"%d" % ((time.time() + seconds) * 1000)))
    return Outgoing(
        upstream,
        exchange.method.encode("ascii"),
        target_of(exchange, path),
        headers,
        body,
        exchange.clock() + seconds,
        patience,
        is_repeatable(exchange.method, b"idempotency-key" in exchange.fields),
    )


async def _body(exchange: Exchange, route: Route) -> bytes | BodyStream:
    """Return the request's body; one that is small is read whole first."""
    most = route.max_body_bytes or exchange.gateway.plan.max_body_bytes
    body = await RequestBody(exchange, most).read()
    if isinstance(body, bytes):
        return body
    length = exchange.fields.get(b"content-length")
    return BodyStream(body, None if length is None else int(length))


def service_headers(exchange: Exchange, route: Route, service: Service, path: str) -> Headers:
    """Return the headers with which a service is asked for `path`: all but those that frame."""
    headers = request_headers(exchange, route)
    headers += address_headers(exchange, service, path)
    return headers


class PassedOn:
    """What of a request's headers goes to a service, and is the same when they come again."""

    __slots__ = ("_client", "_identity_headers", "_route", "_scheme", "headers")

    def __init__(self, exchange: Exchange, route: Route) -> None:
        self._route = route
        self._identity_headers = exchange.identity_headers
        self._client = exchange.client
        self._scheme = exchange.scheme
        self.headers = PreparedHeaders.of(_steady_headers(exchange, route))

    def suits(self, exchange: Exchange, route: Route) -> bool:
        """Tell whether a request with the same headers would pass on the same."""
        return (
            self._identity_headers is exchange.identity_headers
            and self._route is route
            and self._client == exchange.client
            and self._scheme == exchange.scheme
        )


def request_headers(exchange: Exchange, route: Route) -> Headers:
    """Return the headers for the service: the client's that may pass, our own, then the route's.

    The session cookie is a credential for all services: without `share_cookie` it stays here, on
    routes too that do not ask who somebody is.
    """
    head, fields = exchange.head, exchange.fields
    request_id = (b"x-request-id", exchange.request_id.encode("ascii"))
    traced = b"traceparent" in fields
    if not traced and route.request_headers is None and exchange.headers is head.headers:
        passed_on = head.passed_on
        if passed_on is None or not passed_on.suits(exchange, route):
            passed_on = head.passed_on = PassedOn(exchange, route)
        return passed_on.headers.and_more(request_id, (b"traceparent", exchange.traceparent()))
    headers = _steady_headers(exchange, route)
    headers.append(request_id)
    if not traced:
        headers.append((b"traceparent", exchange.traceparent()))
    elif not exchange.continues_trace(headers):
        headers = [pair for pair in headers if pair[0] not in _TRACE]
        headers.append((b"traceparent", exchange.traceparent()))
    # Last, so that what the file says is what goes out, whoever asks.
    return headers if route.request_headers is None else change(headers, route.request_headers)


def _steady_headers(exchange: Exchange, route: Route) -> Headers:
    """Return the headers for the service but for those that are new with every request."""
    fields = exchange.fields
    known = exchange.identity is not None
    if b"cookie" in fields:
        drop = _CREDENTIALS if known else _COOKIE
    else:
        drop = _AUTHORIZATION if known else _NOTHING
    headers = forward_request_headers(
        exchange.headers,
        connection=_connection(exchange) if b"connection" in fields else None,
        drop=drop,
    )
    if b"cookie" in fields:
        headers += _cookies(exchange, keep_session=route.share_cookie)
    headers += exchange.identity_headers
    headers += (
        (b"x-forwarded-for", exchange.client.encode("ascii")),
        (b"x-forwarded-proto", exchange.scheme.encode("ascii")),
        (b"x-forwarded-host", fields[b"host"]),
    )
    return headers


def _connection(exchange: Exchange) -> bytes:
    """Return the options of every Connection header: a client may send several."""
    return b",".join(value for name, value in exchange.headers if name == b"connection")


def _cookies(exchange: Exchange, *, keep_session: bool) -> Headers:
    """Return the client's cookies, without that of the session unless the service may see it.

    HTTP/2 may carry them in several fields; a service expects one (RFC 9113, section 8.2.3).
    """
    pairs = [
        pair.strip()
        for name, value in exchange.headers
        if name == b"cookie"
        for pair in value.split(b";")
        if keep_session or not pair.lstrip().startswith(SESSION_COOKIE_STARTS)
    ]
    joined = b"; ".join(filter(None, pairs))
    return [(b"cookie", joined)] if joined else []
