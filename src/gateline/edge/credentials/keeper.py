"""Knows who sends a request that carries an API key or a token of another issuer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from gateline.edge.credentials.api_keys import HEADER, ApiKeys
from gateline.edge.credentials.key_set import Fetch, KeySet
from gateline.edge.credentials.tokens import (
    MOST_BYTES,
    Bearer,
    OutsideTokens,
    TokenNotBelieved,
    claimed_issuer,
)
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.limits.together import LimitsTogether
from gateline.policy.credentials import ApiKey, Issuer
from gateline.policy.headers import Headers
from gateline.policy.rate_limit_fields import CUSTOM_NAMES
from gateline.policy.reasons import API_KEY_INVALID, BAD_REQUEST, ISSUER_UNAVAILABLE, TOKEN_INVALID
from gateline.policy.routes import Route
from gateline.shared.gateway import GatewayPlan

if TYPE_CHECKING:
    from gateline.edge.gateway import Gateway

_KEY: Final = "key"
_SESSION: Final = "session"
_BEARER: Final = b"bearer "


class CredentialKeeper:
    """Outlives the versions of the gateway, so that fetched keys and verified tokens stay.

    `limits_of` gives what decides the own limit of an API key. `clock` gives epoch seconds.
    """

    def __init__(
        self,
        fetch: Fetch,
        limits_of: Callable[[ApiKey], LimitsTogether | None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._limits_of = limits_of
        self._clock = clock
        self._issuers: dict[str, OutsideTokens] = {}

    def for_plan(self, plan: GatewayPlan) -> "KnownCredentials | None":
        """Return what knows the keys and issuers of a plan, None when no route asks for any.

        Where the last key was taken away its route still refuses it.
        """
        takes_keys = any(_KEY in route.accept for route in plan.routes)
        if not (takes_keys or plan.api_keys or plan.issuers):
            return None
        issuers = [self._tokens_of(issuer) for issuer in plan.issuers]
        return KnownCredentials(ApiKeys(plan.api_keys, self._limits_of), issuers)

    def settled(self, gateway: "Gateway") -> None:
        """Forget the issuers that the version which serves now does not know."""
        kept = {issuer.name for issuer in gateway.plan.issuers}
        self._issuers = {name: one for name, one in self._issuers.items() if name in kept}

    def _tokens_of(self, issuer: Issuer) -> OutsideTokens:
        tokens = self._issuers.get(issuer.name)
        if tokens is None or tokens.issuer != issuer:
            keys = KeySet(
                issuer.jwks_url, self._fetch, cooldown=issuer.cooldown, clock=time.monotonic
            )
            tokens = self._issuers[issuer.name] = OutsideTokens(issuer, keys, clock=self._clock)
        return tokens


class KnownCredentials:
    """The keys and issuers of one version of the gateway."""

    __slots__ = ("_api_keys", "_issuers")

    def __init__(self, api_keys: ApiKeys, issuers: Sequence[OutsideTokens]) -> None:
        self._api_keys = api_keys
        self._issuers = issuers

    async def identify(self, exchange: Exchange, route: Route) -> bool:
        """Set the identity of a request and tell whether it carries something of that kind.

        What a route does not accept is left to others; what it accepts and is not believed is
        refused, also where nobody needs to be known.
        """
        fields = exchange.fields
        if _KEY in route.accept and HEADER in fields:
            await self._by_key(exchange, route)
            return True
        authorization = fields.get(b"authorization")
        if authorization is None or authorization[:7].lower() != _BEARER:
            return False
        return await self._by_token(exchange, route, authorization[7:].strip())

    async def _by_key(self, exchange: Exchange, route: Route) -> None:
        sent = [value for name, value in exchange.headers if name == HEADER]
        if len(sent) != 1:
            raise Refused(BAD_REQUEST)
        consumer = self._api_keys.find(sent[0])
        if consumer is None:
            raise Refused(API_KEY_INVALID)
        exchange.identity = consumer.identity
        exchange.identity_headers = consumer.headers
        # A service is told who asks; the key itself is no business of its.
        exchange.headers = [pair for pair in exchange.headers if pair[0] != HEADER]
        if consumer.limits is not None:
            # The lists have the route's limits too, taken before or later; what is by custom can be
            # said but once: of the one with the least left, or of the route's that comes later.
            of_route = _without_custom_fields(exchange)
            waiting = consumer.limits.take(exchange)
            if waiting is not None:
                await waiting
            if route.limits:
                of_key = _without_custom_fields(exchange)
                nearest = of_route and min(of_route, of_key, key=_left)
                exchange.response_headers += nearest

    async def _by_token(self, exchange: Exchange, route: Route, raw: bytes) -> bool:
        token = raw.decode("ascii") if raw.isascii() and len(raw) <= MOST_BYTES else ""
        accepted = [one for one in self._issuers if one.issuer.name in route.accept]
        now = asyncio.get_running_loop().time()
        bearer = next(filter(None, (one.recall(token, now) for one in accepted)), None)
        if bearer is None:
            bearer = await _believed(accepted, token)
        if bearer is None:
            if accepted and _SESSION not in route.accept:
                raise Refused(TOKEN_INVALID)
            return False
        exchange.identity = bearer.identity
        exchange.identity_headers = bearer.headers
        return True


def _without_custom_fields(exchange: Exchange) -> Headers:
    """Take back what clients are told by custom so far, and return it."""
    told = exchange.response_headers
    exchange.response_headers = [pair for pair in told if pair[0] not in CUSTOM_NAMES]
    return [pair for pair in told if pair[0] in CUSTOM_NAMES]


def _left(custom: Headers) -> int:
    """Return how many requests the fields by custom say are left."""
    return int(dict(custom)[b"x-ratelimit-remaining"])


async def _believed(accepted: Sequence[OutsideTokens], token: str) -> Bearer | None:
    """Return whom a token belongs to, None when none of these issuers has made it."""
    issuer = claimed_issuer(token) if accepted else None
    tokens = next((one for one in accepted if one.issuer.issuer == issuer), None)
    if tokens is None:
        return None
    try:
        return await tokens.believe(token)
    except TokenNotBelieved as refused:
        again = refused.reason is ISSUER_UNAVAILABLE
        headers = [(b"retry-after", b"5")] if again else []
        raise Refused(refused.reason, headers) from refused
