"""The ways to choose a target: `policy.balancing` decides, this knows the targets and their load.

A chooser is made for the targets that are available at one moment and replaced when that changes.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from gateline.edge.exchange import Exchange
from gateline.edge.upstreams.target import Target
from gateline.policy import balancing
from gateline.policy.balancing import Ring

Draw = Callable[[], float]


class Chooser(Protocol):
    """Chooses among the targets that it was made for."""

    def choose(self, exchange: Exchange) -> Target:
        """Return the target for a request."""


class Only:
    """Chooses the single target that there is."""

    __slots__ = ("_target",)

    def __init__(self, target: Target) -> None:
        self._target = target

    def choose(self, exchange: Exchange) -> Target:
        """Return the target."""
        del exchange
        return self._target


class LeastRequests:
    """Chooses the less busy of two targets drawn by weight."""

    __slots__ = ("_bounds", "_draw", "_targets", "_weights")

    def __init__(self, targets: Sequence[Target], weights: Sequence[float], draw: Draw) -> None:
        self._targets = targets
        self._weights = weights
        self._bounds = balancing.bounds_of(weights)
        self._draw = draw

    def choose(self, exchange: Exchange) -> Target:
        """Return one of the targets; how busy is counted in requests in flight by weight."""
        del exchange
        draw, targets, weights = self._draw, self._targets, self._weights
        one, other = balancing.draw_two(self._bounds, draw(), draw())
        first, second = targets[one], targets[other]
        stays = balancing.least_requests(
            first.pool.in_use, weights[one], second.pool.in_use, weights[other]
        )
        return first if stays else second


class RoundRobin:
    """Chooses the targets in turn, each as often as its weight says."""

    __slots__ = ("_order", "_place", "_targets")

    def __init__(self, targets: Sequence[Target], weights: Sequence[float], draw: Draw) -> None:
        self._targets = targets
        self._order = balancing.rotation(weights)
        # Workers that begin at the same place would send their first requests to the same one.
        self._place = int(draw() * len(self._order))

    def choose(self, exchange: Exchange) -> Target:
        """Return the next target."""
        del exchange
        self._place = (self._place + 1) % len(self._order)
        return self._targets[self._order[self._place]]


class Hashed:
    """Chooses by a key of the request, so that equal keys meet the same target.

    A target that is not available, or has far more than its share of the load, is passed over for
    the next one on the ring. A request without the key goes anywhere.
    """

    __slots__ = ("_draw", "_key_of", "_ring", "_shares", "_targets")

    def __init__(
        self,
        targets: Sequence[Target],
        candidates: Sequence[Target],
        key_of: Callable[[Exchange], bytes | None],
        ring: Ring,
        draw: Draw,
    ) -> None:
        self._targets = targets
        weights = sum(target.weight for target in candidates) or 1
        self._shares = {target: target.weight / weights for target in candidates}
        self._key_of = key_of
        self._ring = ring
        self._draw = draw

    def choose(self, exchange: Exchange) -> Target:
        """Return the target of the request's key."""
        return self.choose_besides(exchange, ())

    def choose_besides(self, exchange: Exchange, tried: Collection[Target]) -> Target:
        """Return the key's next target that was not tried yet, some target when all were."""
        key = self._key_of(exchange) or f"{self._draw()}".encode()
        targets, shares = self._targets, self._shares
        load = sum(target.pool.in_use for target in shares)
        first: Target | None = None
        for index in self._ring.walk(key):
            target = targets[index]
            if target not in shares or target in tried:
                continue
            if not balancing.is_overloaded(target.pool.in_use, load, shares[target]):
                return target
            first = first or target
        return first or next(iter(shares))


def key_reader(hash_on: str) -> Callable[[Exchange], bytes | None]:
    """Return what reads the key out of a request: its client, user, a header or a cookie."""
    kind, _, name = hash_on.partition(":")
    if kind == "user":
        return _user
    if kind == "header":
        field = name.lower().encode("latin-1")
        return lambda exchange: exchange.fields.get(field)
    if kind == "cookie":
        return lambda exchange: _cookie(exchange, name.encode("latin-1") + b"=")
    return _client


def _client(exchange: Exchange) -> bytes:
    return exchange.client.encode("ascii")


def _user(exchange: Exchange) -> bytes:
    """Return the user's id; who is not logged in counts by address."""
    if exchange.identity is None:
        return _client(exchange)
    return f"user:{exchange.identity.user_id}".encode()


def _cookie(exchange: Exchange, start: bytes) -> bytes | None:
    for field, value in exchange.headers:
        if field == b"cookie":
            for pair in value.split(b";"):
                if pair.lstrip().startswith(start):
                    return pair.strip()[len(start) :]
    return None
