"""Rate limits: an exact sliding log in Valkey, and in this process's memory when that is away.

The decision is `gateline.policy.limits`; here are the two places where the log is kept, the choice
between them, and what Flask needs: `@limit` on a view, a default for all others, and the headers.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar, cast

import redis
from flask import Flask, Response, current_app, g, request
from prometheus_client import Counter

from gateline.policy.clients import client_network
from gateline.policy.limits import Limit, Verdict, limit_headers, sliding_log, verdict
from gateline.policy.reasons import LIMIT_SPENT
from gateline.shared import lua
from gateline.shared.errors import ApiError
from gateline.shared.middleware.auth import current_identity
from gateline.shared.service_keys import calling_service

if TYPE_CHECKING:
    from gateline.shared.app import Parts

P = ParamSpec("P")
R = TypeVar("R")
Clock = Callable[[], float]

UNLIMITED_PATHS: Final = frozenset({"/health", "/livez", "/readyz", "/metrics"})
"""Probes come often, from machines, and must be answered."""

PROBES: Final = "6000/minute"
"""For health at a public address: plenty for machines that ask often, and not without end."""

_LOG: Final = logging.getLogger(__name__)
_FALLBACKS: Final = Counter(
    "gateline_limiter_fallback_total",
    "Requests whose rate limit was judged in memory because Valkey was away.",
)
_MICROSECONDS: Final = 1_000_000
_PAUSE: Final = 1.0
_MAX_KEYS: Final = 50_000


class LimitSpent(ApiError):
    """Too many requests (429); the answer says when the next one may come."""

    def __init__(self, spent: Verdict) -> None:
        super().__init__(
            reason=LIMIT_SPENT,
            headers=limit_headers(spent),
            details={"retry_after": spent.retry_after},
        )


class Storage(Protocol):
    """Where the log of admitted requests is kept."""

    def hit(self, key: str, limit: Limit) -> Verdict:
        """Judge one request now and, when it is admitted, write it down."""

    def look(self, key: str, limit: Limit) -> Verdict:
        """Judge one request now, and write nothing down."""


class ValkeyStorage:
    """The log in Valkey, one for all processes. Without `clock` Valkey's own clock rules."""

    def __init__(self, kv: redis.Redis, prefix: str = "limit:", clock: Clock | None = None) -> None:
        self._prefix = prefix
        self._clock = clock
        self._script = kv.register_script(lua.source("sliding_log"))

    def hit(self, key: str, limit: Limit) -> Verdict:
        """Judge one request in one round trip; raises redis.RedisError when Valkey is away."""
        return self._judge(key, limit, "write")

    def look(self, key: str, limit: Limit) -> Verdict:
        """Judge one request without writing it down; raises as `hit` does."""
        return self._judge(key, limit, "look")

    def _judge(self, key: str, limit: Limit, how: str) -> Verdict:
        now = "" if self._clock is None else str(round(self._clock() * _MICROSECONDS))
        args: list[int | str] = [limit.requests, limit.seconds, now, how]
        reply = self._script(keys=[self._prefix + key], args=args)
        return read_reply(limit, cast("list[int]", reply))


def read_reply(limit: Limit, reply: Sequence[int]) -> Verdict:
    """Return the verdict that the script `sliding_log` gave."""
    used, oldest, newest, now = reply
    return verdict(
        limit,
        used=used,
        oldest=oldest / _MICROSECONDS,
        newest=newest / _MICROSECONDS,
        now=now / _MICROSECONDS,
    )


