"""What one request wants of the cache, and what the cache makes of the upstream's answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateline.edge.caching.storage import Key, Selected, Storage, Stored
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.upstream import Response
from gateline.policy.cache_control import Directives, directives, first, is_unchanged
from gateline.policy.caching import (
    Freshness,
    is_failure,
    is_private,
    is_same,
    may_keep,
    may_stand_in,
    renewed,
    selecting,
    varying,
    without_age,
)
from gateline.policy.headers import Headers, forward_response_headers
from gateline.policy.reasons import UPSTREAM_INVALID
from gateline.policy.routes import Destination, Route

_BYPASSING: Final = frozenset(
    {
        b"if-match",
        b"if-unmodified-since",
        b"range",
        # Frameworks that heed these give another answer than the one that the address stands for:
        # kept, it would be everybody's (web cache poisoning).
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
    }
)
_PORTS: Final = {"http": b":80", "https": b":443"}
_NO_CACHE: Final[Directives] = {"no-cache": None}


class NotConfirmed(Exception):
    """The service confirmed another answer than the one that is kept (RFC 9111, section 4.3.4)."""


class Asking:
    """One request for something that may be kept: what it wants, and what becomes of its answer.

    `release` is called with True as soon as it is known that the answer is not kept. `is_outdated`
    is set when something was written to its address meanwhile: then its answer is not kept either.
    """

    __slots__ = (
        "_freshness",
        "_headers",
        "_selected",
        "_storage",
        "asked",
        "asked_at",
        "bypasses",
        "exchange",
        "is_outdated",
        "is_private",
        "key",
        "knows_address",
        "release",
        "route",
        "service",
        "stored",
    )

    def __init__(
        self, storage: Storage, exchange: Exchange, route: Route, destination: Destination
    ) -> None:
        fields = exchange.fields
        self._storage = storage
        self.exchange = exchange
        self.route = route
        self.service = exchange.gateway.plan.services.get(destination.service)
        self.key = key_of(exchange)
        self.asked = _asked(exchange)
        self.is_private = is_private(fields, exchange.identity_headers, _telling(route))
        self.bypasses = (
            "no-store" in self.asked or not exchange.body_done or not _BYPASSING.isdisjoint(fields)
        )
        self.stored: Stored | None = None
        self.knows_address = False
        self.is_outdated = False
        self.asked_at = 0.0
        self.release: Callable[[bool], None] = _nothing
        self._headers = exchange.headers
        self._selected: dict[frozenset[bytes], Selected] = {}
        self._freshness: Freshness | None = None

    def selected(self, names: frozenset[bytes]) -> Selected:
        """Return this request's values of the headers that an answer depends on."""
        found = self._selected.get(names)
        if found is None:
            rule = self.route.cache
            own = self.exchange.identity_headers
            assert rule is not None  # noqa: S101 - only routes with a rule come here
            found = self._selected[names] = selecting(names, self._headers, own, rule)
        return found

    def matches(self, stored: Stored) -> bool:
        """Tell whether an answer of this address is one to this request (RFC 9111, section 4.1)."""
        if self.is_private and not stored.freshness.is_public:
            return False
        return stored.selected == self.selected(stored.names)

    def may_stand_in(self, status: int) -> bool:
        """Tell whether the kept answer may take the place of a failure with this status."""
        return (
            self.stored is not None
            and is_failure(status)
            and may_stand_in(self.stored.freshness, self.asked, self._storage.clock())
        )

    @property
    def stale(self) -> Stored:
        """The kept answer."""
        assert self.stored is not None  # noqa: S101 - asked for after `may_stand_in`
        return self.stored

    def settle(self, response: Response) -> Stored | None:
        """Decide on the upstream's answer; return the kept one where it is to be sent instead.

        Raises NotConfirmed when a 304 is not about it, Refused when nobody asked for a 304.
        """
        now = self._storage.clock()
        headers = forward_response_headers(response.headers)
        if response.status == 304:
            if self.stored is not None and is_same(self.stored.headers, headers):
                return self._confirm(self.stored, headers, now)
            self._doubt(response, headers)
        elif self.may_stand_in(response.status):
            self.exchange.cache = "stale"
            tell(self.exchange, f"fwd=stale; fwd-status={response.status}")
            return self.stored
        if self._fits(response) and not self.is_outdated:
            self._freshness = self._judge(response.status, headers, now)
        if self._freshness is None:
            self.release(not self.is_outdated)
            self._replace(response.status)
        kept = "; stored" if self._freshness is not None else ""
        tell(self.exchange, f"fwd={self._why()}; fwd-status={response.status}{kept}")
        return None

    def _doubt(self, response: Response, headers: Headers) -> None:
        """Refuse a 304 about something else, unless the client has just that (RFC 9111, 4.3.3)."""
        if self.stored is not None:
            response.close()
            self._storage.drop(self.key, self.stored)
            self.stored = None
            raise NotConfirmed
        etag, modified = first(headers, b"etag"), first(headers, b"last-modified")
        if not is_unchanged(self.exchange.fields, etag, modified):
            response.close()
            tell(self.exchange, f"fwd={self._why()}; fwd-status=304")
            raise Refused(UPSTREAM_INVALID)

    def _replace(self, status: int) -> None:
        """Forget what is kept when a whole answer follows it and is not kept (RFC 9111, 4.3.3)."""
        if self.stored is not None and status < 500:
            self._storage.drop(self.key, self.stored)

    def _fits(self, response: Response) -> bool:
        """Tell whether the body may be small enough; where nobody knows its length yet it may."""
        length = next(
            (value for name, value in response.headers if name.lower() == b"content-length"), b"0"
        )
        return not length.isdigit() or int(length) <= self.most_bytes

    def _why(self) -> str:
        """Return why the request went on, in the words of RFC 9211, section 2.2."""
        if self.stored is None:
            return "vary-miss" if self.knows_address else "uri-miss"
        fresh = self.stored.freshness.left(self._storage.clock()) > 0
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
        """Take the upstream's word that what is kept is still true (RFC 9111, section 4.3.4).

        Its Vary counts from now on as any other header does (sections 3.2 and 4.1).
        Where that word makes it one that is not kept, only this client gets it: others may hold
        the kept one while they wait, and must not see what was said to somebody else.
        """
        self.exchange.cache = "validated"
        tell(self.exchange, f"fwd={self._why()}; fwd-status=304")
        headers = renewed(stored.headers, confirmed)
        freshness = self._judge(stored.status, headers, now)
        headers, names = without_age(headers), varying(headers)
        if freshness is None or names is None:
            self._storage.discard(self.key)
            return replace(stored, headers=headers)
        stored.headers, stored.freshness = headers, freshness
        stored.names, stored.selected = names, self.selected(names)
        self._storage.renew(self.key, stored)
        return stored

    def age(self, stored: Stored) -> float:
        """Return how old a kept answer is now, in seconds."""
        return stored.freshness.age(self._storage.clock())

    def give_up(self) -> None:
        """Keep nothing after all: the body turned out too large."""
        self._freshness = None
        self.release(True)
        if self.stored is not None:
            self._storage.drop(self.key, self.stored)

    @property
    def wants_body(self) -> bool:
        """Tell whether the body is to be kept."""
        return self._freshness is not None

    def keep(self, status: int, headers: Headers, body: bytes) -> None:
        """Keep the whole answer; `headers` are the upstream's, as far as they may pass."""
        names = varying(headers)
        if self._freshness is None or names is None or self.is_outdated:
            return
        if len(body) > self.most_bytes:
            return
        stored = Stored(
            self.route,
            self.service,
            status,
            without_age(headers),
            body,
            self._freshness,
            names,
            self.selected(names),
        )
        self._storage.put(self.key, stored, self.matches)

    @property
    def most_bytes(self) -> int:
        """The largest body that is kept."""
        return self._storage.most_answer_bytes


