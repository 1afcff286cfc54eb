"""A shared cache of answers in one worker's memory; what may be kept and used: `policy.caching`.

Of many requests for something that is not there, one fetches it and the others wait for it. What
is kept is bounded by its bytes; what was not used for longest goes first.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateline.edge import responding
from gateline.edge.collaborators import Forward
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.upstream import Response
from gateline.policy.cache_control import Directives, directives
from gateline.policy.caching import (
    Freshness,
    Use,
    is_failure,
    is_private,
    is_same,
    may_keep,
    may_stand_in,
    may_use,
    renewed,
    selecting,
    validators,
    varying,
)
from gateline.policy.headers import Headers, forward_response_headers
from gateline.policy.reasons import NOT_CACHED
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Service
from gateline.shared.gateway import GatewayPlan

Key = tuple[str, bytes, str, bytes]
"""Scheme, Host, path and query: what one answer's address is made of."""

MOST_BYTES: Final = 64 * 1024 * 1024
MOST_ANSWER_BYTES: Final = 1024 * 1024
_MOST_VARIANTS: Final = 16
_OVERHEAD_BYTES: Final = 1024
_WAIT_SECONDS: Final = 3.0
_PASS_SECONDS: Final = 5.0
_MOST_PASSING: Final = 10_000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CONDITIONS: Final = frozenset(
    {b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since"}
)
_BYPASSING: Final = frozenset({b"range", b"if-match", b"if-unmodified-since"})
_NO_CACHE: Final[Directives] = {"no-cache": None}


@dataclass(slots=True, eq=False)
class Stored:
    """An answer that is kept; `headers` are as the upstream sent them, as far as they may pass.

    `encoded` holds the compressed forms of the body that were asked for, by coding.
    """

    route: Route
    service: Service | None
    status: int
    headers: Headers
    body: bytes
    freshness: Freshness
    names: frozenset[bytes]
    selected: tuple[tuple[bytes, bytes], ...]
    encoded: dict[bytes, bytes] = field(default_factory=dict)
    counted: int = 0

    def weigh(self) -> int:
        """Return about how many bytes of memory it takes."""
        lines = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.body) + sum(map(len, self.encoded.values())) + lines + _OVERHEAD_BYTES


