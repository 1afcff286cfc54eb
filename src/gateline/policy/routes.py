"""Which route answers a request: by host, path, headers and method, the most specific one.

Routes are kept in a tree of path segments, so finding one takes time that grows with the length of
the path and not with the number of routes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from gateline.policy.caching import CacheRule
from gateline.policy.clients import Network
from gateline.policy.cors import CorsPolicy
from gateline.policy.gcra import LimitRule
from gateline.policy.headers import HeaderChanges
from gateline.policy.identity import Identity
from gateline.policy.paths import replace_prefix, with_prefix
from gateline.policy.services import Mirror

Authentication = Literal["none", "optional", "session"]
_SESSION: Final = frozenset({"session"})


def _no_destinations() -> Mapping[str, "Destination"]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A condition on a request: header `name` (lower case) is `value`; None: is there at all."""

    name: bytes
    value: bytes | None = None

    def fits(self, fields: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request with these headers (names in lower case) meets the condition."""
        found = fields.get(self.name)
        return found is not None and (self.value is None or found == self.value)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with `status` and a Location; the query is kept.

    `to` is a path or an absolute URL and may use the route's `{parameters}` and `{path}`, the part
    under `/*`.
    """

    to: str
    status: int = 308

    def location(self, match: "Match", query: str = "") -> str:
        """Return the Location for a matched request; `query` without question mark."""
        target = self.to
        for name, value in match.params.items():
            target = target.replace(f"{{{name}}}", value)
        if not query:
            return target
        place, mark, fragment = target.partition("#")
        return f"{place}{'&' if '?' in place else '?'}{query}{mark}{fragment}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A service, and a leading part of the path to exchange on the way there."""

    service: str
    replace: tuple[str, str] | None = None

    def path(self, path: str, prefix: str = "") -> str:
        """Return the path to ask the service for; `prefix` is added where it is missing."""
        if self.replace is not None:
            path = replace_prefix(path, *self.replace) or "/"
        return with_prefix(path, prefix)


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to requests for one path.

    `path` is exact (`/a/b`), a subtree (`/a/*`, which answers `/a` as well) or has parameters
    (`/a/{id}`). Empty `methods` and `hosts` mean any; all of `headers` must fit. `destination` None
    refuses (`no_route`) unless there is a `redirect`; `by_user_type` overrides it for the
    identity's user type. With `share_cookie` false the session cookie is not passed on (the bearer
    token is).

    `accept` says where an identity may come from: `session`, `key`, names of issuers. `timeout` and
    `stream_idle` (seconds) take the place of the service's, `cors` of the gateway's. An address in
    `deny_ips`, or outside of an `allow_ips` that is not empty, is refused.
    """

    name: str
    path: str
    destination: Destination | None
    methods: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    auth: Authentication = "session"
    roles: frozenset[str] = frozenset()
    by_user_type: Mapping[str, Destination] = field(default_factory=_no_destinations)
    share_cookie: bool = False
    max_body_bytes: int | None = None
    headers: tuple[HeaderMatch, ...] = ()
    accept: frozenset[str] = _SESSION
    redirect: Redirect | None = None
    timeout: float | None = None
    limits: tuple[LimitRule, ...] = ()
    request_headers: HeaderChanges | None = None
    response_headers: HeaderChanges | None = None
    cors: CorsPolicy | None = None
    allow_ips: tuple[Network, ...] = ()
    deny_ips: tuple[Network, ...] = ()
    cache: CacheRule | None = None
    compress: bool = False
    mirror: Mirror | None = None
    websocket: bool = True
    encoded_slashes: bool = False
    server_timing: bool = False
    stream_idle: float | None = None

    def destination_for(self, identity: Identity | None) -> Destination | None:
        """Return where this identity's request goes, None when nobody answers it."""
        if identity is not None and self.by_user_type:
            return self.by_user_type.get(identity.user_type, self.destination)
        return self.destination


@dataclass(frozen=True, slots=True)
class Match:
    """The answer of the table: a route, or the methods that the path would answer.

    `route` None with an `allow` that is not empty means 405, with an empty one 404. `params` has
    the route's `{parameters}` and, for a redirect, `path`: the part under `/*` with its last slash.
    """

    route: Route | None
    allow: frozenset[str] = frozenset()
    params: Mapping[str, str] = field(default_factory=dict)


_NO_FIELDS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
_NOTHING: Final = Match(None)
_MOST_REMEMBERED: Final = 4096
_REMEMBERED_LENGTH: Final = 256
_BY_PATH: Final[Mapping[str, str]] = MappingProxyType({})
"""Stands for parameters that have to be read from each path."""


@dataclass(slots=True)
class _Node:
    """A segment of paths. With many routes most are read from cold memory, so it is kept small."""

    literals: dict[str, "_Node"] | None = None
    parameter: "_Node | None" = None
    exact: tuple[Match, ...] = ()
    subtree: tuple[Match, ...] = ()


