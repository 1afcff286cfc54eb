"""WebSockets to services: messages both ways, as fast as the slower side takes them.

A socket that is idle costs one task that waits for the client; what the service sends is passed on
by a task that lives as long as messages wait. Close codes go through in both directions. Pings are
answered on either side; silent services are pinged, for silent clients the kernel asks (TCP
keep-alive, set on the listening socket) and an idle limit holds.
"""

import asyncio
import time
from dataclasses import dataclass
from math import inf
from typing import Final

from gateline.edge.exchange import Exchange, Message, Refused
from gateline.edge.record import SOCKETS_CLOSED
from gateline.edge.sessions import SessionMemory
from gateline.edge.sockets.channel import Channel, ChannelClosed
from gateline.edge.sockets.guests import Guest, Guests
from gateline.edge.sockets.handshake import Handshake
from gateline.edge.sockets.opening import Opener
from gateline.edge.sockets.upstream import UpstreamSocket
from gateline.policy.identity import Identity
from gateline.policy.reasons import SOCKET_NOT_ALLOWED, TOKEN_EXPIRED, Reason
from gateline.policy.routes import Destination, Route

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
NO_CODE: Final = 1005
POLICY: Final = 1008
TRY_LATER: Final = 1013
BAD_GATEWAY: Final = 1014

