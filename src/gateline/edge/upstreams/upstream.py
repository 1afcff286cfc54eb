"""A service at run time: its targets, who of them may have requests, and when it is left alone."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Final

from gateline.edge.exchange import Exchange
from gateline.edge.upstreams.choosing import (
    Chooser,
    Draw,
    Hashed,
    LeastRequests,
    Only,
    RoundRobin,
    key_reader,
)
from gateline.edge.upstreams.probing import Prober, watch
from gateline.edge.upstreams.slots import Slots
from gateline.edge.upstreams.target import Target
from gateline.policy import budgets
from gateline.policy.balancing import Ring
from gateline.policy.breakers import Breaker
from gateline.policy.ejection import most_ejected
from gateline.policy.retries import Outcome
from gateline.policy.services import RetryBudget, Service

_EASING_STEPS: Final = 10
_BUDGET: Final = RetryBudget()
FAILURES: Final = frozenset(range(500, 600)) - {501, 505}
"""Answers that speak against a target; "not implemented" comes from one in good order."""

_log = logging.getLogger(__name__)


class Upstream:
    """A service and the targets that serve it.

    `only` is the target of a service that has just one: nothing is chosen there. `waiting` counts
    the requests that wait for an answer, `retrying` those of them that are repeated; both belong
    to the retry budget. `suspect` are the statuses that are looked at before they are passed on:
    failures, and whatever is worth another attempt. `retries` counts repetitions by outcome of the
    attempt before, `ejections` by target; `retries_refused` those that the budget did not allow.
    """

    __slots__ = (
        "_chooser",
        "_closed",
        "_draw",
        "_easing",
        "_prober",
        "_ring",
        "_tasks",
        "breaker",
        "budget",
        "ejections",
        "only",
        "retries",
        "retries_refused",
        "retrying",
        "service",
        "slots",
        "suspect",
        "targets",
        "waiting",
    )

    def __init__(
        self,
        service: Service,
        targets: Sequence[Target],
        *,
        budget: RetryBudget = _BUDGET,
        breaker: Breaker | None = None,
        slots: Slots | None = None,
        prober: Prober | None = None,
        draw: Draw = random.random,
    ) -> None:
        self.service = service
        self.targets = tuple(targets)
        self.budget = budget
        self.breaker = breaker
        self.slots = slots
        self.suspect = FAILURES | frozenset(service.retry.statuses)
        self.waiting = self.retrying = 0
        self.retries: Counter[Outcome] = Counter()
        self.retries_refused = 0
        self.ejections: Counter[str] = Counter()
        self.only = self.targets[0] if len(self.targets) == 1 else None
        self._draw = draw
        self._prober = prober
        self._ring = self._make_ring()
        self._easing: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._chooser: Chooser = self._make_chooser(_no_easing)

    # Whom to ask

    def choose(self, exchange: Exchange) -> Target:
        """Return the target for a request's first attempt."""
        return self.only or self._chooser.choose(exchange)

    def choose_besides(self, exchange: Exchange, tried: Collection[Target]) -> Target:
        """Return the target for another attempt: one that was not tried, where there is one."""
        if self.only is not None:
            return self.only
        if isinstance(self._chooser, Hashed):
            return self._chooser.choose_besides(exchange, tried)
        rest = [one for one in self._candidates() if one not in tried]
        if not rest:
            return self._chooser.choose(exchange)
        weights = [float(target.weight) for target in rest]
        return LeastRequests(rest, weights, self._draw).choose(exchange)

    def has_others(self, tried: Collection[Target]) -> bool:
        """Tell whether a target is available that was not tried."""
        return any(one.is_available and one not in tried for one in self.targets)

    def begin_retry(self) -> bool:
        """Count one more request as repeated, if the budget allows it; take it off when it ends."""
        if not budgets.may_retry(self.budget, active=self.waiting, retrying=self.retrying):
            self.retries_refused += 1
            return False
        self.retrying += 1
        return True

    # What became of it

    def succeeded(self, target: Target, now: float, probe: int = 0) -> None:
        """Take note of an attempt that was answered; `probe` is its number at the breaker."""
        outlier, breaker = target.outlier, self.breaker
        if outlier is not None and outlier.failures:
            outlier.failures = 0
        if breaker is not None:
            breaker.succeeded(now, probe)

    def failed(self, target: Target, now: float, probe: int = 0, *, unavailable: bool) -> None:
        """Take note of a failed attempt.

        Every failure speaks against its target. Against the service speaks only what is
        `unavailable`: no answer, or one that says so (502, 503, 504). A plain 500 does not: one
        page with a bug must not shut all others.
        """
        breaker = self.breaker
        if breaker is not None:
            if not unavailable:
                breaker.succeeded(now, probe)
            elif breaker.failed(now, probe):
                _log.warning(
                    "service %s is left alone for %g s: too many of its answers failed",
                    self.service.name,
                    breaker.policy.open_seconds,
                )
        outlier = target.outlier
        if outlier is not None and outlier.failed(now) and self._may_eject():
            self._eject(target, now)

    def note_probe(self, target: Target, good: bool) -> None:
        """Take the result of an active health check."""
        if target.tally is None or not target.tally.note(good):
            return
        level = logging.INFO if good else logging.WARNING
        word = "healthy again" if good else "unhealthy"
        _log.log(level, "%s of service %s is %s", target.name, self.service.name, word)
        self.refresh()

    def refresh(self) -> None:
        """Choose from now on among those that are available now."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        weights = {target: target.effective_weight(now) for target in self.targets}
        self._chooser = self._make_chooser(weights)
        if self._easing is not None:
            self._easing.cancel()
            self._easing = None
        policy = self.service.ejection
        eased = any(one.is_available and weights[one] < one.weight for one in self.targets)
        if policy is not None and eased and not self._closed:
            step = policy.slow_start_seconds / _EASING_STEPS
            self._easing = loop.call_later(step, self.refresh)

    # Its life

    def start(self) -> None:
        """Begin health checks, and what was under way in an earlier version of this service."""
        if self.service.probe is not None and self._prober is not None:
            self._run(watch(self, self._prober, self.service.probe, self._draw))
        for target in self.targets:
            if target.outlier is not None and target.outlier.is_out:
                self._run(self._bring_back(target))
        self.refresh()

    @property
    def tasks(self) -> "frozenset[asyncio.Task[None]]":
        """What runs for it at present."""
        return frozenset(self._tasks)

    def close(self) -> None:
        """End everything that runs for it; requests under way may still use it."""
        self._closed = True
        if self._easing is not None:
            self._easing.cancel()
        for task in self._tasks:
            task.cancel()

    def _may_eject(self) -> bool:
        policy = self.service.ejection
        if policy is None or self._closed:
            return False
        members = [target for target in self.targets if target.weight > 0]
        out = sum(not target.is_available for target in members)
        return out < most_ejected(policy, len(members))

    def _eject(self, target: Target, now: float) -> None:
        outlier = target.outlier
        if outlier is None:
            return
        seconds = outlier.eject(now) - now
        self.ejections[target.name] += 1
        _log.warning(
            "%s of service %s is left out for %g s: it failed %d times in a row",
            *(target.name, self.service.name, seconds, outlier.failures),
        )
        self._run(self._bring_back(target))
        self.refresh()

    async def _bring_back(self, target: Target) -> None:
        """Let a target in again when its time is over and it takes connections."""
        outlier, loop = target.outlier, asyncio.get_running_loop()
        if outlier is None:
            return
        while True:
            await asyncio.sleep(max(0.0, outlier.until - loop.time()))
            if self._prober is None or await self._prober.reaches(self.service, target):
                break
            outlier.prolong(loop.time())
        outlier.readmit(loop.time())
        _log.info("%s of service %s is let in again", target.name, self.service.name)
        self.refresh()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("looking after %s ended", self.service.name, exc_info=task.exception())

    def _candidates(self) -> list[Target]:
        """Return those that may be asked; when nobody is available, whoever has a weight.

        Asking one that looks dead is better than refusing for sure, in case it is the checks that
        are wrong.
        """
        members = [target for target in self.targets if target.weight > 0]
        return [one for one in members if one.is_available] or members or list(self.targets)

    def _make_ring(self) -> Ring | None:
        if self.service.balance != "hash" or self.only is not None:
            return None
        weights = [target.weight for target in self.targets]
        return Ring(
            [target.name for target in self.targets],
            weights if any(weights) else [1] * len(weights),
        )

    def _make_chooser(self, weights: "dict[Target, float]") -> Chooser:
        candidates = self._candidates()
        if len(candidates) == 1:
            return Only(candidates[0])
        if self._ring is not None:
            # The ring stays whole: only the keys of those that are left out move.
            key_of = key_reader(self.service.hash_on)
            return Hashed(self.targets, candidates, key_of, self._ring, self._draw)
        given = [weights.get(target, float(target.weight)) or 1.0 for target in candidates]
        kind = RoundRobin if self.service.balance == "round_robin" else LeastRequests
        return kind(candidates, given, self._draw)


_no_easing: Final[dict[Target, float]] = {}
