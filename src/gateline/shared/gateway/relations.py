"""What must hold between the tables of a gateway file, and between the settings of one."""

from collections.abc import Iterable
from typing import Final

from gateline.policy.routes import Route, RouteTable, is_same_claim, shape
from gateline.shared.gateway.building import literal_head
from gateline.shared.gateway.checking import Checked
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.route_model import RouteEntry
from gateline.shared.gateway.service_relations import check_pair, check_service
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.pacing import in_portions
from gateline.shared.routing import beside

EDGE_PATHS: Final = ("/health", "/livez", "/readyz", "/openapi.json")
"""What the edge answers itself, whatever the file says."""
PLATFORM_PATHS: Final = ("/ws/dashboard", "/ws/*", "/socket.io/*")
"""What it answers besides where it serves the platform."""
_MOST_HOPS: Final = 20
_SEE_OTHER: Final = 303
_ANY: Final = "any-part-of-a-path"
_OWN_SOURCES: Final = ("session", "key")


def check(checked: Checked) -> None:
    """Note every error between tables that are valid by themselves."""
    _check_gateway(checked)
    for name, service in in_portions(checked.services.items()):
        check_service(checked, name, service)
    names: dict[str, int] = {}
    for index, route in in_portions(checked.routes.items()):
        _check_route(checked, index, route)
        if route.name:
            _check_once(checked, names, route.name, index, "routes")
    for name in checked.issuers:
        if name in _OWN_SOURCES:
            checked.wrong(
                ("issuers", name), f"{name!r} has a meaning of its own", "choose another name"
            )
    _check_api_keys(checked)


def check_claims(checked: Checked) -> None:
    """Note routes of which each other's requests could not be told apart."""
    seen: dict[str, list[tuple[int, Route]]] = {}
    own = {*EDGE_PATHS, *(PLATFORM_PATHS if checked.gateway.platform else ())}
    for index, route in in_portions(zip(checked.routes, checked.built, strict=True)):
        form = shape(route.path)
        if form in own:
            checked.wrong(
                ("routes", index, "path"),
                f"{route.path} is answered by the gateway itself",
                "choose another path",
            )
        earlier = seen.setdefault(form, [])
        for other_index, other in earlier:
            if is_same_claim(route, other):
                line = checked.source.line(("routes", other_index, "path"))
                checked.wrong(
                    ("routes", index, "path"),
                    f"{other.name!r} in line {line} claims the same requests",
                    "tell them apart by methods, hosts or headers, or take one out",
                )
                break
        earlier.append((index, route))


def check_redirects(checked: Checked) -> None:
    """Note redirects that lead back to themselves, over others too: a browser gives up."""
    routes = checked.built
    if not any(route.redirect for route in routes):
        return
    if checked.gateway.platform:
        routes = beside(routes, samples=checked.gateway.samples)
    table = RouteTable(in_portions(routes))
    for index, route in in_portions(zip(checked.routes, checked.built, strict=True)):
        if route.redirect is not None and _is_endless(table, route):
            checked.wrong(
                ("routes", index, "redirect"),
                f"leads back to {route.path}",
                "write a place that another route answers",
            )


def _is_endless(table: RouteTable, route: Route) -> bool:
    """Follow a redirect of an ordinary request for a route, as long as it stays on this host."""
    host = min(route.hosts, default="").removeprefix("*.")
    method = "GET" if not route.methods or "GET" in route.methods else min(route.methods)
    fields = {one.name: one.value or b"" for one in route.headers}
    path = "/".join(_ANY if part == "*" or "{" in part else part for part in route.path.split("/"))
    seen: list[Route] = []
    while len(seen) < _MOST_HOPS:
        match = table.match(method, host, path, fields)
        if match.route is None or match.route.redirect is None:
            return False
        seen.append(match.route)
        path = match.route.redirect.location(match).partition("?")[0].partition("#")[0]
        if not path.startswith("/"):
            return False
        if match.route.redirect.status == _SEE_OTHER:
            method = "GET"
    return route in seen[1:]


def _check_gateway(checked: Checked) -> None:
    gateway = checked.gateway
    if gateway.samples and not gateway.platform:
        checked.wrong(
            ("gateway", "samples"), "needs the platform", "take out platform = false, or samples"
        )
    if len(gateway.cors_origins) > 1 and "*" in gateway.cors_origins:
        checked.wrong(
            ("gateway", "cors_origins"),
            "lists * and others",
            'write cors_origins = ["*"] or exact origins alone',
        )
    if gateway.tls is not None and checked.listens:
        check_pair(checked, ("gateway", "tls"), gateway.tls.certificate, gateway.tls.key)


