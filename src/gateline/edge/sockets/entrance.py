"""Where sockets come in: a handshake goes through the pipeline as a request does, then is served.

So hosts, paths, sessions, roles and proxies are decided in one place, a refusal is an HTTP answer
with the standard error body, and the handshake has its access line. What is open is bounded, for
the server does not count upgraded connections.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from gateline.edge import answers
from gateline.edge.bodies import RequestBody
from gateline.edge.door import comes_from_elsewhere
from gateline.edge.exchange import Exchange, Message, Receive, Refused, Scope, Send
from gateline.edge.pipeline import Pipeline
from gateline.edge.sockets.channel import RESTART, Channel
from gateline.edge.sockets.handshake import Handshake
from gateline.edge.sockets.places import Engines, Places
from gateline.edge.sockets.plain import PlainDashboard
from gateline.edge.sockets.proxying import SocketProxy, session_token
from gateline.edge.sockets.socket_io import CLIENT, TOKEN, SocketIo, replay
from gateline.policy.clients import client_network
from gateline.policy.reasons import (
    BAD_REQUEST,
    CROSS_SITE,
    METHOD_NOT_ALLOWED,
    OVERLOADED,
    UPGRADE_REQUIRED,
)
from gateline.policy.routes import Destination, Route

LIVE: Final = "edge:live"
SOCKET_IO: Final = "edge:socket-io"
ADMINS: Final = frozenset({"admin"})

_SWITCHING: Final = 101
_UNSAFE: Final = "POST"
_MOST_BODY_BYTES: Final = 64 * 1024
_REFUSALS: Final = {400: BAD_REQUEST, 405: METHOD_NOT_ALLOWED}
_NOT_TAKEN: Final = (
    "Socket.IO does not take this request: its session is over, or it speaks another protocol."
)


def socket_routes() -> tuple[Route, ...]:
    """Return the routes under which sockets come in."""
    return (
        Route("live", "/ws/dashboard", Destination(LIVE), roles=ADMINS),
        Route("socket-io", "/socket.io/*", Destination(SOCKET_IO), auth="optional"),
        Route("unknown-socket", "/ws/*", None, auth="none"),
    )


class Doorkeeper:
    """Decides, as the last word of the pipeline, whether a socket comes in.

    `places` bounds what is open. The gateway's trusted origins may connect with a cookie although
    their pages are not ours.
    """

    def __init__(self, socket_io: SocketIo, proxy: SocketProxy, places: Places) -> None:
        self._socket_io = socket_io
        self._proxy = proxy
        self._places = places
        self.channels: set[Channel] = set()
        self.draining = False

    async def live(self, exchange: Exchange) -> None:
        """Answer a handshake for the plain dashboard."""
        if not isinstance(exchange.send, Handshake):
            raise Refused(UPGRADE_REQUIRED, [(b"upgrade", b"websocket")])
        self._refuse_body(exchange)
        if exchange.cookie_token is not None:
            self._refuse_cross_site(exchange)
        self._refuse_beyond_limit(exchange)
        exchange.status = _SWITCHING

    async def socket_io(self, exchange: Exchange) -> None:
        """Answer a Socket.IO handshake, or serve a request of a long-polling client."""
        self._refuse_cross_site(exchange)
        if not self._socket_io.knows(exchange.query):
            self._places.refuse_newcomer(self._refuse_beyond_limit(exchange))
        if isinstance(exchange.send, Handshake):
            self._refuse_body(exchange)
            exchange.status = _SWITCHING
            return
        await _long_poll(self._socket_io, exchange)

    async def admit(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Let a socket in that a service takes; the pipeline's `Sockets`."""
        self._refuse_body(exchange)
        if exchange.cookie_token is not None:
            self._refuse_cross_site(exchange)
        self._refuse_beyond_limit(exchange)
        with self._places.taken(client_network(exchange.client)):
            await self._proxy.open(exchange, route, destination)

    @contextmanager
    def inside(self, channel: Channel, client: str) -> Iterator[None]:
        """Count a socket that came in for as long as the block runs."""
        self.channels.add(channel)
        try:
            with self._places.taken(client_network(client)):
                yield
        finally:
            self.channels.discard(channel)

    def _refuse_beyond_limit(self, exchange: Exchange) -> Engines:
        """Refuse a socket for which there is no place; return which Socket.IO clients are here."""
        client = client_network(exchange.client)
        engines = self._socket_io.engines(client)
        if self.draining:
            raise Refused(OVERLOADED, [(b"retry-after", b"5")])
        self._places.refuse_beyond(client, engines)
        return engines

    @staticmethod
    def _refuse_cross_site(exchange: Exchange) -> None:
        """Refuse the pages of others: a browser lets any page open a socket, cookies included.

        (RFC 6455, section 10.2; known as cross-site WebSocket hijacking.)
        """
        if comes_from_elsewhere(exchange, _UNSAFE):
            raise Refused(CROSS_SITE)

    @staticmethod
    def _refuse_body(exchange: Exchange) -> None:
        """Refuse a handshake that announces a body: it is no GET (RFC 6455, section 4.1).

        The server does not tell a handshake's method; one without a body is taken for a GET.
        """
        if not exchange.body_done:
            raise Refused(BAD_REQUEST)