_SWEEP_SECONDS: Final = 5.0
_USE_SECONDS: Final = 30.0
_STALLED_SECONDS: Final = 20.0
_STALLED_BYTES: Final = 1024 * 1024
_UNSENDABLE: Final = frozenset({1004, 1005, 1006, 1015})
_DEFINED: Final = range(1000, 1015)
_FREE: Final = range(3000, 5000)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence may last, in seconds.

    `idle` without a message either way ends a socket; a service that says nothing for `ping` is
    asked for a sign of life and has `pong` to give it.
    """

    idle: float = 3600.0
    ping: float = 30.0
    pong: float = 20.0


class Proxied:
    """One WebSocket between a client and a service, both open.

    `spoke` is when a message last went either way, `until` when it has to end (times of the event
    loop's clock).
    """

    __slots__ = (
        "_allowance",
        "_channel",
        "_ending",
        "_guest",
        "_sending",
        "_sessions",
        "_used",
        "spoke",
        "until",
        "upstream",
    )

    def __init__(
        self,
        channel: Channel,
        upstream: UpstreamSocket,
        guest: Guest | None,
        sessions: SessionMemory,
        until: float = inf,
    ) -> None:
        self._channel = channel
        self._guest = guest
        self._sessions = sessions
        self._sending: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[None] | None = None
        self._allowance = inf
        self._used = self.spoke = asyncio.get_running_loop().time()
        self.upstream = upstream
        self.until = until

    async def run(self, most_bytes: int) -> None:
        """Pass messages until either side ends it; the other side learns how."""
        channel, upstream = self._channel, self.upstream
        channel.pass_to(self._to_service, most_bytes)
        try:
            await channel.send(
                {"type": "websocket.accept", "subprotocol": upstream.subprotocol, "headers": []}
            )
            upstream.tell(self._wake)
            await channel.until_gone()
        except ChannelClosed:
            pass
        finally:
            upstream.tell(_nothing)
            if self._sending is not None:
                self._sending.cancel()
            code, reason = _goodbye(channel)
            upstream.close(code, reason)
            SOCKETS_CLOSED.labels(self._ended_by(), _label(code)).inc()

    async def end(self, code: int, reason: str) -> None:
        """Close the client's side, and with it the service's."""
        await self._channel.close(code, reason)

    def _ended_by(self) -> str:
        if self.upstream.ended:
            return "service"
        return "edge" if self._channel.closed_with is not None else "client"

    async def _to_service(self, message: Message) -> None:
        """Pass on what the client said; while the service takes nothing, nothing more is read."""
        self._note()
        upstream = self.upstream
        text = message.get("text")
        upstream.send(message.get("bytes") or b"" if text is None else text)
        if upstream.full:
            await self._stall()

    async def _stall(self) -> None:
        """Wait until the service takes more.

        Meanwhile nobody would hear that the client has left, and the server keeps what it is given
        for a client that has. So the other direction has a limit, and all of it a deadline.
        """
        self._allowance = _STALLED_BYTES
        try:
            async with asyncio.timeout(_STALLED_SECONDS):
                await self.upstream.drained()
        except TimeoutError:
            # Closing ends the very task that runs here: another one has to do it.
            self._ending = asyncio.ensure_future(self.end(BAD_GATEWAY, "upstream_timeout"))
            return
        self._allowance = inf
        self._wake()

    def _wake(self) -> None:
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._to_client())

    async def _to_client(self) -> None:
        """Pass on what the service said, and at last how it ended."""
        channel, upstream = self._channel, self.upstream
        try:
            while self._allowance > 0 and (said := upstream.take()) is not None:
                self._allowance -= len(said)
                self.spoke = upstream.heard
                kind = "text" if isinstance(said, str) else "bytes"
                await channel.send({"type": "websocket.send", kind: said})
        except ChannelClosed:
            return
        finally:
            self._sending = None
        if upstream.ended and self._allowance > 0:
            code, reason = upstream.last_word
            await channel.close(NORMAL if code == NO_CODE else code, reason)

    def _note(self) -> None:
        """Note that the client speaks: now and then that is a use of its session."""
        now = self._channel.heard
        self.spoke = now
        if self._guest is not None and now - self._used > _USE_SECONDS:
            self._used = now
            self._sessions.recall(self._guest.token, now)


class SocketProxy:
    """Takes WebSockets to services, looks after those that are open, and bounds how long they may.

    `doorkeeper` has the say over how many there are.
    """

    def __init__(
        self,
        opener: Opener,
        guests: Guests,
        sessions: SessionMemory,
        *,
        patience: Patience,
    ) -> None:
        self._opener = opener
        self._guests = guests
        self._sessions = sessions
        self._patience = patience
        self._open: set[Proxied] = set()
        self._ending: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        """Return how many sockets to services are open."""
        return len(self._open)

    async def open(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Have a service take a socket that may come in; raise Refused when it does not."""
        if not route.websocket:
            raise Refused(SOCKET_NOT_ALLOWED)
        await self._opener.open(exchange, route, destination)

    async def serve(self, exchange: Exchange, handshake: Handshake, channel: Channel) -> None:
        """Serve a socket that a service took, until it ends."""
        upstream = handshake.upstream
        if upstream is None:
            return
        guest = _guest(exchange, channel)
        until = _expiry(exchange) if guest is None else inf
        proxied = Proxied(channel, upstream, guest, self._sessions, until)
        self._open.add(proxied)
        if guest is not None:
            self._guests.add(guest)
        try:
            await proxied.run(_most_bytes(exchange))
        finally:
            self._open.discard(proxied)
            if guest is not None:
                self._guests.discard(guest)

    async def run(self) -> None:
        """Look after open sockets until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """End what has been idle for too long or whose service is dead; ping silent services."""
        for proxied in list(self._open):
            upstream = proxied.upstream
            if now > proxied.until:
                self._end(proxied, POLICY, TOKEN_EXPIRED.code)
            elif now - proxied.spoke > self._patience.idle:
                self._end(proxied, GOING_AWAY, "idle")
            elif upstream.paused:
                continue  # its pong could not be read; the client's side has a deadline
            elif upstream.pinged is not None:
                if now - upstream.pinged > self._patience.pong:
                    self._end(proxied, BAD_GATEWAY, "upstream_timeout")
            elif now - upstream.heard > self._patience.ping:
                upstream.ping()

    def close(self) -> None:
        """Let go of what outlives sockets."""
        self._opener.close()

    def _end(self, proxied: Proxied, code: int, reason: str) -> None:
        # On its own: a client that takes nothing must not keep us from looking at others.
        ending = asyncio.ensure_future(proxied.end(code, reason))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _guest(exchange: Exchange, channel: Channel) -> Guest | None:
    """Return whose session the socket depends on, None when there is none."""
    route, identity = exchange.route, exchange.identity
    token = session_token(exchange)
    if token is None or route is None or identity is None or _is_foreign(identity):
        return None

    async def end(reason: Reason) -> None:
        await channel.close(TRY_LATER if reason.status >= 500 else POLICY, reason.code)

    return Guest(token, route.roles, end)


def _is_foreign(identity: Identity) -> bool:
    """Tell whether somebody has come by other means than a session of ours."""
    return bool(identity.issuer or identity.consumer)


def _expiry(exchange: Exchange) -> float:
    """Return when the token of an outside issuer ends, in the event loop's time."""
    identity = exchange.identity
    if identity is None or not identity.issuer:
        return inf
    return asyncio.get_running_loop().time() + identity.expires_at - time.time()


def session_token(exchange: Exchange) -> str | None:
    """Return the token of the session that the pipeline found."""
    authorization = dict(exchange.identity_headers).get(b"authorization")
    return None if authorization is None else authorization.removeprefix(b"Bearer ").decode("ascii")


def _most_bytes(exchange: Exchange) -> int:
    route = exchange.route
    own = None if route is None else route.max_body_bytes
    return own or exchange.gateway.plan.max_body_bytes


def _goodbye(channel: Channel) -> tuple[int | None, str]:
    """Return what the service is told: the client's code, or the one with which we closed it."""
    code = channel.left_with if channel.left_with is not None else channel.closed_with
    if code is None:
        return GOING_AWAY, ""
    if code in _UNSENDABLE or not (code in _DEFINED or code in _FREE):
        return None, ""
    return code, ""


def _label(code: int | None) -> str:
    """Return a code as it is counted: applications have thousands of their own."""
    if code is None:
        return "none"
    return str(code) if code in _DEFINED else "own"


def _nothing() -> None:
    """Wake nobody."""