def key_of(exchange: Exchange) -> Key:
    """Return the address that a request asks for.

    The case of its host and the port that its scheme has anyway do not count (RFC 9110, 4.2.3).
    """
    scheme = exchange.scheme
    host = exchange.fields[b"host"].lower().removesuffix(_PORTS.get(scheme, b":"))
    return (scheme, host, exchange.path, exchange.query)


def _asked(exchange: Exchange) -> Directives:
    """Return what the client asks of caches; Pragma only when it says nothing else (5.4)."""
    fields = exchange.fields
    if b"cache-control" in fields:
        return directives(exchange.headers)
    return _NO_CACHE if b"no-cache" in fields.get(b"pragma", b"").lower() else {}


def _telling(route: Route) -> frozenset[bytes]:
    """Return the headers by which limits tell who asks, without those that answers are kept by."""
    rule = route.cache
    counted = frozenset(limit.header for limit in route.limits if limit.by == "header")
    return counted if rule is None else counted - rule.vary_on


def tell(exchange: Exchange, what: str) -> None:
    """Say in Cache-Status what the cache did (RFC 9211)."""
    line = (b"cache-status", b"gateline; " + what.encode("ascii"))
    exchange.response_headers = [*exchange.response_headers, line]


def _nothing(_: bool) -> None:
    """Release nobody: nobody waits."""