class ResponseCache:
    """Answers requests of routes that have a cache rule; `clock` gives epoch seconds."""

    def __init__(
        self,
        *,
        most_bytes: int = MOST_BYTES,
        most_answer_bytes: int = MOST_ANSWER_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.most_answer_bytes = most_answer_bytes
        self.clock = clock
        self._most_bytes = most_bytes
        self._stored: OrderedDict[Key, list[Stored]] = OrderedDict()
        self._filling: dict[Key, asyncio.Future[None]] = {}
        self._passing: dict[Key, float] = {}
        self.bytes = 0
        self.evicted = 0

    def for_plan(self, plan: GatewayPlan) -> "ResponseCache | None":
        """Return itself for a plan that has a use for it; what is kept outlives the plans."""
        return self if any(route.cache is not None for route in plan.routes) else None

    def __len__(self) -> int:
        """Return how many addresses have an answer."""
        return len(self._stored)

    async def answer(
        self, exchange: Exchange, route: Route, destination: Destination, forward: Forward
    ) -> None:
        """Answer from memory, or by `forward`, keeping what may be kept; raises what it raises."""
        if exchange.method not in ("GET", "HEAD"):
            await self._write_through(exchange, route, destination, forward)
            return
        asking = Asking(self, exchange, route, destination)
        if asking.bypasses:
            exchange.cache = "bypass"
            _tell(exchange, "fwd=bypass")
            await forward(exchange, route, destination)
            return
        if await self._recall(asking):
            return
        if "only-if-cached" in asking.asked:
            raise Refused(NOT_CACHED)
        collapsed = await self._wait_for_another(asking)
        if collapsed and await self._recall(asking, collapsed=True):
            return
        if exchange.method == "HEAD":
            exchange.cache = "bypass"
            _tell(exchange, "fwd=method")
            await forward(exchange, route, destination)
            return
        await self._fill(asking, destination, forward)

    async def _write_through(
        self, exchange: Exchange, route: Route, destination: Destination, forward: Forward
    ) -> None:
        """Forward what may change something; if it did, forget what its address held (4.4)."""
        await forward(exchange, route, destination)
        if exchange.method not in _SAFE and 200 <= exchange.status < 400:
            self.discard(_key(exchange))

    async def _recall(self, asking: "Asking", *, collapsed: bool = False) -> bool:
        """Answer with what is kept, if it may be used as it is."""
        stored = asking.stored = self._find(asking)
        if stored is None:
            return False
        now = self.clock()
        use = may_use(stored.freshness, asking.asked, now)
        if use is Use.VALIDATE or (
            use is Use.SERVE_WHILE_RENEWED and asking.key not in self._filling
        ):
            return False
        self._stored.move_to_end(asking.key)
        left = stored.freshness.left(now)
        asking.exchange.cache = "hit" if left > 0 else "stale"
        note = f"hit; ttl={left:.0f}"
        _tell(asking.exchange, note + "; collapsed" if collapsed else note)
        await self.send(asking.exchange, stored)
        return True

    async def send(self, exchange: Exchange, stored: Stored) -> None:
        """Answer with what is kept."""
        await responding.send_stored(exchange, stored, stored.freshness.age(self.clock()))
        self._weigh(stored)

    async def _wait_for_another(self, asking: "Asking") -> bool:
        """Wait while another request fetches the same; tell whether there was one."""
        filling = self._filling.get(asking.key)
        if filling is None or asking.is_private or "no-cache" in asking.asked:
            return False
        if self._passing.get(asking.key, 0.0) > self.clock():
            return False
        await asyncio.wait({filling}, timeout=_WAIT_SECONDS)
        return True

    async def _fill(self, asking: "Asking", destination: Destination, forward: Forward) -> None:
        """Fetch it, by way of the validators of what is there and stale."""
        exchange = asking.exchange
        exchange.filling = asking
        exchange.cache = "miss" if asking.stored is None else "validated"
        exchange.headers = [pair for pair in exchange.headers if pair[0] not in _CONDITIONS]
        if asking.stored is not None:
            exchange.headers += validators(asking.stored.headers)
        self._begin(asking)
        asking.asked_at = self.clock()
        try:
            await forward(exchange, asking.route, destination)
        except Refused as refused:
            if exchange.answered or not asking.may_stand_in(refused.reason.status):
                raise
            exchange.cache = "stale"
            _tell(exchange, f"fwd=stale; detail={refused.reason.code}")
            await self.send(exchange, asking.stale)
        finally:
            self._end(asking)

    def _begin(self, asking: "Asking") -> None:
        if not asking.is_private and asking.key not in self._filling:
            asking.done = asyncio.get_running_loop().create_future()
            self._filling[asking.key] = asking.done

    def _end(self, asking: "Asking") -> None:
        """Let those go on who wait for this one."""
        asking.exchange.filling = None
        done, asking.done = asking.done, None
        if done is not None:
            del self._filling[asking.key]
            done.set_result(None)

    def let_pass(self, asking: "Asking") -> None:
        """Note that this address gives nothing to keep, so that nobody waits for it in vain."""
        if len(self._passing) >= _MOST_PASSING:
            self._passing.clear()
        if not asking.is_private:
            self._passing[asking.key] = self.clock() + _PASS_SECONDS
            self._end_waiting(asking)

    def _end_waiting(self, asking: "Asking") -> None:
        if asking.done is not None and not asking.done.done():
            del self._filling[asking.key]
            asking.done.set_result(None)
            asking.done = None

    def _find(self, asking: "Asking") -> Stored | None:
        """Return what is kept for this very request; what an older version decided is dropped."""
        variants = self._stored.get(asking.key)
        if variants is None:
            return None
        asking.knows_address = True
        for stored in variants:
            if stored.route is not asking.route or stored.service is not asking.service:
                if stored.route != asking.route or stored.service != asking.service:
                    continue
                stored.route, stored.service = asking.route, asking.service
            if asking.is_private and not stored.freshness.is_public:
                continue
            if stored.selected == asking.selected(stored.names):
                return stored
        return None

    def put(self, key: Key, stored: Stored) -> None:
        """Keep an answer in the place of the one that it follows."""
        variants = self._stored.setdefault(key, [])
        for other in list(variants):
            if other.selected == stored.selected and (
                other.route.name == stored.route.name
                and other.freshness.is_public == stored.freshness.is_public
            ):
                self._drop(variants, other)
        variants.append(stored)
        if len(variants) > _MOST_VARIANTS:
            self._drop(variants, variants[0])
        self._stored.move_to_end(key)
        self._weigh(stored)

    def _drop(self, variants: list[Stored], stored: Stored) -> None:
        variants.remove(stored)
        self.bytes -= stored.counted
        stored.counted = -1

    def _weigh(self, stored: Stored) -> None:
        """Count an answer's bytes anew and make room."""
        if stored.counted < 0:
            return  # dropped meanwhile
        weight = stored.weigh()
        self.bytes += weight - stored.counted
        stored.counted = weight
        while self.bytes > self._most_bytes and self._stored:
            self.discard(next(iter(self._stored)))
            self.evicted += 1

    def discard(self, key: Key) -> None:
        """Forget what is kept for an address."""
        variants = self._stored.pop(key, None)
        for stored in list(variants or ()):
            self._drop(variants or [], stored)


class Asking:
    """One request for something that may be kept: what it wants, and what becomes of its answer."""

    __slots__ = (
        "_cache",
        "_freshness",
        "_headers",
        "_selected",
        "asked",
        "asked_at",
        "bypasses",
        "done",
        "exchange",
        "is_private",
        "key",
        "knows_address",
        "route",
        "service",
        "stored",
    )

    def __init__(
        self, cache: ResponseCache, exchange: Exchange, route: Route, destination: Destination
    ) -> None:
        fields = exchange.fields
        self._cache = cache
        self.exchange = exchange
        self.route = route
        self.service = exchange.gateway.plan.services.get(destination.service)
        self.key = _key(exchange)
        self.asked = _asked(exchange)
        self.is_private = is_private(fields, exchange.identity_headers)
        self.bypasses = "no-store" in self.asked or not _BYPASSING.isdisjoint(fields)
        self.stored: Stored | None = None
        self.knows_address = False
        self.asked_at = 0.0
        self.done: asyncio.Future[None] | None = None
        self._headers = exchange.headers
        self._selected: dict[frozenset[bytes], tuple[tuple[bytes, bytes], ...]] = {}
        self._freshness: Freshness | None = None

    def selected(self, names: frozenset[bytes]) -> tuple[tuple[bytes, bytes], ...]:
        """Return this request's values of the headers that an answer depends on."""
        found = self._selected.get(names)
        if found is None:
            rule = self.route.cache
            own = self.exchange.identity_headers
            assert rule is not None  # noqa: S101 - only routes with a rule come here
            found = self._selected[names] = selecting(names, self._headers, own, rule)
        return found

    def may_stand_in(self, status: int) -> bool:
        """Tell whether the kept answer may take the place of a failure with this status."""
        return (
            self.stored is not None
            and is_failure(status)
            and may_stand_in(self.stored.freshness, self.asked, self._cache.clock())
        )

    @property
    def stale(self) -> Stored:
        """The kept answer."""
        assert self.stored is not None  # noqa: S101 - asked for after `may_stand_in`
        return self.stored

    def settle(self, response: Response) -> Stored | None:
        """Decide on the upstream's answer; return the kept one where it is to be sent instead."""
        now = self._cache.clock()
        headers = forward_response_headers(response.headers)
        if self.stored is not None and response.status == 304:
            if is_same(self.stored.headers, headers):
                return self._confirm(self.stored, headers, now)
        elif self.may_stand_in(response.status):
            self.exchange.cache = "stale"
            _tell(self.exchange, f"fwd=stale; fwd-status={response.status}")
            return self.stored
        self._freshness = self._judge(response.status, headers, now)
        if self._freshness is None:
            self._cache.let_pass(self)
        kept = "; stored" if self._freshness is not None else ""
        _tell(self.exchange, f"fwd={self._why()}; fwd-status={response.status}{kept}")
        return None

    def _why(self) -> str:
        """Return why the request went on, in the words of RFC 9211, section 2.2."""
        if self.stored is None:
            return "vary-miss" if self.knows_address else "uri-miss"
        fresh = self.stored.freshness.left(self._cache.clock()) > 0
        return "request" if fresh and not self.stored.freshness.always_validate else "stale"

    def _judge(self, status: int, headers: Headers, now: float) -> Freshness | None:
        rule = self.route.cache
        assert rule is not None  # noqa: S101 - only routes with a rule come here
        return may_keep(
            rule,
            status,
            headers,
            is_private=self.is_private,
            asked_at=self.asked_at,
            received_at=now,
        )

    def _confirm(self, stored: Stored, confirmed: Headers, now: float) -> Stored:
        """Take the upstream's word that what is kept is still true (RFC 9111, section 4.3.4)."""
        _tell(self.exchange, f"fwd={self._why()}; fwd-status=304")
        stored.headers = renewed(stored.headers, confirmed)
        freshness = self._judge(stored.status, stored.headers, now)
        if freshness is None:
            self._cache.discard(self.key)
        else:
            stored.freshness = freshness
        return stored

    @property
    def wants_body(self) -> bool:
        """Tell whether the body is to be kept."""
        return self._freshness is not None

    def keep(self, status: int, headers: Headers, body: bytes) -> None:
        """Keep the whole answer; `headers` are the upstream's, as far as they may pass."""
        names = varying(headers)
        if self._freshness is None or names is None or len(body) > self._cache.most_answer_bytes:
            return
        kept = [pair for pair in headers if pair[0] != b"age"]
        stored = Stored(
            self.route,
            self.service,
            status,
            kept,
            body,
            self._freshness,
            names,
            self.selected(names),
        )
        self._cache.put(self.key, stored)

    @property
    def most_bytes(self) -> int:
        """The largest body that is kept."""
        return self._cache.most_answer_bytes


def _key(exchange: Exchange) -> Key:
    return (exchange.scheme, exchange.fields[b"host"], exchange.path, exchange.query)


def _asked(exchange: Exchange) -> Directives:
    """Return what the client asks of caches; Pragma only when it says nothing else (5.4)."""
    fields = exchange.fields
    if b"cache-control" in fields:
        return directives(exchange.headers)
    return _NO_CACHE if b"no-cache" in fields.get(b"pragma", b"").lower() else {}


def _tell(exchange: Exchange, what: str) -> None:
    """Say in Cache-Status what the cache did (RFC 9211)."""
    line = (b"cache-status", b"gateline; " + what.encode("ascii"))
    exchange.response_headers = [*exchange.response_headers, line]