def _check_route(checked: Checked, index: int, entry: RouteEntry) -> None:
    at: Location = ("routes", index)
    services = checked.declared["services"]
    if entry.service is None and entry.redirect is None:
        checked.wrong((*at, "service"), "is missing", 'write service = "NAME", or a redirect')
    if entry.service is not None and entry.redirect is not None:
        checked.wrong((*at, "redirect"), "stands beside service", "keep one of the two")
    if entry.service is not None:
        _check_known(checked, (*at, "service"), entry.service, services)
    if entry.mirror is not None:
        written = checked.source.values["routes"][index]["mirror"]
        way = ("mirror", "service") if isinstance(written, dict) else ("mirror",)
        _check_known(checked, (*at, *way), entry.mirror.service, services)
    sources = {*_OWN_SOURCES, *checked.declared["issuers"]}
    for number, name in enumerate(entry.accept):
        if name not in sources:
            checked.wrong(
                (*at, "accept", number), f"{name!r} gives no identity", one_of(name, sources)
            )
    if entry.auth != "none" and not entry.accept:
        checked.wrong((*at, "accept"), "is empty", 'write accept = ["session"]')
    _check_prefix(checked, at, entry)
    _check_redirect(checked, at, entry)
    _check_cors(checked, at, entry)
    _check_header_names(checked, at, entry)


def _check_known(checked: Checked, at: Location, name: str, services: Iterable[str]) -> None:
    known = set(services)
    if name not in known:
        remedy = one_of(name, known) if known else f"declare it: [services.{name}]"
        checked.wrong(at, f"there is no service {name!r}", remedy)


def _check_prefix(checked: Checked, at: Location, entry: RouteEntry) -> None:
    wanted = next((one for one in ("rewrite_prefix", "strip_prefix") if getattr(entry, one)), None)
    if wanted is None:
        return
    head = literal_head(entry.path)
    if isinstance(entry.strip_prefix, str) and entry.strip_prefix:
        if not f"{head}/".startswith(f"{entry.strip_prefix}/"):
            checked.wrong(
                (*at, "strip_prefix"),
                f"{entry.path} does not begin with {entry.strip_prefix}",
                f'write strip_prefix = "{head}"' if head else "take it out",
            )
        return
    if "{" in entry.path:
        checked.wrong(
            (*at, wanted),
            "does not know what to do with {parameters}",
            f'say which part: strip_prefix = "{head}"' if head else "take it out",
        )


def _check_redirect(checked: Checked, at: Location, entry: RouteEntry) -> None:
    if entry.redirect is None:
        return
    known = {part[1:-1] for part in entry.path.split("/") if part.startswith("{")}
    if entry.path.endswith("/*"):
        if "path" in known:
            checked.wrong(
                (*at, "path"),
                "{path} is the part under /* too",
                "give the parameter another name",
            )
        known.add("path")
    rest = entry.redirect.to
    while "{" in rest:
        name, _, rest = rest.partition("{")[2].partition("}")
        if name not in known:
            checked.wrong(
                (*at, "redirect"),
                f"{{{name}}} is no part of {entry.path}",
                one_of(name, known) if known else "write the path out, or end it with /*",
            )


def _check_header_names(checked: Checked, at: Location, entry: RouteEntry) -> None:
    """Note names that are one and the same: HTTP knows no capitals in them."""
    tables: dict[Location, Iterable[str]] = {(*at, "headers"): entry.headers}
    for setting in ("request_headers", "response_headers"):
        changes = getattr(entry, setting)
        if changes is not None:
            tables[(*at, setting, "set")] = changes.set
    for way, names in tables.items():
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(name.lower(), name)
            if other != name:
                checked.wrong((*way, name), f"is the same header as {other}", "keep one of the two")


def _check_cors(checked: Checked, at: Location, entry: RouteEntry) -> None:
    if entry.cors is not None and len(entry.cors.origins) > 1 and "*" in entry.cors.origins:
        checked.wrong(
            (*at, "cors", "origins"), "lists * and others", 'write ["*"] or exact origins alone'
        )


def _check_api_keys(checked: Checked) -> None:
    names: dict[str, int] = {}
    digests: dict[str, int] = {}
    for index, entry in checked.api_keys.items():
        _check_once(checked, names, entry.name, index, "api_keys")
        if entry.sha256 in digests:
            checked.wrong(
                ("api_keys", index, "sha256"),
                "is the same key as another client's",
                "make a key for each: `gateline key new NAME`",
            )
        digests.setdefault(entry.sha256, index)


def _check_once(checked: Checked, seen: dict[str, int], name: str, index: int, table: str) -> None:
    if name in seen:
        line = checked.source.line((table, seen[name], "name"))
        checked.wrong(
            (table, index, "name"), f"{name!r} is taken in line {line}", "choose another name"
        )
    seen.setdefault(name, index)
