"""Forward a request to its service and hand on what it answers.

What is sent again, and when, is decided by `policy.retries`; what survives of the headers by
`policy.headers`. This module only does it.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from gateline.edge.bodies import RequestBody
from gateline.edge.cookie_renewal import CookieRenewer
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.responding import respond
from gateline.edge.upstream import (
    BodyStream,
    Client,
    Pool,
    PoolExhausted,
    Response,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.policy.headers import Headers, change, forward_request_headers
from gateline.policy.reasons import NO_ROUTE, REASONS
from gateline.policy.retries import Outcome, is_repeatable, next_delay
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Service
from gateline.shared.cookies import SESSION_COOKIE_STARTS

_STREAM_SECONDS: Final = 3600.0
_CREDENTIALS: Final = frozenset({b"authorization", b"cookie"})
_AUTHORIZATION: Final = frozenset({b"authorization"})
_NOTHING: Final[frozenset[bytes]] = frozenset()


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
    """A request as it goes to a service; `deadline` is a time of the event loop's clock.

    `patience` is how many seconds the service may be silent.
    """

    upstream: Upstream
    method: bytes
    path: bytes
    headers: Headers
    body: bytes | BodyStream | None
    deadline: float
    patience: float
    repeatable: bool


class Forwarder:
    """Sends requests to services, again where that is allowed, and passes their answers on."""

    def __init__(
        self,
        client: Client,
        *,
        renewer: CookieRenewer | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._renewer = renewer
        self._draw = draw

    async def forward(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Forward the exchange and answer it; raises Refused when no answer could be had."""
        upstream = exchange.gateway.upstreams.get(destination.service)
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
        await respond(exchange, response, renewal)

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
        most = route.max_body_bytes or exchange.gateway.plan.max_body_bytes
        body = None if exchange.body_done else await _body(exchange, most)
        patience = route.timeout or upstream.service.timeout
        seconds = _STREAM_SECONDS if isinstance(body, BodyStream) else patience
        return Outgoing(
            upstream,
            exchange.method.encode("ascii"),
            path,
            request_headers(exchange, route),
            body,
            loop.time() + seconds,
            patience,
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
                read_timeout=outgoing.patience,
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


def request_headers(exchange: Exchange, route: Route) -> Headers:
    """Return the headers for the service: the client's that may pass, then our own."""
    fields = exchange.fields
    known = exchange.identity is not None
    headers = forward_request_headers(
        exchange.headers,
        connection=_connection(exchange) if b"connection" in fields else None,
        drop=(_CREDENTIALS if b"cookie" in fields else _AUTHORIZATION) if known else _NOTHING,
    )
    if route.request_headers is not None:
        headers = change(headers, route.request_headers)
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
        if keep_session or not pair.lstrip().startswith(SESSION_COOKIE_STARTS)
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