class MemoryStorage:
    """The log in this process's memory, for at most `max_keys` keys (the least used go first)."""

    def __init__(self, clock: Clock = time.time, max_keys: int = _MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._logs: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def hit(self, key: str, limit: Limit) -> Verdict:
        """Judge one request; safe to call from several threads."""
        with self._lock:
            log = self._log(key)
            now = max(self._clock(), log[-1]) if log else self._clock()
            while log and log[0] <= now - limit.seconds:
                log.popleft()
            answer = sliding_log(limit, log, now)
            if answer.allowed:
                log.append(now)
            return answer

    def look(self, key: str, limit: Limit) -> Verdict:
        """Judge one request without writing it down."""
        with self._lock:
            return sliding_log(limit, self._logs.get(key, ()), self._clock())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._logs.clear()

    def _log(self, key: str) -> deque[float]:
        log = self._logs.setdefault(key, deque())
        self._logs.move_to_end(key)
        if len(self._logs) > self._max_keys:
            self._logs.popitem(last=False)
        return log


class RateLimiter:
    """Judges requests in Valkey, alone in memory while Valkey is away.

    So an outage neither opens nor shuts the gate. `share` is the part of a limit that this process
    may then give by itself (1 / number of processes keeps the total); it is at least one request.
    After a failure Valkey is left alone for a second: not every request waits for a time-out.
    """

    def __init__(
        self,
        kv: redis.Redis,
        prefix: str = "limit:",
        clock: Clock = time.time,
        *,
        share: float = 1.0,
        storage: Storage | None = None,
    ) -> None:
        self._storage = storage or ValkeyStorage(kv, prefix)
        self._memory = MemoryStorage(clock)
        self._clock = clock
        self._share = share
        self._away_until: float | None = None

    def hit(self, key: str, limit: Limit) -> Verdict:
        """Judge one request for `key` and count it when it is admitted; never raises."""
        return self._judge(limit, lambda storage, within: storage.hit(key, within))

    def look(self, key: str, limit: Limit) -> Verdict:
        """Judge one request for `key` without counting it; never raises."""
        return self._judge(limit, lambda storage, within: storage.look(key, within))

    def _judge(self, limit: Limit, ask: Callable[[Storage, Limit], Verdict]) -> Verdict:
        if self._away_until is None or self._clock() >= self._away_until:
            try:
                answer = ask(self._storage, limit)
            except redis.RedisError as error:
                self._went_away(error)
            else:
                self._came_back()
                return answer
        _FALLBACKS.inc()
        alone = replace(limit, requests=max(1, int(limit.requests * self._share)))
        return ask(self._memory, alone)

    def _went_away(self, error: redis.RedisError) -> None:
        if self._away_until is None:
            _LOG.warning(
                "Valkey is away (%s): rate limits are judged in memory", type(error).__name__
            )
        self._away_until = self._clock() + _PAUSE

    def _came_back(self) -> None:
        if self._away_until is not None:
            self._away_until = None
            self._memory.clear()
            _LOG.warning("Valkey is back: rate limits are shared again")


def client_key() -> str:
    """Return whom the current request counts for: the account, the service, else the address."""
    try:
        identity = current_identity()
    except ApiError:
        # The store is away: whoever must be known is refused by the view, not by the limit.
        identity = None
    return service_key() if identity is None else f"user:{identity.user_id}"


def service_key() -> str:
    """Return the calling service, for views behind `require_service_key`; a wrong key's address.

    Put `@limit` above `@require_service_key`: then guessing keys is limited as well.
    """
    service = calling_service()
    return f"service:{service}" if service else address_key()


def address_key() -> str:
    """Return the client's address, of IPv6 its network: nobody gets a limit for each of 2**64."""
    return f"address:{client_network(request.remote_addr or '')}"


def limit(
    rate: str | Limit, key: Callable[[], str] = client_key, *, scope: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Limit a view to `rate` (`"10/minute"`) per `key`; the app's default then does not apply.

    Views that name the same `scope` share one limit; without it each endpoint counts by itself.
    """
    wanted = Limit.parse(rate) if isinstance(rate, str) else rate

    def decorator(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            spend(wanted, f"{scope or request.endpoint}:{key()}")
            return view(*args, **kwargs)

        return exempt(limited)

    return decorator


def exempt(view: Callable[P, R]) -> Callable[P, R]:
    """Take a view out of the app's default limit."""
    view._gateline_own_limit = True  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
    return view


def spend(wanted: Limit, key: str) -> Verdict:
    """Count the current request against a limit; raise LimitSpent when there is nothing left."""
    answer = _parts().limiter.hit(key, wanted)
    g.rate_limit = answer
    if not answer.allowed:
        raise LimitSpent(answer)
    return answer


@contextmanager
def spend_failures(wanted: Limit, key: str) -> Iterator[None]:
    """Count what is refused (400 to 499) within; raise LimitSpent once nothing is left for that.

    What succeeds spends nothing, so those who fail take little from those who do not.
    """
    answer = _parts().limiter.look(key, wanted)
    if not answer.allowed:
        raise LimitSpent(answer)
    try:
        yield
    except ApiError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            _parts().limiter.hit(key, wanted)
        raise


def init_rate_limiter(app: Flask, default: str | Limit) -> None:
    """Limit every endpoint of an app by default, and put the X-RateLimit headers on its answers."""
    wanted = Limit.parse(default) if isinstance(default, str) else default

    def admit() -> None:
        view: Any = current_app.view_functions.get(request.endpoint or "")
        own = getattr(view, "_gateline_own_limit", False)
        if not own and request.path not in UNLIMITED_PATHS:
            spend(wanted, f"default:{client_key()}")

    app.before_request(admit)
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    answer: Verdict | None = g.get("rate_limit")
    # A proxied answer that speaks of the service's own limit keeps it: that is the tighter one.
    if answer is not None and "X-RateLimit-Limit" not in response.headers:
        response.headers.update(limit_headers(answer))
    return response


def _parts() -> "Parts":
    return cast("Parts", current_app.extensions["gateline"])
