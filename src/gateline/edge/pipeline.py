"""The life of a request: match, admit, identify, allow, forward, respond, record.

Each phase reads what the earlier ones wrote into the exchange and refuses by raising `Refused`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from gateline.edge import answers
from gateline.edge.exchange import AnswerBroken, ClientGone, Exchange, Receive, Refused, Scope, Send
from gateline.edge.forwarding import Forwarder
from gateline.edge.inflight import ClientTooSlow, InFlight
from gateline.edge.record import Recorder
from gateline.edge.sessions import Known, SessionMemory
from gateline.policy.admission import host_name, refuse_head, refuse_host, request_id
from gateline.policy.clients import Network, client_behind, is_trusted
from gateline.policy.cors import CorsPolicy, answer_headers, preflight_headers
from gateline.policy.headers import Headers
from gateline.policy.identity import refuse_role
from gateline.policy.origins import is_cross_site
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import (
    CLIENT_CLOSED,
    CROSS_SITE,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    NO_ROUTE,
    PATH_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    TOKEN_INVALID,
    Reason,
)
from gateline.policy.routes import Destination, Route, RouteTable
from gateline.shared.cookies import session_cookie_name

OwnAnswer = Callable[[Exchange], Awaitable[None]]

_MAX_TOKEN_BYTES: Final = 8192
_log = logging.getLogger(__name__)


_PROBES: Final = frozenset({"/health", "/livez", "/readyz"})
_NO_CORS: Final = CorsPolicy()


@dataclass(frozen=True, slots=True)
class Door:
    """What the edge decides by: routes, allowed hosts, and whom it believes and lets read."""

    routes: RouteTable
    allowed_hosts: Collection[str] = ()
    trusted_origins: Collection[str] = ()
    trusted_proxies: Collection[Network] = ()
    cors: CorsPolicy = _NO_CORS


class Pipeline:
    """Takes every HTTP request from its first byte to its log line."""

    def __init__(
        self,
        door: Door,
        *,
        sessions: SessionMemory,
        forwarder: Forwarder,
        recorder: Recorder,
        in_flight: InFlight,
        own: Mapping[str, OwnAnswer],
    ) -> None:
        self._door = door
        self._sessions = sessions
        self._forwarder = forwarder
        self._recorder = recorder
        self._in_flight = in_flight
        self._own = own
        self._next_id = random.Random().getrandbits  # noqa: S311 - an id, not a secret

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """Answer one request and return what became of it.

        Returning without an end makes the server tear the connection.
        """
        loop = asyncio.get_running_loop()
        exchange = Exchange(scope, receive, send, loop.time())
        exchange.task = asyncio.current_task()
        self._in_flight.add(exchange)
        try:
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
        self._admit(exchange, scope)
        if self._door.cors.origins and b"origin" in exchange.fields:
            exchange.speaks_cors = True
            if await self._answer_preflight(exchange):
                return
        route = self._match(exchange)
        if route.auth != "none":
            await self._identify(exchange, route)
            self._allow(exchange, route)
        destination = route.destination_for(exchange.identity)
        if destination is None:
            raise Refused(NO_ROUTE)
        await self._answer(exchange, route, destination)

    def _admit(self, exchange: Exchange, scope: Scope) -> None:
        reason = refuse_head(exchange.method, exchange.headers, exchange.fields)
        if reason is not None:
            raise Refused(reason)
        if self._door.trusted_proxies:
            self._believe_proxy(exchange)
        exchange.host = host_name(exchange.fields[b"host"])
        # Probes ask by address, so the edge's own state is told under any name.
        if self._door.allowed_hosts and scope["path"] not in _PROBES:
            reason = refuse_host(exchange.host, self._door.allowed_hosts)
            if reason is not None:
                raise Refused(reason)
        try:
            exchange.path = canonical(scope["raw_path"]).decode("ascii")
        except PathRefused as error:
            raise Refused(PATH_NOT_ALLOWED, message=f"Not a path we take: {error}.") from error

    def _believe_proxy(self, exchange: Exchange) -> None:
        """Take address, scheme and host from a load balancer that is listed."""
        if not is_trusted(exchange.client, self._door.trusted_proxies):
            return
        fields = exchange.fields
        client = client_behind(
            self._door.trusted_proxies,
            forwarded_for=_header(fields, b"x-forwarded-for") or "",
            forwarded_proto=_header(fields, b"x-forwarded-proto") or "",
            forwarded_host="",  # the Host header decides: it is the one that was checked
        )
        exchange.client = client.address or exchange.client
        exchange.scheme = client.scheme or exchange.scheme

    async def _answer_preflight(self, exchange: Exchange) -> bool:
        """Answer a browser that asks whether it may ask; else note what the answer will carry.

        A preflight has no credentials by design, so it comes before anybody looks for a session.
        """
        fields, cors = exchange.fields, self._door.cors
        origin = _header(fields, b"origin") or ""
        method = _header(fields, b"access-control-request-method")
        if exchange.method == "OPTIONS" and method is not None:
            names = _header(fields, b"access-control-request-headers")
            granted = preflight_headers(cors, origin, method=method, names=names)
            if granted is not None:
                await answers.send_whole(exchange, 204, _encoded(granted), b"")
                return True
        exchange.response_headers = _encoded(answer_headers(cors, origin))
        return False

    def _match(self, exchange: Exchange) -> Route:
        match = self._door.routes.match(exchange.method, exchange.host, exchange.path)
        if match.route is None:
            if not match.allow:
                raise Refused(NO_ROUTE)
            allow = ", ".join(sorted(match.allow)).encode()
            raise Refused(METHOD_NOT_ALLOWED, [(b"allow", allow)])
        exchange.route = match.route
        return match.route

    async def _identify(self, exchange: Exchange, route: Route) -> None:
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

    def _is_cross_site(self, exchange: Exchange) -> bool:
        fields = exchange.fields
        return is_cross_site(
            exchange.method,
            sec_fetch_site=_header(fields, b"sec-fetch-site"),
            origin=_header(fields, b"origin"),
            host=fields[b"host"].decode("ascii"),
            scheme=exchange.scheme,
            trusted=self._door.trusted_origins,
        )

    async def _answer(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        own = self._own.get(destination.service)
        if own is not None:
            await own(exchange)
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
        raise asyncio.CancelledError

    @staticmethod
    async def _refuse(exchange: Exchange, refused: Refused) -> None:
        exchange.reason = refused.reason
        if not exchange.answered:
            await answers.refuse(exchange, refused)


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
