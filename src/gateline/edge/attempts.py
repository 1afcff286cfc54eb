"""Ask a service, again where that is allowed, until it answers or the policies say stop.

What is repeated, and when, is decided by `policy.retries` and `policy.budgets`; who is asked, and
whether at all, by the upstream. This module only does it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

from gateline.edge.exchange import Exchange, Refused
from gateline.edge.upstream import (
    BodyStream,
    Client,
    PoolExhausted,
    PreparedHeaders,
    Response,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.edge.upstreams import FAILURES, Target, Upstream
from gateline.policy.breakers import Breaker
from gateline.policy.headers import Headers
from gateline.policy.reasons import UPSTREAM_UNAVAILABLE
from gateline.policy.retries import Outcome, next_delay, retry_after_seconds

_UNAVAILABLE: Final = (502, 503, 504)


@dataclass(slots=True)
class Outgoing:
    """A request as it goes to a service; `deadline` is a time of the event loop's clock.

    `patience` is how many seconds the service may be silent.
    """

    upstream: Upstream
    method: bytes
    path: bytes
    headers: Headers | PreparedHeaders
    body: bytes | BodyStream | None
    deadline: float
    patience: float
    repeatable: bool


class Attempts:
    """Makes the attempts of requests to services."""

    __slots__ = ("_client", "_draw")

    def __init__(self, client: Client, draw: Callable[[], float] = random.random) -> None:
        self._client = client
        self._draw = draw

    async def ask(self, exchange: Exchange, outgoing: Outgoing) -> tuple[Response, Target]:
        """Return the service's answer and which of its targets gave it.

        Raises UpstreamError when there is none, Refused when the service is left alone, and what a
        body that is streamed raises.
        """
        upstream = outgoing.upstream
        clock = exchange.clock
        breaker = upstream.breaker
        probe = 0
        if breaker is not None and not breaker.closed:
            probe = enter(breaker, clock())
        upstream.waiting += 1
        try:
            began = clock()
            target = upstream.only or upstream.choose(exchange)
            result: Response | UpstreamError
            try:
                result = await self._send(exchange, outgoing, target)
                if result.status not in upstream.suspect:
                    upstream.succeeded(target, clock(), probe)
                    return result, target
            except UpstreamError as error:
                result = error
            return await self._go_on(exchange, outgoing, target, result, began, probe)
        finally:
            upstream.waiting -= 1
            if probe and breaker is not None:
                breaker.abandoned(probe)

    def _send(self, exchange: Exchange, outgoing: Outgoing, target: Target) -> Awaitable[Response]:
        exchange.attempts += 1
        exchange.target = target.name
        return self._client.send(
            target.pool,
            outgoing.method,
            outgoing.path,
            outgoing.headers,
            outgoing.body,
            deadline=outgoing.deadline,
            connect_timeout=outgoing.upstream.service.connect_timeout,
            read_timeout=outgoing.patience,
        )

    async def _go_on(
        self,
        exchange: Exchange,
        outgoing: Outgoing,
        target: Target,
        result: Response | UpstreamError,
        began: float,
        probe: int,
    ) -> tuple[Response, Target]:
        """Take a first attempt that did not go well; make others while they are allowed."""
        upstream = outgoing.upstream
        breaker = upstream.breaker
        clock = exchange.clock
        tried: list[Target] = []
        retrying = False
        try:
            while True:
                tried.append(target)
                now = clock()
                _note(upstream, target, result, now, probe)
                delay = self._delay(exchange, outgoing, result, tried, now, now - began)
                if delay is None or not (retrying or upstream.begin_retry()):
                    break
                retrying = True
                upstream.retries[_outcome(result)] += 1
                if isinstance(result, Response):
                    result.close()
                if delay > 0:
                    await asyncio.sleep(delay)
                began = clock()
                if breaker is not None:
                    probe = enter(breaker, began)
                target = upstream.choose_besides(exchange, tried)
                try:
                    result = await self._send(exchange, outgoing, target)
                except UpstreamError as error:
                    result = error
        finally:
            if retrying:
                upstream.retrying -= 1
            if probe and breaker is not None:
                breaker.abandoned(probe)
        if isinstance(result, UpstreamError):
            raise result
        return result, target

    def _delay(
        self,
        exchange: Exchange,
        outgoing: Outgoing,
        result: Response | UpstreamError,
        tried: list[Target],
        now: float,
        took: float,
    ) -> float | None:
        """Return the wait before the next attempt, None when this was the last."""
        upstream, outcome = outgoing.upstream, _outcome(result)
        if isinstance(result, PoolExhausted):
            return None
        if upstream.breaker is not None and not upstream.breaker.closed:
            return None
        if isinstance(outgoing.body, BodyStream) and outcome is not Outcome.CONNECT_FAILED:
            return None  # its bytes are gone: what came from the client cannot be read again
        return next_delay(
            upstream.service.retry,
            attempt=exchange.attempts,
            repeatable=outgoing.repeatable,
            outcome=outcome,
            status=result.status if isinstance(result, Response) else None,
            retry_after=_retry_after(result) if isinstance(result, Response) else None,
            remaining=outgoing.deadline - now,
            took=took,
            elsewhere=isinstance(result, StaleConnection) or upstream.has_others(tried),
            random=self._draw(),
        )


def enter(breaker: Breaker, now: float) -> int:
    """Pass a breaker and return the attempt's number, or raise Refused (503 with Retry-After)."""
    probe = breaker.admit(now)
    if probe is None:
        seconds = max(1, ceil(breaker.wait(now)))
        raise Refused(UPSTREAM_UNAVAILABLE, [(b"retry-after", b"%d" % seconds)])
    return probe


def _note(
    upstream: Upstream, target: Target, result: Response | UpstreamError, now: float, probe: int
) -> None:
    """Hold a result against the target, and the service, where it says something about them."""
    if isinstance(result, Response):
        if result.status not in FAILURES:
            upstream.succeeded(target, now, probe)
        else:
            upstream.failed(target, now, probe, unavailable=result.status in _UNAVAILABLE)
    elif not _is_nobodys_fault(result):
        upstream.failed(target, now, probe, unavailable=True)


def _is_nobodys_fault(error: UpstreamError) -> bool:
    """Tell whether an attempt failed for want of a connection of ours, or over one gone stale."""
    if isinstance(error, UpstreamTimeout):
        return error.phase == "queue"
    return isinstance(error, PoolExhausted | StaleConnection)


def _outcome(result: Response | UpstreamError) -> Outcome:
    if isinstance(result, Response):
        return Outcome.STATUS
    if not result.may_have_arrived:
        return Outcome.CONNECT_FAILED
    return Outcome.TIMED_OUT if isinstance(result, UpstreamTimeout) else Outcome.LOST


def _retry_after(response: Response) -> float | None:
    """Return the seconds that a service asks to wait."""
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return retry_after_seconds(value.decode("latin-1"), time.time())
    return None
