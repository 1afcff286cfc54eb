"""What is allowed in a gateway file and probably not meant."""

from collections.abc import Iterable
from typing import Final

from gateline.policy.admission import METHODS, refuse_host
from gateline.policy.identity import USER_TYPES
from gateline.policy.routes import Route, RouteTable, is_same_claim, rank, shape
from gateline.shared.gateway.checking import Checked
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.route_model import RouteEntry
from gateline.shared.gateway.service_warnings import check_service
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.pacing import in_portions
from gateline.shared.routing import PAGES, UNKNOWN_API, platform_routes

_EVERYBODY: Final = frozenset({"0.0.0.0/0", "::/0"})
_NEEDS_SERVICE: Final = (
    "cache",
    "compress",
    "mirror",
    "rate_limit",
    "rewrite_prefix",
    "roles",
    "strip_prefix",
)
_HEADERS_OF_A_BROWSER: Final = 20
_KEPT: Final = frozenset({"GET", "HEAD"})
_KNOWN_USER_TYPES: Final = frozenset(USER_TYPES)


def check(checked: Checked) -> None:
    """Note everything doubtful about a file without errors."""
    _check_gateway(checked)
    for name, service in in_portions(checked.services.items()):
        check_service(checked, name, service)
    roles = _known_roles(checked)
    routes = zip(checked.routes.items(), checked.built, strict=True)
    for (index, entry), route in in_portions(routes):
        _check_route(checked, ("routes", index), entry, route)
        _check_roles(checked, ("routes", index, "roles"), entry, roles)
        _check_hosts(checked, index, route)
    _check_reach(checked)
    _check_use(checked)
    _check_platform(checked)


def _check_gateway(checked: Checked) -> None:
    gateway = checked.gateway
    for number, network in enumerate(gateway.trusted_proxies):
        if network in _EVERYBODY:
            checked.doubtful(
                ("gateway", "trusted_proxies", number),
                "believes X-Forwarded-For of everybody",
                "list the proxies in front of the gateway alone",
            )
    if gateway.max_header_count is not None and gateway.max_header_count < _HEADERS_OF_A_BROWSER:
        checked.doubtful(
            ("gateway", "max_header_count"),
            "is less than a browser sends",
            f"write at least {_HEADERS_OF_A_BROWSER}",
        )
    if not checked.routes and not checked.services:
        checked.doubtful((), "has neither services nor routes", "make a start by `gateline init`")


def _check_route(checked: Checked, at: Location, entry: RouteEntry, route: Route) -> None:
    written = entry.model_fields_set
    if entry.auth == "none":
        for setting in ("roles", "accept"):
            if setting in written and getattr(entry, setting):
                checked.doubtful(
                    (*at, setting),
                    'means nothing with auth = "none": nobody is asked who it is',
                    f'write auth = "session", or take {setting} out',
                )
        if any(limit.by == "user" for limit in entry.rate_limit or ()):
            checked.doubtful(
                (*at, "rate_limit"), "nobody is known here", 'count by = "client", or ask for auth'
            )
    elif not checked.gateway.platform and entry.accept == ["session"]:
        checked.doubtful(
            (*at, "auth"), "nobody can log in without the platform", 'write auth = "none"'
        )
    _check_path(checked, at, entry)
    if entry.auth != "none":
        _check_identities(checked, at, entry)
        _check_issuers(checked, at, entry)
    if entry.redirect is not None:
        for setting in _NEEDS_SERVICE:
            if setting in written and getattr(entry, setting):
                checked.doubtful((*at, setting), "means nothing for a redirect", "take it out")
    _check_door(checked, at, entry, route)