class Entrance:
    """Takes every WebSocket of a worker from its handshake to its close."""

    def __init__(
        self,
        pipeline: Pipeline,
        doorkeeper: Doorkeeper,
        *,
        proxy: SocketProxy,
        plain: PlainDashboard,
        socket_io: SocketIo,
    ) -> None:
        self._pipeline = pipeline
        self._doorkeeper = doorkeeper
        self._proxy = proxy
        self._plain = plain
        self._socket_io = socket_io

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        connect = await receive()
        if connect["type"] != "websocket.connect":
            return
        channel = Channel(receive, send)
        handshake = Handshake(channel, scope["subprotocols"])
        channel.start()
        request = {**scope, "method": "GET", "scheme": _http(scope["scheme"])}
        exchange = await self._pipeline.handle(request, handshake.until_gone, handshake)
        if exchange.status != _SWITCHING:
            await channel.abandon()
            return
        try:
            with self._doorkeeper.inside(channel, exchange.client):
                if handshake.upstream is not None:
                    await self._proxy.serve(exchange, handshake, channel)
                else:
                    await self._serve(exchange, channel, scope, connect)
        finally:
            await channel.abandon()

    @property
    def open_sockets(self) -> int:
        """How many sockets are open."""
        return len(self._doorkeeper.channels)

    async def drain(self) -> None:
        """Let nobody in any more and tell those who are here to come back in a moment (1012)."""
        self._doorkeeper.draining = True
        self._socket_io.end_polls()
        closing = [channel.close(RESTART, "restart") for channel in self._doorkeeper.channels]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _serve(
        self, exchange: Exchange, channel: Channel, scope: Scope, connect: Message
    ) -> None:
        token = session_token(exchange)
        if exchange.route is not None and exchange.route.destination == Destination(LIVE):
            await self._plain.serve(channel, token or "", ADMINS)
            return
        client = client_network(exchange.client)
        known = {**scope, "scheme": exchange.scheme, TOKEN: token, CLIENT: client}
        await self._socket_io.handle(known, replay(connect, channel.next), channel.send)


async def _long_poll(socket_io: SocketIo, exchange: Exchange) -> None:
    """Serve one request of a long-polling client; what it waits for is no time that we took.

    What the library refuses, in a word of plain text, is refused in the standard error body.
    """
    body = b"" if exchange.body_done else await RequestBody(exchange, _MOST_BODY_BYTES).read()
    request: Message = {"type": "http.request", "body": body, "more_body": False}

    refused: list[Refused] = []

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in _REFUSALS:
            refused.append(Refused(_REFUSALS[message["status"]], message=_NOT_TAKEN))
        if refused:
            return
        if message["type"] == "http.response.start":
            headers = [(name.lower(), value) for name, value in message["headers"]]
            exchange.started = perf_counter()
            await exchange.send(answers.start(exchange, message["status"], headers))
            return
        exchange.sent_bytes += len(message.get("body", b""))
        await exchange.send(message)

    scope: Scope = {
        "type": "http",
        "method": exchange.method,
        "path": exchange.path,
        "query_string": exchange.query,
        "headers": exchange.headers,
        "scheme": exchange.scheme,
        TOKEN: session_token(exchange),
        CLIENT: client_network(exchange.client),
    }
    await socket_io.handle(scope, replay(request, exchange.receive), answer)
    if refused:
        raise refused[0]


def _http(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)
