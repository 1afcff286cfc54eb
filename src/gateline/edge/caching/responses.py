"""A shared cache of answers; what may be kept and used is decided by `policy.caching`.

Of many requests for something that is not there, one fetches it and the others wait for it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateline.edge import responding
from gateline.edge.bodies import find_body
from gateline.edge.caching.asking import Asking, NotConfirmed, key_of, tell
from gateline.edge.caching.storage import Key, Storage, Stored
from gateline.edge.collaborators import Forward
from gateline.edge.exchange import Exchange, Refused
from gateline.policy.caching import Use, may_use, validators
from gateline.policy.headers import Headers
from gateline.policy.reasons import NOT_CACHED
from gateline.policy.routes import Destination, Route
from gateline.shared.gateway import GatewayPlan

_WAIT_SECONDS: Final = 3.0
_PASS_SECONDS: Final = 5.0
_MOST_PASSING: Final = 10_000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CONDITIONS: Final = frozenset(
    {b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since"}
)


class ResponseCache:
    """Answers requests of routes that have a cache rule."""

    def __init__(self, storage: Storage | None = None) -> None:
        self.storage = Storage() if storage is None else storage
        self._filling: dict[Key, asyncio.Future[None]] = {}
        self._passing: dict[Key, float] = {}
        self._fetching: dict[Key, set[Asking]] = {}

    def for_plan(self, plan: GatewayPlan) -> "ResponseCache | None":
        """Return itself for a plan that has a use for it; what is kept outlives the plans."""
        return self if any(route.cache is not None for route in plan.routes) else None

    async def answer(
        self, exchange: Exchange, route: Route, destination: Destination, forward: Forward
    ) -> None:
        """Answer from memory, or by `forward`, keeping what may be kept; raises what it raises."""
        if exchange.method not in ("GET", "HEAD"):
            await self._write_through(exchange, route, destination, forward)
            return
        if exchange.is_http2 and not exchange.body_done:
            await find_body(exchange)
        asking = Asking(self.storage, exchange, route, destination)
        if asking.bypasses:
            exchange.cache = "bypass"
            tell(exchange, "fwd=bypass")
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
            tell(exchange, "fwd=method")
            await forward(exchange, route, destination)
            return
        await self._fill(asking, destination, forward)

    async def _write_through(
        self, exchange: Exchange, route: Route, destination: Destination, forward: Forward
    ) -> None:
        """Forward what may change something; if it did, forget what its address held (4.4).

        It did when its answer began with a success, whether or not that came to its end.
        """
        try:
            await forward(exchange, route, destination)
        finally:
            if exchange.method not in _SAFE and 200 <= exchange.status < 400:
                self._forget(key_of(exchange))

    def _forget(self, key: Key) -> None:
        """Forget what an address held; what is on its way may be from before and is not kept."""
        self.storage.discard(key)
        for asking in self._fetching.get(key, ()):
            asking.is_outdated = True

    async def _recall(self, asking: Asking, *, collapsed: bool = False) -> bool:
        """Answer with what is kept, if it may be used as it is."""
        stored = asking.stored = self._find(asking)
        if stored is None:
            return False
        now = self.storage.clock()
        use = may_use(stored.freshness, asking.asked, now)
        if use is Use.VALIDATE or (
            use is Use.SERVE_WHILE_RENEWED and asking.key not in self._filling
        ):
            return False
        self.storage.use(asking.key)
        left = stored.freshness.left(now)
        asking.exchange.cache = "hit" if left > 0 else "stale"
        note = f"hit; ttl={left:.0f}"
        tell(asking.exchange, note + "; collapsed" if collapsed else note)
        await self.send(asking.exchange, stored)
        return True

    async def send(self, exchange: Exchange, stored: Stored) -> None:
        """Answer with what is kept."""
        await responding.send_stored(exchange, stored, stored.freshness.age(self.storage.clock()))
        self.storage.weigh(stored)

    async def _wait_for_another(self, asking: Asking) -> bool:
        """Wait while another request fetches the same; tell whether there was one."""
        filling = self._filling.get(asking.key)
        if filling is None or asking.is_private or "no-cache" in asking.asked:
            return False
        if self._passing.get(asking.key, 0.0) > self.storage.clock():
            return False
        await asyncio.wait({filling}, timeout=_WAIT_SECONDS)
        return True

    async def _fill(self, asking: Asking, destination: Destination, forward: Forward) -> None:
        """Fetch it, by way of the validators of what is there and stale."""
        exchange = asking.exchange
        exchange.filling = asking
        exchange.cache = "miss"
        exchange.headers = _unconditional(exchange.headers)
        if asking.stored is not None:
            exchange.headers += validators(asking.stored.headers)
        asking.release = self._begin(asking)
        asking.asked_at = self.storage.clock()
        fetching = self._fetching.setdefault(asking.key, set())
        fetching.add(asking)
        try:
            await self._fetch(asking, destination, forward)
        except Refused as refused:
            if exchange.answered or not asking.may_stand_in(refused.reason.status):
                raise
            exchange.cache = "stale"
            tell(exchange, f"fwd=stale; detail={refused.reason.code}")
            await self.send(exchange, asking.stale)
        finally:
            exchange.filling = None
            fetching.remove(asking)
            if not fetching:
                del self._fetching[asking.key]
            asking.release(False)

    async def _fetch(self, asking: Asking, destination: Destination, forward: Forward) -> None:
        """Forward it, once more without conditions when what is kept was not what they met."""
        exchange = asking.exchange
        try:
            await forward(exchange, asking.route, destination)
        except NotConfirmed:
            exchange.headers = _unconditional(exchange.headers)
            asking.asked_at = self.storage.clock()
            await forward(exchange, asking.route, destination)

    def _begin(self, asking: Asking) -> Callable[[bool], None]:
        """Let others wait for this one; return what lets them go on, once."""
        key = asking.key
        if asking.is_private or key in self._filling:
            return _nothing
        done = asyncio.get_running_loop().create_future()
        self._filling[key] = done

        def release(passes: bool) -> None:
            if not done.done():
                del self._filling[key]
                done.set_result(None)
            if passes:
                self._let_pass(key)

        return release

    def _let_pass(self, key: Key) -> None:
        """Note that this address gives nothing to keep, so that nobody waits for it in vain."""
        if len(self._passing) >= _MOST_PASSING:
            self._passing.clear()
        self._passing[key] = self.storage.clock() + _PASS_SECONDS

    def _find(self, asking: Asking) -> Stored | None:
        """Return the newest that is kept for this request; what older versions decided is not."""
        for stored in self.storage.at(asking.key):
            asking.knows_address = True
            if stored.route is not asking.route or stored.service is not asking.service:
                if stored.route != asking.route or stored.service != asking.service:
                    continue
                stored.route, stored.service = asking.route, asking.service
            if asking.matches(stored):
                return stored
        return None


def _unconditional(headers: Headers) -> Headers:
    return [pair for pair in headers if pair[0] not in _CONDITIONS]


def _nothing(_: bool) -> None:
    """Let nobody go on: nobody waits."""
