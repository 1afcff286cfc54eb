"""The limits of one route, all of which must admit a request, and what its client is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from gateline.edge.exchange import Exchange, Refused
from gateline.edge.limits.rules import Counter
from gateline.edge.limits.share import Share
from gateline.policy.gcra import needs_no_identity
from gateline.policy.rate_limit_fields import (
    Standing,
    custom_fields,
    policy_field,
    policy_names,
    reset_field,
    retry_after,
    state_field,
    state_item,
)
from gateline.policy.reasons import LIMIT_SPENT
from gateline.policy.routes import Route


class Decider(Protocol):
    """Judges what cannot be judged at once."""

    async def decide(self, share: Share, now: float) -> bool:
        """Tell whether a request is admitted."""


class LimitsTogether:
    """Several limits that count the same requests. `clock` gives epoch seconds.

    `names` is what clients are told that the limits are called; without them what they go by.
    """

    __slots__ = ("_clock", "_decider", "_items", "_only", "_policy", "counters")

    def __init__(
        self,
        decider: Decider,
        counters: Sequence[Counter],
        *,
        names: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        rules = [counter.rule for counter in counters]
        names = names or policy_names(rules)
        self.counters = tuple(counters)
        self._decider = decider
        self._clock = clock
        self._only = counters[0] if len(counters) == 1 else None
        self._policy = policy_field(rules, names)
        self._items = [state_item(name) for name in names]

    def take(self, exchange: Exchange) -> Awaitable[None] | None:
        """Count one request; raise Refused now or in what is returned, None when it is decided."""
        counter = self._only
        if counter is None:
            return self._take_all(exchange)
        now = exchange.clock()
        share = counter.shares.get(counter.key_of(exchange))
        if share is None or not share.held or now >= share.until:
            return self._take_one(exchange, counter, now)
        # Most requests come here: one lease, one limit. `Share.spend` in line, and the fields.
        share.held = held = share.held - 1
        share.used_at = now
        counter.admitted += 1
        left = share.left + held
        rest = share.reset_at - now
        exchange.response_headers += (
            counter.limit_field,
            (b"x-ratelimit-remaining", b"%d" % left),
            share.reset_field or self._reset_field(share, now),
            self._policy,
            (b"ratelimit", self._items[0] % (left, rest + 1 if rest > 0 else 0)),
        )
        return None

    def _take_one(self, exchange: Exchange, counter: Counter, now: float) -> Awaitable[None] | None:
        share = counter.share(exchange, now)
        admitted = share.spend(now)
        if admitted is None:
            return self._take_all(exchange, share)
        self._conclude(exchange, [share], admitted, now)
        return None

    def _reset_field(self, share: Share, now: float) -> tuple[bytes, bytes]:
        """Return the moment of the reset, which stays the same until the store is asked again."""
        share.reset_field = reset_field(share.standing(now), self._clock())
        return share.reset_field

    async def _take_all(self, exchange: Exchange, unsure: Share | None = None) -> None:
        """Ask each limit in turn; one that refuses gives back what those before it have leased.

        Of one that refuses for sure the others are not asked. `unsure` is a share that was asked
        and could not say.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        shares = [counter.share(exchange, now) for counter in self.counters]
        for index, share in enumerate(shares):
            if share is not unsure and share.refuses(now):
                share.spend(now)
                self._conclude(exchange, shares[: index + 1], False, now)
        spent: list[tuple[Share, int]] = []
        for index, counter in enumerate(self.counters):
            share = shares[index] = counter.share(exchange, now)  # while we wait it may be swept
            verdict = None if share is unsure else share.spend(now)
            if verdict:
                spent.append((share, share.lease))
            elif verdict is None:
                verdict = await self._decider.decide(share, now)
                now = loop.time()
            if not verdict:
                for earlier, lease in spent:
                    earlier.give_back(lease)
                self._conclude(exchange, shares[: index + 1], False, now)
        self._conclude(exchange, shares, True, now)

    def _conclude(
        self, exchange: Exchange, shares: Sequence[Share], admitted: bool, now: float
    ) -> None:
        """Count, tell the client where it stands, and raise Refused if it must wait."""
        standings = [share.standing(now) for share in shares]
        if admitted:
            for counter in self.counters:
                counter.admitted += 1
        else:
            self.counters[len(shares) - 1].refused += 1
        self._tell(exchange, standings, admitted)
        if not admitted:
            wait = retry_after(shares[-1].retry_after(now))
            raise Refused(LIMIT_SPENT, [wait], details={"retry_after": int(wait[1])})

    def _tell(self, exchange: Exchange, standings: Sequence[Standing], admitted: bool) -> None:
        """Add the fields of all limits, and those by custom of the one that is nearest its end."""
        tightest = len(standings) - 1
        if admitted and tightest:
            tightest = min(range(len(standings)), key=lambda index: standings[index].left)
        rule, standing = self.counters[tightest].rule, standings[tightest]
        headers = exchange.response_headers
        headers += custom_fields(rule, standing, self._clock())
        headers.append(self._policy)
        headers.append(state_field(self._items[: len(standings)], standings))


class RouteLimits:
    """The limits of every route of one version of the gateway.

    Where all of them go by the client's address they are taken before anybody looks for a session,
    so that guesses are counted as well. Others wait until it is known who asks, and may: nobody
    else could spend what belongs to a user, to a header's value or to everybody together.
    """

    __slots__ = ("_before", "_then")

    def __init__(self, by_route: Mapping[str, LimitsTogether]) -> None:
        self._before: dict[str, LimitsTogether] = {}
        self._then: dict[str, LimitsTogether] = {}
        for name, limits in by_route.items():
            early = needs_no_identity([counter.rule for counter in limits.counters])
            (self._before if early else self._then)[name] = limits

    def take_unknown(self, exchange: Exchange, route: Route) -> Awaitable[None] | None:
        """Count one request of whoever it is; raises Refused, now or when awaited."""
        limits = self._before.get(route.name)
        return None if limits is None else limits.take(exchange)

    def take(self, exchange: Exchange, route: Route) -> Awaitable[None] | None:
        """Count one request that is allowed; raises Refused, now or when awaited."""
        limits = self._then.get(route.name)
        return None if limits is None else limits.take(exchange)
