"""Open a WebSocket to a service on behalf of a client: choose a target, connect, shake hands."""

import asyncio
from collections.abc import Collection
from time import perf_counter
from typing import Final

from websockets.http11 import Response

from gateline.edge import answers
from gateline.edge.addressing import target_of
from gateline.edge.attempts import enter
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.request_headers import service_headers
from gateline.edge.sockets.handshake import Handshake
from gateline.edge.sockets.upstream import UpstreamSocket
from gateline.edge.upstream import ConnectFailed, UpstreamError, UpstreamTimeout
from gateline.edge.upstream import Target as Address
from gateline.edge.upstream.dialing import Dialer
from gateline.edge.upstream.request import HeadEncoder
from gateline.edge.upstream.resolving import Addresses
from gateline.edge.upstreams import FAILURES, Target, Upstream
from gateline.policy.headers import Headers, forward_response_headers
from gateline.policy.reasons import NO_ROUTE, REASONS, UPSTREAM_INVALID
from gateline.policy.routes import Destination, Route

_SWITCHING: Final = 101
_INTERNAL_ERROR: Final = 500
_GET: Final = b"GET"
_OWN: Final = b"sec-websocket-"


class Opener:
    """Opens the upstream ends; it knows the addresses of names as long as one is connected."""

    def __init__(self) -> None:
        self._encoder = HeadEncoder()
        self._dialers: dict[Address, Dialer] = {}

    def close(self) -> None:
        """Look up no more names."""
        for dialer in self._dialers.values():
            dialer.close()

    async def open(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Have a service take the socket; its refusal is answered as it came.

        Afterwards the exchange's status is 101 and its handshake has the upstream's end, or it is
        answered. Raise Refused when no service could be asked.
        """
        upstream = exchange.gateway.upstreams.get(destination.service)
        if upstream is None:
            raise Refused(NO_ROUTE)
        exchange.service = destination.service
        path = destination.path(exchange.path, upstream.service.prefix)
        asked = perf_counter()
        try:
            socket, response = await self._ask(exchange, route, upstream, path)
        except UpstreamError as error:
            raise Refused(REASONS[error.reason]) from error
        finally:
            exchange.upstream_seconds = perf_counter() - asked
        if response.status_code == _SWITCHING:
            exchange.status = _SWITCHING
            _handshake(exchange).upstream = socket
            return
        socket.abort()
        await _pass_refusal(exchange, response)

    async def _ask(
        self, exchange: Exchange, route: Route, upstream: Upstream, path: str
    ) -> tuple[UpstreamSocket, Response]:
        """Ask, unless the service is left alone; what comes of it counts as with a request."""
        clock = asyncio.get_running_loop().time
        breaker, probe = upstream.breaker, 0
        if breaker is not None and not breaker.closed:
            probe = enter(breaker, clock())
        upstream.waiting += 1
        try:
            return await self._ask_in_turn(exchange, route, upstream, path, probe)
        finally:
            upstream.waiting -= 1
            if probe and breaker is not None:
                breaker.abandoned(probe)

    async def _ask_in_turn(
        self, exchange: Exchange, route: Route, upstream: Upstream, path: str, probe: int
    ) -> tuple[UpstreamSocket, Response]:
        """Ask one target after the other, until one takes the connection."""
        clock = asyncio.get_running_loop().time
        until = clock() + (route.timeout or upstream.service.timeout)
        headers = _without_handshake(service_headers(exchange, route, upstream.service, path))
        requested = target_of(exchange, path)
        tried: list[Target] = []
        retrying = False
        try:
            while True:
                target = _next_target(exchange, upstream, tried)
                tried.append(target)
                exchange.attempts += 1
                exchange.target = target.name
                try:
                    opened = await self._attempt(
                        exchange, route, upstream, target, requested, headers, until
                    )
                except UpstreamError as error:
                    upstream.failed(target, clock(), probe, unavailable=True)
                    if not isinstance(error, ConnectFailed) or not _may_go_on(upstream, tried):
                        raise
                    if not (retrying or upstream.begin_retry()):
                        raise
                    retrying = True
                else:
                    _note(upstream, target, opened[1].status_code, clock(), probe)
                    return opened
        finally:
            if retrying:
                upstream.retrying -= 1

    async def _attempt(
        self,
        exchange: Exchange,
        route: Route,
        upstream: Upstream,
        target: Target,
        path: bytes,
        headers: Headers,
        until: float,
    ) -> tuple[UpstreamSocket, Response]:
        most = route.max_body_bytes or exchange.gateway.plan.max_body_bytes
        socket = UpstreamSocket(_handshake(exchange).subprotocols, most)
        address = target.pool.target
        fields = [*socket.fields(), *headers]
        head = self._encoder.encode(_GET, path, fields, b"", address.authority)
        loop = asyncio.get_running_loop()
        try:
            connecting = min(until, loop.time() + upstream.service.connect_timeout)
            await self._dial(address, target.pool.limits.dns_seconds, socket, connecting)
            async with asyncio.timeout_at(until):
                return socket, await socket.open(head)
        except TimeoutError:
            socket.abort()
            raise UpstreamTimeout("response") from None
        except BaseException:
            socket.abort()
            raise

    async def _dial(
        self, address: Address, dns_seconds: float, socket: UpstreamSocket, until: float
    ) -> None:
        dialer = self._dialers.get(address)
        if dialer is None:
            dialer = self._dialers[address] = Dialer(
                address, dns_seconds, moved=_stay, in_use=lambda: False
            )
        try:
            await dialer.dial(socket, until)
        except TimeoutError:
            raise UpstreamTimeout("connect") from None
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(f"{address}: {error}") from error


def _next_target(exchange: Exchange, upstream: Upstream, tried: Collection[Target]) -> Target:
    return upstream.choose_besides(exchange, tried) if tried else upstream.choose(exchange)


def _may_go_on(upstream: Upstream, tried: Collection[Target]) -> bool:
    return len(tried) < upstream.service.retry.attempts and upstream.has_others(tried)


def _note(upstream: Upstream, target: Target, status: int, now: float, probe: int) -> None:
    """Hold an answer that says so against the target; a refusal of its own is a good answer."""
    if status in FAILURES:
        upstream.failed(target, now, probe, unavailable=status != _INTERNAL_ERROR)
    else:
        upstream.succeeded(target, now, probe)


def _handshake(exchange: Exchange) -> Handshake:
    send = exchange.send
    if not isinstance(send, Handshake):
        msg = "not the exchange of a handshake"
        raise TypeError(msg)
    return send


def _without_handshake(headers: Headers) -> Headers:
    """Leave out the client's own handshake: the service gets one of ours."""
    return [pair for pair in headers if not pair[0].startswith(_OWN)]


async def _pass_refusal(exchange: Exchange, response: Response) -> None:
    """Answer with what the service said instead of taking the socket."""
    if not 200 <= response.status_code <= 599:
        raise Refused(UPSTREAM_INVALID)
    pairs = [
        (name.encode("latin-1", "replace"), value.encode("utf-8", "surrogateescape"))
        for name, value in response.headers.raw_items()
    ]
    body = bytes(response.body or b"")
    await answers.send_whole(exchange, response.status_code, forward_response_headers(pairs), body)


def _stay(_: Addresses) -> None:
    """Leave open sockets where they are when a name leads elsewhere."""
