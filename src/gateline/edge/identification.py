"""Who sends a request: known by a session of ours, or by what else a route accepts."""

from collections.abc import Awaitable
from typing import Final

from gateline.edge.exchange import Exchange, Refused
from gateline.edge.heads import MOST_TOKEN_BYTES
from gateline.edge.sessions import Known, SessionMemory
from gateline.policy.reasons import INTERNAL_ERROR, TOKEN_INVALID, Reason
from gateline.policy.routes import Route
from gateline.shared.cookies import session_cookie_name

_SESSION: Final = frozenset({"session"})


class Identification:
    """Fills in whose a request is. Whether they may is not asked here."""

    __slots__ = ("_sessions",)

    def __init__(self, sessions: SessionMemory) -> None:
        self._sessions = sessions

    def identify(self, exchange: Exchange, route: Route) -> Awaitable[None] | None:
        """Learn who asks, at once (None) or when awaited; raises Refused, now or then."""
        if route.accept != _SESSION:
            return self._otherwise(exchange, route)
        return self._by_session(exchange, route)

    async def _otherwise(self, exchange: Exchange, route: Route) -> None:
        """Look for what else the route accepts first."""
        credentials = exchange.gateway.credentials
        if credentials is not None and await credentials.identify(exchange, route):
            return
        if "session" in route.accept:
            waiting = self._by_session(exchange, route)
            if waiting is not None:
                await waiting

    def _by_session(self, exchange: Exchange, route: Route) -> Awaitable[None] | None:
        token, from_cookie = _token(exchange)
        if token is None:
            return None
        known = self._sessions.recall(token, exchange.clock())
        if known is None:
            return self._ask_who(exchange, route, token, from_cookie)
        _know(exchange, route, known, token if from_cookie else None)
        return None

    async def _ask_who(
        self, exchange: Exchange, route: Route, token: str, from_cookie: bool
    ) -> None:
        known = await self._sessions.ask(token)
        _know(exchange, route, known, token if from_cookie else None)


def _know(exchange: Exchange, route: Route, known: Known, cookie_token: str | None) -> None:
    """Take what is known of a token; `cookie_token` is the one that came in a cookie."""
    identity = known.identity if cookie_token is None else known.cookie_identity
    if identity is None:
        _refuse(known, route)
        return
    exchange.identity = identity
    exchange.identity_headers = known.headers
    exchange.cookie_token = cookie_token


def _refuse(known: Known, route: Route) -> None:
    """Refuse a token that is not believed, but for a page that anybody may see."""
    reason: Reason = known.reason or INTERNAL_ERROR
    if route.auth == "session" or reason.status >= 500:
        raise Refused(reason)


def _token(exchange: Exchange) -> tuple[str | None, bool]:
    """Return the token and whether a cookie brought it; a bearer token goes first."""
    bearer = exchange.head.bearer
    if bearer is not None:
        return bearer, False
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


def _text(token: bytes) -> str | None:
    """Return a token as text; what cannot be one is refused here, before anybody looks at it."""
    if not token:
        return None
    if len(token) > MOST_TOKEN_BYTES or not token.isascii():
        raise Refused(TOKEN_INVALID)
    return token.decode("ascii")
