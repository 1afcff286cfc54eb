"""The life of a request: admit, match, identify, allow, forward, respond, record.

Each phase reads what the earlier ones wrote into the exchange and refuses by raising `Refused`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateline.edge import answers
from gateline.edge.door import (
    admit,
    answer_preflight,
    answer_special,
    comes_from_elsewhere,
    refuse_hidden_slashes,
    unmatched,
)
from gateline.edge.exchange import AnswerBroken, ClientGone, Exchange, Receive, Refused, Scope, Send
from gateline.edge.forwarding import Forwarder
from gateline.edge.gateway import Gateway
from gateline.edge.heads import Heads
from gateline.edge.identification import Identification
from gateline.edge.inflight import ClientTooSlow, InFlight, WorkerEnds
from gateline.edge.record import Recorder
from gateline.edge.tracing import Tracer
from gateline.policy.identity import refuse_role
from gateline.policy.reasons import (
    CLIENT_CLOSED,
    CROSS_SITE,
    INTERNAL_ERROR,
    NO_ROUTE,
    REQUEST_TIMEOUT,
)
from gateline.policy.routes import Destination, Route

OwnAnswer = Callable[[Exchange], Awaitable[None]]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_log = logging.getLogger(__name__)


class Pipeline:
    """Takes every HTTP request from its first byte to its log line.

    `gateway` is the version that new requests get; assign another one to swap it, whole.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        people: Identification,
        forwarder: Forwarder,
        recorder: Recorder,
        in_flight: InFlight,
        own: Mapping[str, OwnAnswer],
        tracer: Tracer | None = None,
    ) -> None:
        self.gateway = gateway
        self._people = people
        self._forwarder = forwarder
        self._recorder = recorder
        self._in_flight = in_flight
        self._own = own
        self._tracer = tracer
        self._heads = Heads()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """Answer one request and return what became of it.

        Returning without an end makes the server tear the connection.
        """
        loop = self._loop or self._find_loop()
        clock = loop.time
        exchange = Exchange(scope, receive, send, clock(), self._heads.read(scope["headers"]))
        exchange.clock = clock
        exchange.gateway = gateway = self.gateway
        plan = gateway.plan
        exchange.security_headers = plan.security_headers
        exchange.logged = plan.access_log
        exchange.task = asyncio.current_task(loop)
        self._in_flight.add(exchange)
        try:
            if self._tracer is not None:
                self._tracer.begin(exchange)
            await self._run(exchange, scope)
        except Refused as refused:
            await self._refuse(exchange, refused)
        except ClientGone:
            exchange.reason = CLIENT_CLOSED
        except asyncio.CancelledError:
            await self._cancelled(exchange)
        except AnswerBroken:
            pass
        except Exception:  # noqa: BLE001 # the client gets an answer whatever happens
            _log.exception("request %s failed", exchange.request_id)
            await self._refuse(exchange, Refused(INTERNAL_ERROR))
        finally:
            self._in_flight.discard(exchange)
            self._recorder.record(exchange)
        return exchange

    def _find_loop(self) -> asyncio.AbstractEventLoop:
        """Return the one loop in which requests are taken: asking for it costs."""
        self._loop = asyncio.get_running_loop()
        return self._loop

    async def _run(self, exchange: Exchange, scope: Scope) -> None:
        exchange.take_name()
        gateway = exchange.gateway
        door = gateway.door
        admit(exchange, scope, door)
        match = door.routes.match(exchange.method, exchange.host, exchange.path, exchange.fields)
        if door.speaks_cors and await answer_preflight(exchange, match.route):
            return
        route = match.route
        if route is None:
            raise unmatched(match)
        exchange.route = route
        if door.slashes_in_segments and "%2F" in exchange.path:
            refuse_hidden_slashes(exchange, route)
        special = gateway.special.get(route.name)
        if special is not None and await answer_special(exchange, special, match):
            return
        exchange.tells_timing = route.server_timing or gateway.plan.server_timing
        limits = gateway.limits if route.limits else None
        if limits is not None and (waiting := limits.take_unknown(exchange, route)) is not None:
            await waiting
        if route.auth != "none":
            if (waiting := self._people.identify(exchange, route)) is not None:
                await waiting
            self._allow(exchange, route)
        if limits is not None and (waiting := limits.take(exchange, route)) is not None:
            await waiting
        destination = route.destination_for(exchange.identity)
        if destination is None:
            raise Refused(NO_ROUTE)
        await self._answer(exchange, route, destination)

    def _allow(self, exchange: Exchange, route: Route) -> None:
        reason = refuse_role(exchange.identity, required=route.auth == "session", roles=route.roles)
        if reason is not None:
            raise Refused(reason)
        if exchange.cookie_token is not None and comes_from_elsewhere(exchange, exchange.method):
            raise Refused(CROSS_SITE)
        if b"x-gateline-timing" in exchange.fields and _is_admin(exchange):
            exchange.tells_timing = True

    def _answer(
        self, exchange: Exchange, route: Route, destination: Destination
    ) -> Awaitable[None]:
        """Return what answers when awaited: the edge itself, a socket, the cache or a service."""
        own = self._own.get(destination.service)
        if own is not None:
            return own(exchange)
        gateway = exchange.gateway
        if exchange.is_socket and gateway.sockets is not None:
            return gateway.sockets.admit(exchange, route, destination)
        cache = gateway.cache
        if cache is not None and (route.cache is not None or exchange.method not in _SAFE):
            return cache.answer(exchange, route, destination, self._forwarder.forward)
        return self._forwarder.forward(exchange, route, destination)

    async def _cancelled(self, exchange: Exchange) -> None:
        """Tell a client that left from one that was too slow, and both from our own stopping."""
        if exchange.cancelled_for is ClientGone:
            exchange.reason = CLIENT_CLOSED
            return
        if exchange.cancelled_for is ClientTooSlow:
            await self._refuse(exchange, Refused(REQUEST_TIMEOUT, [(b"connection", b"close")]))
            return
        if exchange.cancelled_for is WorkerEnds:
            await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        raise asyncio.CancelledError

    @staticmethod
    async def _refuse(exchange: Exchange, refused: Refused) -> None:
        exchange.reason = refused.reason
        if not exchange.answered:
            await answers.refuse(exchange, refused)


def _is_admin(exchange: Exchange) -> bool:
    return exchange.identity is not None and exchange.identity.user_type == "admin"
