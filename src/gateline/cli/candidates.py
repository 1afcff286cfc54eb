"""Why one route answers a request and the others that look like it do not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateline.policy.routes import HeaderMatch, Route, RouteTable, rank, shape


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another route for the same path, and why it does not answer."""

    route: Route
    why: str


def candidates(
    routes: Iterable[Route],
    chosen: Route | None,
    *,
    method: str,
    host: str,
    path: str,
    fields: Mapping[bytes, bytes],
) -> list[Candidate]:
    """Return the other routes whose path fits, in the order of the file."""
    found = []
    for route in routes:
        if route is not chosen and _path_fits(route, path):
            why = _misfit(route, method, host, fields)
            if why is None and chosen is not None:
                why = _less_specific(route, chosen)
            found.append(Candidate(route, why or "fits as well"))
    return found


def _path_fits(route: Route, path: str) -> bool:
    anywhere = Route(route.name, route.path, route.destination)
    return RouteTable((anywhere,)).match("GET", "", path).route is not None


def _misfit(route: Route, method: str, host: str, fields: Mapping[bytes, bytes]) -> str | None:
    """Return what of the request does not fit the route, None when everything does."""
    if route.hosts and not _host_fits(route, host):
        return f"it is for host {' or '.join(sorted(route.hosts))}"
    if route.methods and method not in route.methods:
        return f"it takes {', '.join(sorted(route.methods))}"
    missing = next((one for one in route.headers if not one.fits(fields)), None)
    return None if missing is None else f"it asks for header {header_text(missing)}"


def _host_fits(route: Route, host: str) -> bool:
    anything = Route(route.name, "/*", route.destination, hosts=route.hosts)
    return RouteTable((anything,)).match("GET", host, "/").route is not None


def _less_specific(route: Route, chosen: Route) -> str:
    """Return by which rule a route that fits gives way to the chosen one."""
    if chosen.hosts and not route.hosts:
        return "any host; a named one goes first"
    if chosen.hosts != route.hosts:
        return "a less exact host"
    if shape(route.path) != shape(chosen.path):
        return "a less specific path"
    if rank(route) != rank(chosen):
        if len(route.headers) != len(chosen.headers):
            return "fewer conditions on headers"
        return "any method; a named one goes first" if not route.methods else "a weaker condition"
    return "it comes later"


def header_text(condition: HeaderMatch) -> str:
    """Return a condition on a header as a person writes it."""
    name = condition.name.decode("latin-1").title()
    return name if condition.value is None else f"{name}: {condition.value.decode('latin-1')}"
