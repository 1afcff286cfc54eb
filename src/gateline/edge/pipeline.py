"""The life of a request: match, admit, identify, allow, forward, respond, record.

Each phase reads what the earlier ones wrote into the exchange and refuses by raising `Refused`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateline.edge import answers
from gateline.edge.exchange import AnswerBroken, ClientGone, Exchange, Receive, Refused, Scope, Send
from gateline.edge.forwarding import Forwarder
from gateline.edge.gateway import Door, Gateway, Special
from gateline.edge.inflight import ClientTooSlow, InFlight, WorkerEnds
from gateline.edge.record import Recorder
from gateline.edge.sessions import Known, SessionMemory
from gateline.edge.tracing import Tracer
from gateline.policy.admission import host_name, refuse_head, refuse_host, request_id
from gateline.policy.clients import client_behind, is_trusted, refuse_address
from gateline.policy.cors import answer_headers, preflight_headers
from gateline.policy.headers import Headers
from gateline.policy.identity import refuse_role
from gateline.policy.origins import is_cross_site
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import (
    CLIENT_CLOSED,
    CROSS_SITE,
    HEADERS_TOO_LARGE,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    NO_ROUTE,
    PATH_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    TOKEN_INVALID,
    Reason,
)
from gateline.policy.routes import Destination, Match, Route
from gateline.shared.cookies import session_cookie_name

OwnAnswer = Callable[[Exchange], Awaitable[None]]

_MAX_TOKEN_BYTES: Final = 8192
_MOST_HOSTS: Final = 1024
_log = logging.getLogger(__name__)


_PROBES: Final = frozenset({"/health", "/livez", "/readyz"})
_SESSION: Final = frozenset({"session"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Pipeline:
    """Takes every HTTP request from its first byte to its log line.

    `gateway` is the version that new requests get; assign another one to swap it, whole.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        sessions: SessionMemory,
        forwarder: Forwarder,
        recorder: Recorder,
        in_flight: InFlight,
        own: Mapping[str, OwnAnswer],
        tracer: Tracer | None = None,
    ) -> None:
        self.gateway = gateway
        self._sessions = sessions
        self._forwarder = forwarder
        self._recorder = recorder
        self._in_flight = in_flight
        self._own = own
        self._tracer = tracer
        self._hosts: dict[bytes, str] = {}
        self._next_id = random.Random().getrandbits  # noqa: S311 - an id, not a secret

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """Answer one request and return what became of it.

        Returning without an end makes the server tear the connection.
        """
        loop = asyncio.get_running_loop()
        exchange = Exchange(scope, receive, send, loop.time())
        exchange.gateway = self.gateway
        exchange.task = asyncio.current_task()
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

    async def _run(self, exchange: Exchange, scope: Scope) -> None:
        exchange.request_id = (
            request_id(exchange.fields.get(b"x-request-id")) or f"{self._next_id(128):032x}"
        )
        gateway = exchange.gateway
        door = gateway.door
        self._admit(exchange, scope, door)
        match = door.routes.match(exchange.method, exchange.host, exchange.path, exchange.fields)
        if (
            door.speaks_cors
            and b"origin" in exchange.fields
            and await self._answer_preflight(exchange, match.route)
        ):
            return
        route = match.route
        if route is None:
            raise _unmatched(match)
        exchange.route = route
        if door.slashes_in_segments and "%2F" in exchange.path:
            _refuse_hidden_slashes(exchange, route)
        special = gateway.special.get(route.name)
        if special is not None and await self._answer_special(exchange, special, match):
            return
        exchange.tells_timing = route.server_timing or gateway.plan.server_timing
        if route.auth != "none":
            await self._identify(exchange, route)
            self._allow(exchange, route)
        if route.limits and gateway.limits is not None:
            waiting = gateway.limits.take(exchange, route)
            if waiting is not None:
                await waiting
        destination = route.destination_for(exchange.identity)
        if destination is None:
            raise Refused(NO_ROUTE)
        await self._answer(exchange, route, destination)

    def _admit(self, exchange: Exchange, scope: Scope, door: Door) -> None:
        reason = refuse_head(exchange.method, exchange.headers, exchange.fields)
        if reason is not None:
            raise Refused(reason)
        if door.most_headers is not None and len(exchange.headers) > door.most_headers:
            raise Refused(HEADERS_TOO_LARGE)
        if door.trusted_proxies:
            self._believe_proxy(exchange, door)
        raw = exchange.fields[b"host"]
        exchange.host = self._hosts.get(raw) or self._name_of(raw)
        # Probes ask by address, so the edge's own state is told under any name.
        if door.allowed_hosts and scope["path"] not in _PROBES:
            reason = refuse_host(exchange.host, door.allowed_hosts)
            if reason is not None:
                raise Refused(reason)
        try:
            exchange.path = canonical(
                scope["raw_path"], encoded_slashes=door.slashes_in_segments
            ).decode("ascii")
        except PathRefused as error:
            raise Refused(PATH_NOT_ALLOWED, message=f"Not a path we take: {error}.") from error

    def _name_of(self, host: bytes) -> str:
        """Return the name of a Host header, and remember it: only few are asked for, and often."""
        if len(self._hosts) >= _MOST_HOSTS:
            self._hosts.clear()
        name = self._hosts[host] = host_name(host)
        return name

    @staticmethod
    def _believe_proxy(exchange: Exchange, door: Door) -> None:
        """Take address, scheme and host from a load balancer that is listed."""
        if not is_trusted(exchange.client, door.trusted_proxies):
            return
        fields = exchange.fields
        client = client_behind(
            door.trusted_proxies,
            forwarded_for=_header(fields, b"x-forwarded-for") or "",
            forwarded_proto=_header(fields, b"x-forwarded-proto") or "",
            forwarded_host="",  # the Host header decides: it is the one that was checked
        )
        exchange.client = client.address or exchange.client
        exchange.scheme = client.scheme or exchange.scheme

    @staticmethod
    async def _answer_preflight(exchange: Exchange, route: Route | None) -> bool:
        """Answer a browser that asks whether it may ask; else note what the answer will carry.

        A preflight has no credentials by design, so it comes before anybody looks for a session.
        It is decided by the route of the request that it announces.
        """
        fields, door = exchange.fields, exchange.gateway.door
        origin = _header(fields, b"origin") or ""
        method = _header(fields, b"access-control-request-method")
        asks = exchange.method == "OPTIONS" and method is not None
        if asks:
            route = door.routes.match(method or "", exchange.host, exchange.path, fields).route
        cors = door.cors if route is None or route.cors is None else route.cors
        if not cors.origins:
            return False  # then what the service says about other origins is passed on
        exchange.speaks_cors = True
        if asks:
            names = _header(fields, b"access-control-request-headers")
            granted = preflight_headers(cors, origin, method=method or "", names=names)
            if granted is not None:
                exchange.route = route
                await answers.send_whole(exchange, 204, _encoded(granted), b"")
                return True
        exchange.response_headers = _encoded(answer_headers(cors, origin))
        return False

    @staticmethod
    async def _answer_special(exchange: Exchange, special: Special, match: Match) -> bool:
        """Do what few routes ask for at the door; tell whether the request is answered by it."""
        route = special.route
        if special.guards_addresses:
            reason = refuse_address(exchange.client, allow=route.allow_ips, deny=route.deny_ips)
            if reason is not None:
                raise Refused(reason)
        if route.redirect is None:
            return False
        query = exchange.query.decode("latin-1")
        location = route.redirect.location(match, query).encode("latin-1")
        headers = [(b"location", location)]
        await answers.send_whole(exchange, route.redirect.status, headers, b"")
        return True

    async def _identify(self, exchange: Exchange, route: Route) -> None:
        if route.accept != _SESSION:
            credentials = exchange.gateway.credentials
            if credentials is not None and await credentials.identify(exchange, route):
                return
            if "session" not in route.accept:
                return
        token, from_cookie = self._credentials(exchange)
        if token is None:
            return
        now = asyncio.get_running_loop().time()
        known = self._sessions.recall(token, now) or await self._sessions.ask(token)
        identity = known.cookie_identity if from_cookie else known.identity
        if identity is None:
            self._no_identity(known, route)
            return
        exchange.identity = identity
        exchange.identity_headers = known.headers
        if from_cookie:
            exchange.cookie_token = token

    @staticmethod
    def _no_identity(known: Known, route: Route) -> None:
        """Refuse a token that is not believed, but for a page that anybody may see."""
        reason: Reason = known.reason or INTERNAL_ERROR
        if route.auth == "session" or reason.status >= 500:
            raise Refused(reason)

    @staticmethod
    def _credentials(exchange: Exchange) -> tuple[str | None, bool]:
        """Return the token and whether a cookie brought it; a bearer token goes first."""
        fields = exchange.fields
        authorization = fields.get(b"authorization")
        if authorization is not None:
            if authorization[:7].lower() != b"bearer ":
                return None, False
            return _text(authorization[7:].strip()), False
        if b"cookie" not in fields:
            return None, False
        name = session_cookie_name(exchange.scheme == "https").encode() + b"="
        for key, value in exchange.headers:
            if key == b"cookie":
                for pair in value.split(b";"):
                    if pair.lstrip().startswith(name):
                        return _text(pair.strip()[len(name) :].strip(b'"')), True
        return None, False

    def _allow(self, exchange: Exchange, route: Route) -> None:
        reason = refuse_role(exchange.identity, required=route.auth == "session", roles=route.roles)
        if reason is not None:
            raise Refused(reason)
        if exchange.cookie_token is not None and self._is_cross_site(exchange):
            raise Refused(CROSS_SITE)
        if b"x-gateline-timing" in exchange.fields and _is_admin(exchange):
            exchange.tells_timing = True

    def _is_cross_site(self, exchange: Exchange) -> bool:
        fields, gateway = exchange.fields, exchange.gateway
        special = gateway.special.get(exchange.route.name) if exchange.route is not None else None
        return is_cross_site(
            exchange.method,
            sec_fetch_site=_header(fields, b"sec-fetch-site"),
            origin=_header(fields, b"origin"),
            host=fields[b"host"].decode("ascii"),
            scheme=exchange.scheme,
            trusted=(special or gateway.door).trusted_origins,
        )

    async def _answer(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        own = self._own.get(destination.service)
        if own is not None:
            await own(exchange)
            return
        gateway = exchange.gateway
        if exchange.is_socket and gateway.sockets is not None:
            await gateway.sockets.admit(exchange, route, destination)
            return
        cache = gateway.cache
        if cache is not None and (route.cache is not None or exchange.method not in _SAFE):
            await cache.answer(exchange, route, destination, self._forwarder.forward)
            return
        await self._forwarder.forward(exchange, route, destination)

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


def _unmatched(match: Match) -> Refused:
    """Return the refusal of a request that no route takes: 404, or 405 with what would be taken."""
    if not match.allow:
        return Refused(NO_ROUTE)
    return Refused(METHOD_NOT_ALLOWED, [(b"allow", ", ".join(sorted(match.allow)).encode())])


def _refuse_hidden_slashes(exchange: Exchange, route: Route) -> None:
    """Refuse `%2F` where the route does not take it, or where it hides that another one decides.

    A service that decodes before it looks would serve `/admin%2Fusers` as `/admin/users`; so the
    decoded path must lead to the same route.
    """
    if route.encoded_slashes:
        plain = exchange.path.replace("%2F", "/")
        routes = exchange.gateway.door.routes
        match = routes.match(exchange.method, exchange.host, plain, exchange.fields)
        if match.route is route:
            return
    raise Refused(PATH_NOT_ALLOWED)


def _text(token: bytes) -> str | None:
    """Return a token as text; what cannot be one is refused here, before anybody looks at it."""
    if not token:
        return None
    if len(token) > _MAX_TOKEN_BYTES or not token.isascii():
        raise Refused(TOKEN_INVALID)
    return token.decode("ascii")


def _encoded(headers: list[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _header(fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode("latin-1")