def _check_path(checked: Checked, at: Location, entry: RouteEntry) -> None:
    for segment in entry.path.split("/"):
        if segment.startswith(":") and segment[1:].isidentifier():
            checked.doubtful(
                (*at, "path"),
                f"{segment!r} stands for itself and for nothing else",
                f'write "{{{segment[1:]}}}" for any part of a path',
            )
    if entry.rewrite_prefix is not None and entry.strip_prefix is True:
        checked.doubtful(
            (*at, "strip_prefix"),
            "means nothing beside rewrite_prefix, which takes the same part's place",
            "take one of them out",
        )
    service = checked.services.get(entry.service or "")
    speaks = service is not None and service.protocol == "http2"
    if speaks and entry.websocket and "websocket" in entry.model_fields_set:
        checked.doubtful(
            (*at, "websocket"),
            "means nothing: services that speak HTTP/2 take no WebSockets",
            'take it out, or give them a service with protocol = "http1"',
        )
    if entry.mirror is not None and entry.mirror.service == entry.service:
        checked.doubtful(
            (*at, "mirror"),
            f"copies requests to {entry.service}, which has them already",
            "name another service, or take it out",
        )


def _check_identities(checked: Checked, at: Location, entry: RouteEntry) -> None:
    if "key" in entry.accept and not checked.api_keys:
        checked.doubtful(
            (*at, "accept", entry.accept.index("key")),
            "there are no keys",
            "make one with `gateline key new NAME`, or take it out",
        )
    if entry.auth == "optional" and entry.roles:
        checked.doubtful(
            (*at, "auth"),
            "lets nobody in who is not known: there are roles",
            'write auth = "session", or take roles out',
        )


def _check_issuers(checked: Checked, at: Location, entry: RouteEntry) -> None:
    """Note issuers of one name for their tokens: the first that a route accepts gets them all."""
    seen: dict[str, str] = {}
    for name, issuer in checked.issuers.items():
        if name not in entry.accept:
            continue
        first = seen.setdefault(issuer.issuer, name)
        if first != name:
            checked.doubtful(
                (*at, "accept", entry.accept.index(name)),
                f"{name!r} has the same issuer as {first!r}, which judges its tokens here",
                "write one table with both audiences, or accept one of them",
            )


def _shuts_out_all(route: Route) -> bool:
    """Tell whether every network that may come is in one that may not."""
    denied = route.deny_ips
    return bool(route.allow_ips) and all(
        any(one.network_address in other and one.prefixlen >= other.prefixlen for other in denied)
        for one in route.allow_ips
    )


def _check_door(checked: Checked, at: Location, entry: RouteEntry, route: Route) -> None:
    if entry.cors is not None and entry.cors.credentials and "*" in entry.cors.origins:
        checked.doubtful(
            (*at, "cors", "credentials"),
            "no browser sends credentials to a wildcard",
            "list exact origins, or write credentials = false",
        )
    if entry.cors is not None and not (entry.cors.origins or checked.gateway.cors_origins):
        checked.doubtful(
            (*at, "cors", "origins"), "lists nobody, so nothing of it is said", "list origins"
        )
    if entry.cache is not None and route.methods and not route.methods & _KEPT:
        checked.doubtful(
            (*at, "cache"), "means nothing here: only answers to GET are kept", "take it out"
        )
    if entry.cache is not None and entry.cache.default > entry.cache.most:
        checked.doubtful(
            (*at, "cache", "default"),
            "is longer than most",
            f"write at most {entry.cache.most:g}",
        )
    if _EVERYBODY & set(entry.deny_ips) or _shuts_out_all(route):
        checked.doubtful((*at, "deny_ips"), "shuts everybody out", "take the route out instead")


def _known_roles(checked: Checked) -> frozenset[str]:
    keys = {entry.user_type for entry in checked.api_keys.values()}
    mapped = {role for entry in checked.issuers.values() for role in entry.roles.values()}
    return _KNOWN_USER_TYPES | keys | mapped


def _check_roles(checked: Checked, at: Location, entry: RouteEntry, known: frozenset[str]) -> None:
    if any(not issuer.roles and name in entry.accept for name, issuer in checked.issuers.items()):
        return  # its tokens say the role themselves, which may be any
    for number, role in enumerate(entry.roles):
        if role not in known:
            checked.doubtful((*at, number), f"nobody has the role {role!r}", one_of(role, known))


