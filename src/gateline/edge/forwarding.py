"""Forward a request to its service and hand on what it answers.

What the service is told is the business of `request_headers`, what is sent again that of
`attempts`.
"""

import random
import time
from collections.abc import Callable
from time import perf_counter
from typing import Final

from gateline.edge.addressing import target_of
from gateline.edge.attempts import Attempts, Outgoing
from gateline.edge.bodies import RequestBody
from gateline.edge.cookie_renewal import CookieRenewer
from gateline.edge.exchange import AnswerBroken, Exchange, Refused
from gateline.edge.mirroring import Mirrors
from gateline.edge.request_headers import outgoing_headers
from gateline.edge.responding import add_renewed_cookie, respond
from gateline.edge.upstream import BodyStream, Client, UpstreamError
from gateline.edge.upstreams import Upstream
from gateline.policy.reasons import NO_ROUTE, REASONS
from gateline.policy.retries import is_repeatable
from gateline.policy.routes import Destination, Route

_STREAM_SECONDS: Final = 3600.0


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
            renewal = None
            if exchange.cookie_token is not None and self._renewer is not None:
                renewal = self._renewer.begin(exchange)
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
            if renewal is not None:
                await add_renewed_cookie(exchange, response, renewal)
            try:
                await respond(exchange, response)
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
    patience = seconds = route.timeout or service.timeout
    until = None
    if isinstance(body, BodyStream):
        seconds = _STREAM_SECONDS
    else:
        until = int((time.time() + seconds) * 1000)
    headers = outgoing_headers(exchange, route, service, path, until)
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
