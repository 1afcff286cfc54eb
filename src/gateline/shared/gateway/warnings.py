"""What is allowed in a gateway file and probably not meant."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final

from gateline.policy.admission import METHODS, refuse_host
from gateline.policy.identity import USER_TYPES
from gateline.policy.routes import Route, is_same_claim, rank, shape
from gateline.shared.gateway.checking import Checked
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.route_model import RouteEntry
from gateline.shared.gateway.service_model import ServiceEntry
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.routing import platform_routes

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
_APP_SETTINGS: Final = ("directory", "workers", "threads", "env")
_KNOWN_USER_TYPES: Final = frozenset(USER_TYPES)


def check(checked: Checked) -> None:
    """Note everything doubtful about a file without errors."""
    _check_gateway(checked)
    for name, service in checked.services.items():
        _check_service(checked, name, service)
    roles = _known_roles(checked)
    for (index, entry), route in zip(checked.routes.items(), checked.built, strict=True):
        _check_route(checked, ("routes", index), entry)
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
    if not checked.routes and not checked.services:
        checked.doubtful((), "has neither services nor routes", "make a start by `gateline init`")


def _check_service(checked: Checked, name: str, entry: ServiceEntry) -> None:
    at: Location = ("services", name)
    written = entry.model_fields_set
    if entry.app is None:
        for setting in _APP_SETTINGS:
            if setting in written:
                checked.doubtful(
                    (*at, setting), "means nothing without app", "take it out, or name the app"
                )
    else:
        _check_module(checked, at, entry, entry.app)
    if "hash_on" in written and entry.balance != "hash":
        checked.doubtful((*at, "hash_on"), "means nothing here", 'write balance = "hash"')
    urls = [entry.url or "", *entry.urls, *(one.url for one in entry.targets)]
    if entry.tls is not None and not any(url.startswith("https:") for url in urls):
        checked.doubtful(
            (*at, "tls"), "no address begins with https://", "write https:// addresses"
        )
    if entry.tls is not None and not entry.tls.verify:
        checked.doubtful(
            (*at, "tls", "verify"),
            "believes anybody who answers",
            "name the authority instead: ca",
        )


def _check_module(checked: Checked, at: Location, entry: ServiceEntry, app: str) -> None:
    """Look for the app's file; a module that is installed is fine too."""
    top = app.partition(":")[0].partition(".")[0]
    folder = checked.source.folder / entry.directory
    if (folder / f"{top}.py").exists() or (folder / top).is_dir() or find_spec(top) is not None:
        return
    checked.doubtful(
        (*at, "app"), f"there is no {top}.py in {folder}", "name the file, or its directory"
    )


def _check_route(checked: Checked, at: Location, entry: RouteEntry) -> None:
    written = entry.model_fields_set
    if entry.auth == "none":
        for setting in ("roles", "accept"):
            if setting in written and getattr(entry, setting):
                checked.doubtful(
                    (*at, setting),
                    'means nothing with auth = "none": nobody is asked who it is',
                    f'write auth = "session", or take {setting} out',
                )
        if any(limit.by == "user" for limit in entry.rate_limit):
            checked.doubtful(
                (*at, "rate_limit"), "nobody is known here", 'count by = "client", or ask for auth'
            )
    elif not checked.gateway.platform and entry.accept == ["session"]:
        checked.doubtful(
            (*at, "auth"), "nobody can log in without the platform", 'write auth = "none"'
        )
    if entry.redirect is not None:
        for setting in _NEEDS_SERVICE:
            if setting in written and getattr(entry, setting):
                checked.doubtful((*at, setting), "means nothing for a redirect", "take it out")
    _check_door(checked, at, entry)


def _check_door(checked: Checked, at: Location, entry: RouteEntry) -> None:
    if entry.cors is not None and entry.cors.credentials and "*" in entry.cors.origins:
        checked.doubtful(
            (*at, "cors", "credentials"),
            "no browser sends credentials to a wildcard",
            "list exact origins, or write credentials = false",
        )
    if _EVERYBODY & set(entry.deny_ips):
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
    for index, route in zip(checked.routes, checked.built, strict=True):
        for host in route.hosts or ("",):
            key = (host, shape(route.path), frozenset(route.headers))
            groups.setdefault(key, []).append((index, route))
    for several in groups.values():
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
    """Note routes that take the place of the platform's own."""
    if not checked.gateway.platform:
        return
    own = {shape(route.path): route for route in platform_routes(samples=checked.gateway.samples)}
    for index, route in zip(checked.routes, checked.built, strict=True):
        replaced = own.get(shape(route.path))
        if replaced is not None and is_same_claim(route, replaced):
            checked.doubtful(
                ("routes", index, "path"),
                f"takes the place of the platform's own {replaced.path} ({replaced.name})",
                "choose another path if that is not meant",
            )