def _check_hosts(checked: Checked, index: int, route: Route) -> None:
    allowed = checked.gateway.allowed_hosts
    for host in sorted(route.hosts):
        if refuse_host(host.removeprefix("*."), allowed) and host not in allowed:
            checked.doubtful(
                ("routes", index, "hosts"),
                f"{host} is refused before any route is looked for",
                "add it to allowed_hosts of [gateway]",
            )


def _check_reach(checked: Checked) -> None:
    """Note routes whose every request goes to others: same path, host and headers."""
    groups: dict[tuple[object, ...], list[tuple[int, Route]]] = {}
    for index, route in in_portions(zip(checked.routes, checked.built, strict=True)):
        for host in route.hosts or ("",):
            key = (host, shape(route.path), frozenset(route.headers))
            groups.setdefault(key, []).append((index, route))
    for several in in_portions(groups.values()):
        _check_group(checked, sorted(several, key=lambda one: rank(one[1])))


def _check_group(checked: Checked, several: list[tuple[int, Route]]) -> None:
    left = set(METHODS)
    for number, (index, route) in enumerate(several):
        if not (left & route.methods if route.methods else left):
            winners = [other for _, other in several[:number]]
            kind = " (redirects)" if any(one.redirect for one in winners) else ""
            checked.doubtful(
                ("routes", index, "path"),
                f"is never reached: {_quoted(winners)}{kind} take all its methods",
                "take it out, or give it a path, hosts or headers of its own",
            )
        left -= route.methods or METHODS


def _quoted(routes: Iterable[Route]) -> str:
    return ", ".join(repr(route.name) for route in routes)


def _check_use(checked: Checked) -> None:
    """Note what is declared and leads nowhere."""
    used = {entry.service for entry in checked.routes.values()}
    used |= {entry.mirror.service for entry in checked.routes.values() if entry.mirror}
    for name in checked.services:
        if name not in used:
            checked.doubtful(
                ("services", name),
                "no route leads to it",
                f'add [[routes]] with service = "{name}"',
            )
    accepted = {
        name for entry in checked.routes.values() if entry.auth != "none" for name in entry.accept
    }
    for name in checked.issuers:
        if name not in accepted:
            checked.doubtful(
                ("issuers", name), "no route accepts it", f'write accept = ["session", "{name}"]'
            )
    if checked.api_keys and "key" not in accepted:
        checked.doubtful(
            ("api_keys",), "no route accepts keys", 'write accept = ["session", "key"]'
        )


def _check_platform(checked: Checked) -> None:
    """Note routes that take the place of the platform's own, or a part of it."""
    if not checked.gateway.platform:
        return
    platform = platform_routes(samples=checked.gateway.samples)
    own = {shape(route.path): route for route in platform}
    answered = RouteTable(route for route in platform if route.name not in (PAGES, UNKNOWN_API))
    for index, route in in_portions(zip(checked.routes, checked.built, strict=True)):
        replaced = own.get(shape(route.path))
        if replaced is not None and is_same_claim(route, replaced):
            verb = "takes the place of"
        elif replaced is None and not route.hosts and not route.headers:
            replaced = _wider(answered, route)
            verb = f"takes {route.path} out of"
        else:
            continue
        if replaced is not None:
            checked.doubtful(
                ("routes", index, "path"),
                f"{verb} the platform's own {replaced.path} ({replaced.name})",
                "choose another path if that is not meant",
            )


def _wider(table: RouteTable, route: Route) -> Route | None:
    """Return who would answer requests for a route if it were not there."""
    path = "/".join(part for part in route.path.split("/") if part != "*") or "/"
    method = "GET" if not route.methods or "GET" in route.methods else min(route.methods)
    return table.match(method, "", path).route
