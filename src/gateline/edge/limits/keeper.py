"""Decides the limits of every request, asking the store only where this edge holds nothing."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateline.edge.limits.figures import Figures
from gateline.edge.limits.rules import Counter
from gateline.edge.limits.share import Share, Waiter, wait_on
from gateline.edge.limits.store import Store, StoreAway
from gateline.edge.limits.together import LimitsTogether, RouteLimits
from gateline.policy.credentials import ApiKey
from gateline.policy.gcra import LimitRule
from gateline.shared.gateway import GatewayPlan
from gateline.shared.pacing import in_portions

if TYPE_CHECKING:
    from gateline.edge.gateway import Gateway

_TICK_SECONDS: Final = 0.5
_SWEEP_TICKS: Final = 10
_GREET_TICKS: Final = 2
_IDLE_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)

_Counters = dict[tuple[str, LimitRule, int], Counter]
"""Each by its name, its rule, and how many like it go before it under that name."""


class LimitKeeper:
    """All limits of one worker; outlives the versions of the gateway.

    `store` holds what all edges share. While it is away each edge admits its part alone: the limit
    divided by the edges that were last seen. `clock` gives epoch seconds.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._counters: _Counters = {}
        self._drafted: _Counters = {}
        self._own: list[Counter] = []
        self._leasing: set[Share] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._figures = Figures()
        self.edges = 1
        self.away = False

    def for_plan(self, plan: GatewayPlan) -> RouteLimits | None:
        """Return what decides the limits of a plan's routes; counts of unchanged ones go on.

        Any thread may call it, one at a time: new counters are a draft until `settled`.
        """
        drafted: _Counters = {}
        self._drafted = drafted
        found = {
            route.name: self._together(route.name, route.limits, into=drafted)
            for route in in_portions(plan.routes)
            if route.limits
        }
        return RouteLimits(found) if found else None

    def together(
        self, name: str, rules: Sequence[LimitRule], names: Sequence[str] = ()
    ) -> LimitsTogether | None:
        """Return what decides several limits that must all admit; None for none.

        `name` keeps their counts apart, `names` are those that clients are told.
        """
        return self._together(name, rules, names, into=self._counters) if rules else None

    def of_key(self, key: ApiKey) -> LimitsTogether | None:
        """Return what decides the limit of an API key on all routes together, None without one."""
        return self.together(_name_of(key), _rules_of(key), ("key",))

    def settled(self, gateway: "Gateway") -> None:
        """Forget the counters of limits that the version which serves now does not have."""
        used = {route.name: route.limits for route in gateway.plan.routes}
        used |= {_name_of(key): _rules_of(key) for key in gateway.plan.api_keys}
        counters, drafted = self._counters, self._drafted
        counters.update(drafted)
        self._drafted = {}
        gone = [one for one in counters if used.get(one[0], ()).count(one[1]) <= one[2]]
        for key in gone:
            del counters[key]

    def own(self, name: str, rule: LimitRule) -> LimitsTogether:
        """Return what decides a limit of what the edge answers itself, in this worker alone.

        So no probe of an orchestrator waits for a store that is away.
        """
        counter = Counter(name, rule)
        self._own.append(counter)
        return LimitsTogether(Here(), (counter,), clock=self._clock)

    async def decide(self, share: Share, now: float) -> bool:
        """Tell whether a request is admitted that could not be judged at once."""
        if self.away:
            return self._alone(share, now)
        new = asyncio.get_running_loop().create_future
        first = share.waiters is None
        waiter = wait_on(share, new)
        if first:
            task = asyncio.ensure_future(self._ask_for(share))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiter

    async def run(self) -> None:
        """Keep in touch with the store until cancelled; bring back what is held then."""
        ticks = 0
        try:
            while True:
                if self.away or ticks % _GREET_TICKS == 0:
                    await self._greet()
                if ticks % _SWEEP_TICKS == 0:
                    self._sweep()
                self._publish()
                await self._bring_back(_IDLE_SECONDS)
                ticks += 1
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            await self._leave()

    def _together(
        self, name: str, rules: Sequence[LimitRule], names: Sequence[str] = (), *, into: _Counters
    ) -> LimitsTogether:
        counters = [self._counter(name, rules, at, into) for at in range(len(rules))]
        return LimitsTogether(self, counters, names=names, clock=self._clock)

    def _counter(self, name: str, rules: Sequence[LimitRule], at: int, into: _Counters) -> Counter:
        same = sum(rule == rules[at] for rule in rules[:at])
        key = (name, rules[at], same)
        counter = self._counters.get(key) or self._drafted.get(key)
        if counter is None:
            counter = into[key] = Counter(name, rules[at])
        return counter

    async def _ask_for(self, share: Share) -> None:
        """Ask until everybody who waits for this share has an answer."""
        waiters = share.waiters or deque()
        try:
            while waiters:
                await self._ask_once(share, waiters)
        except StoreAway as error:
            self._went_away(error)
        finally:
            share.waiters = None
            for waiter in waiters:
                _tell(waiter, self._alone(share, asyncio.get_running_loop().time()))
        if share.held:
            self._leasing.add(share)

    async def _ask_once(self, share: Share, waiters: "deque[Waiter]") -> None:
        """Ask for those who wait by now; of more who come meanwhile, serve whom it suffices for."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        answer = await self._store.ask(share.question(asked_at, self.edges, len(waiters)))
        now = loop.time()
        share.learn(answer, asked_at, now, self.edges)
        while waiters and share.held:
            if _tell(waiters.popleft(), True):
                share.held -= 1
        share.keep_lease()
        while waiters and not answer.left:
            _tell(waiters.popleft(), False)

    def _alone(self, share: Share, now: float) -> bool:
        self._figures.alone += 1
        return share.spend_alone(now, self.edges)

    def _went_away(self, error: StoreAway) -> None:
        """Stop asking; `run` tries whether it is back, so that no request waits for that."""
        if not self.away:
            self.away = True
            _log.warning("the store is away (%s): this edge admits its part of limits", error)

    def _came_back(self) -> None:
        if self.away:
            self.away = False
            _log.warning("the store is back: limits are shared again")

    async def _greet(self) -> None:
        try:
            self.edges = max(1, await self._store.greet())
        except StoreAway as error:
            self._went_away(error)
        else:
            self._came_back()

    async def _bring_back(self, idle: float) -> None:
        """Return what is held and was not used lately: others may need it."""
        now = asyncio.get_running_loop().time()
        if self.away:
            return
        self._leasing = {one for one in self._leasing if one.held and now < one.until}
        unused = [one for one in self._leasing if one.is_idle(now, idle)]
        if not unused:
            return
        self._leasing.difference_update(unused)
        questions = [share.give_up(now) for share in unused]
        answers = (self._store.ask(question) for question in questions)
        await asyncio.gather(*answers, return_exceptions=True)

    async def _leave(self) -> None:
        await self._bring_back(0.0)
        self._publish()
        try:
            await self._store.greet(leaving=True)
        except StoreAway:
            _log.info("the store is away: it will notice by itself that this edge left")

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for counter in self._all():
            counter.sweep(now)

    def _publish(self) -> None:
        self._figures.publish(
            self._all(), self._store.operations, edges=self.edges, alone=self.away
        )

    def _all(self) -> Iterable[Counter]:
        return (*self._counters.values(), *self._own)


def _name_of(key: ApiKey) -> str:
    return f"key:{key.name}"


def _rules_of(key: ApiKey) -> tuple[LimitRule, ...]:
    return () if key.limit is None else (replace(key.limit, by="route"),)


class Here:
    """Decides by this worker's own count."""

    async def decide(self, share: Share, now: float) -> bool:
        """Tell whether one more is admitted; never waits."""
        return share.spend_alone(now, edges=1)


def _tell(waiter: Waiter, verdict: bool) -> bool:
    """Answer one who waits; tell whether it is still there to hear it."""
    if waiter.done():
        return False
    waiter.set_result(verdict)
    return True