class RouteTable:
    """An immutable set of routes, indexed by host and path segments.

    Of several routes that fit, the one with the named host wins over `*.example.com` over any host,
    then a literal segment over a parameter over a subtree, then more conditions on headers over
    fewer, then one that names methods over one that takes all, then the earlier one.
    Raises ValueError when two routes claim the very same requests.

    Answers of late are remembered, a bounded number of them, unless headers decide too.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        known: list[Route] = []
        self._hosts: dict[str, _Node] = {}
        self._any = _Node()
        self._recent: dict[tuple[str, str, str], Match] = {}
        for route in routes:
            known.append(route)
            for host in route.hosts or ("",):
                self._insert(self._hosts.setdefault(host, _Node()) if host else self._any, route)
        self.routes = tuple(known)
        self._remembers = not any(route.headers for route in known)

    def match(
        self, method: str, host: str, path: str, fields: Mapping[bytes, bytes] = _NO_FIELDS
    ) -> Match:
        """Return the route for a request.

        `host` is without port and in lower case, `path` canonical, `fields` the headers by names in
        lower case.
        """
        asked = (method, host, path)
        known = self._recent.get(asked)
        if known is not None:
            return known
        found = self._look_up(method, host, path, fields)
        if self._remembers and found.route is not None and len(path) <= _REMEMBERED_LENGTH:
            if len(self._recent) >= _MOST_REMEMBERED:
                self._recent.clear()
            self._recent[asked] = found
        return found

    def _look_up(self, method: str, host: str, path: str, fields: Mapping[bytes, bytes]) -> Match:
        segments = path.split("/")
        if segments[-1] == "":
            segments.pop()
        allow: set[str] = set()
        for root in self._roots(host) if self._hosts else (self._any,):
            found = _find(root, segments, 1, method, fields, allow)
            if found is not None:
                return found if found.params is not _BY_PATH else _with_parameters(found, path)
        return Match(None, frozenset(allow)) if allow else _NOTHING

    def _roots(self, host: str) -> tuple[_Node, ...]:
        """Return where to look: the host's own routes, then those of wider names, then any's."""
        hosts = self._hosts
        found = [hosts[host]] if host in hosts else []
        parent = host.partition(".")[2]
        while parent:
            if (wider := hosts.get(f"*.{parent}")) is not None:
                found.append(wider)
            parent = parent.partition(".")[2]
        return (*found, self._any)

    @staticmethod
    def _insert(node: _Node, route: Route) -> None:
        segments = route.path.strip("/").split("/") if route.path.strip("/") else []
        subtree = bool(segments) and segments[-1] == "*"
        for segment in segments[:-1] if subtree else segments:
            if segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                if node.literals is None:
                    node.literals = {}
                node = node.literals.setdefault(segment, _Node())
        if subtree:
            node.subtree = _claimed(node.subtree, route)
        else:
            node.exact = _claimed(node.exact, route)


def _claimed(claimed: tuple[Match, ...], route: Route) -> tuple[Match, ...]:
    """Return the answers for one path with a route's among them, the most specific first."""
    others = [match.route for match in claimed if match.route is not None]
    for other in others:
        if _same_methods(other, route) and _same_headers(other, route):
            msg = f"routes {other.name!r} and {route.name!r} both claim {route.path}"
            raise ValueError(msg)
    return tuple(
        Match(one, params=_BY_PATH if _has_parameters(one) else {})
        for one in sorted((*others, route), key=rank)
    )


def rank(route: Route) -> tuple[int, int, bool]:
    """Return the order among routes of one path: what is more specific is less."""
    valued = sum(one.value is not None for one in route.headers)
    return (-len(route.headers), -valued, not route.methods)


def shape(path: str) -> str:
    """Return a route's path without the names of its parameters.

    >>> shape("/orders/{id}/items")
    '/orders/{}/items'
    """
    return "/" + "/".join(
        "{}" if segment.startswith("{") else segment for segment in path.split("/") if segment
    )


def is_same_claim(one: Route, other: Route) -> bool:
    """Tell whether some requests fit both routes with nothing to choose between them."""
    same_hosts = bool(one.hosts & other.hosts) if one.hosts else not other.hosts
    return (
        same_hosts
        and shape(one.path) == shape(other.path)
        and _same_methods(one, other)
        and _same_headers(one, other)
    )


def _same_methods(one: Route, other: Route) -> bool:
    if not one.methods and not other.methods:
        return True
    return bool(one.methods & other.methods)


def _same_headers(one: Route, other: Route) -> bool:
    return one.headers == other.headers or set(one.headers) == set(other.headers)


def _find(
    node: _Node,
    segments: list[str],
    depth: int,
    method: str,
    fields: Mapping[bytes, bytes],
    allow: set[str],
) -> Match | None:
    """Return the most specific answer at or below a node; gather methods that would fit.

    It goes straight down, but where a literal and a parameter part: there it may have to come back.
    """
    ways: list[tuple[Match, ...]] = []
    while depth < len(segments):
        ways.append(node.subtree)
        literals, parameter = node.literals, node.parameter
        child = None if literals is None else literals.get(segments[depth])
        depth += 1
        if child is None:
            child = parameter
        elif parameter is not None:
            found = _find(child, segments, depth, method, fields, allow)
            if found is not None:
                return found
            child = parameter
        if child is None:
            break
        node = child
    else:
        ways += (node.subtree, node.exact)
    for claimed in reversed(ways):
        if claimed and (found := _choose(claimed, method, fields, allow)) is not None:
            return found
    return None


def _choose(
    claimed: tuple[Match, ...], method: str, fields: Mapping[bytes, bytes], allow: set[str]
) -> Match | None:
    for match in claimed:
        route = match.route
        if route is None:
            continue
        if route.headers and not all(one.fits(fields) for one in route.headers):
            continue
        if not route.methods or method in route.methods:
            return match
        allow.update(route.methods)
    return None


def _has_parameters(route: Route) -> bool:
    return "{" in route.path or route.redirect is not None


def _with_parameters(match: Match, path: str) -> Match:
    route = match.route
    return match if route is None else Match(route, params=_parameters(route, path))


def _parameters(route: Route, path: str) -> Mapping[str, str]:
    names, segments = route.path[1:].split("/"), path[1:].split("/")
    params = {
        name[1:-1]: value
        for name, value in zip(names, segments, strict=False)
        if name.startswith("{")
    }
    if route.redirect is not None and names[-1] == "*":
        # A slash at the end comes along: `/a/` and `/a` may be two things to who answers there.
        params["path"] = "/".join(segments[len(names) - 1 :])
    return params
