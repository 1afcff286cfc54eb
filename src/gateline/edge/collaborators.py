"""What the pipeline may be handed besides its own phases; each is one place in the request flow.

Absent (None) costs nothing: a route that does not use one pays an attribute test. Each is made for
one version of the gateway by a maker that outlives it, so that what has not changed (counters,
kept keys, stored answers) lives on when the file is read anew.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateline.edge.exchange import Exchange
from gateline.policy.routes import Destination, Route

Forward = Callable[[Exchange, Route, Destination], Awaitable[None]]
"""Sends a request to its service and answers it."""


class Credentials(Protocol):
    """Knows who sends a request by what is no session of ours: API keys, outside issuers."""

    async def identify(self, exchange: Exchange, route: Route) -> bool:
        """Set the exchange's `identity` and `identity_headers`, or tell that there is nothing.

        Asked first, for routes that accept more than sessions. Return False when the request
        carries none of the kinds that `route.accept` names; raise Refused for one that is not
        believed.
        """


class Limits(Protocol):
    """Counts requests of routes that have limits.

    None of what these return means that it was decided at once. Headers that go with the answer
    are added to `exchange.response_headers`.
    """

    def take_unknown(self, exchange: Exchange, route: Route) -> Awaitable[None] | None:
        """Count one request before it is known who asks, where that makes no difference."""

    def take(self, exchange: Exchange, route: Route) -> Awaitable[None] | None:
        """Count one request that is allowed; raise Refused (`limit_spent`), now or when awaited."""


class Cache(Protocol):
    """Keeps answers of routes with a cache rule."""

    async def answer(
        self, exchange: Exchange, route: Route, destination: Destination, forward: Forward
    ) -> None:
        """Answer from what is kept, else by `forward`; raise what that raises.

        Asked too for writes to routes without a rule: what they change is not kept any longer.
        """


class Sockets(Protocol):
    """Takes WebSockets to services."""

    async def admit(self, exchange: Exchange, route: Route, destination: Destination) -> None:
        """Set status 101 when the socket may come in (its service took it too); raise Refused."""
