"""The gateway file's routes for a deployment in Flask alone.

The plan and the choice of a route are the edge's. A route of the file goes before every view of
our own that its requests would also reach, as it does at the edge.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from flask import Blueprint, Flask, Response, g, request
from werkzeug.routing import Rule

from gateline.policy.admission import host_name
from gateline.policy.clients import is_trusted
from gateline.policy.gcra import LimitRule, needs_no_identity
from gateline.policy.headers import HeaderChanges, change
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import ADDRESS_NOT_ALLOWED, NO_ROUTE
from gateline.policy.routes import Match, Route, RouteTable
from gateline.policy.services import Service
from gateline.shared.config import Settings
from gateline.shared.declarations import unlisted
from gateline.shared.errors import ApiError
from gateline.shared.gateway import GatewayFileError, GatewayPlan, load_plan
from gateline.shared.middleware.auth import optional_session, require_auth
from gateline.shared.middleware.rate_limiter import (
    address_key,
    client_key,
    exempt,
    service_key,
    spend,
)
from gateline.shared.proxy_service import EXTENSION, ProxyService, proxy_service
from gateline.shared.routing import PLATFORM_SERVICES, SAMPLE_SERVICES, platform_routes

_SESSION: Final = "session"
_ENDPOINT: Final = "file_route"
_log: Final = logging.getLogger(__name__)


def plan_of_file(settings: Settings) -> GatewayPlan | None:
    """Return the plan of the gateway file, None without one or where an edge is in front.

    Raises GatewayFileError for a wrong file: a gateway does not start half.
    """
    if settings.web_service_url is not None:
        return None
    plan = load_plan(settings, listens=False)
    return plan if plan.path is not None else None


def with_plan(settings: Settings, plan: GatewayPlan) -> Settings:
    """Return the settings with what the file says of all requests."""
    changes = {
        "allowed_hosts": plan.allowed_hosts,
        "cors_origins": tuple(sorted(plan.cors.origins)),
        "max_body_bytes": plan.max_body_bytes,
    }
    return settings.model_copy(update=changes)


def services_of_file(settings: Settings) -> dict[str, Service] | None:
    """Return the services of the gateway file that the control room can ask.

    None for a wrong file, which is the edge's business to refuse.
    """
    try:
        plan = load_plan(settings, listens=False)
    except GatewayFileError:
        return None
    ours = PLATFORM_SERVICES if plan.platform else frozenset[str]()
    ours |= SAMPLE_SERVICES if plan.samples else frozenset()
    own = {name: service for name, service in plan.services.items() if name not in ours}
    return _reachable(own)


def init_file_routes(app: Flask, gateway: Blueprint, plan: GatewayPlan) -> None:
    """Answer the file's routes; call it before the blueprint is registered."""
    table = RouteTable(plan.routes)
    rules = {id(route): _rule(gateway, route) for route in _own_routes(plan)}

    @exempt
    @unlisted("the services of the file describe what is behind it")
    def answer() -> Response:
        return _answer(g.file_match)

    gateway.add_url_rule(f"/{_ENDPOINT}", _ENDPOINT, answer, build_only=True)

    def choose(endpoint: str | None, values: object) -> None:
        """Let a route of the file answer before a view is chosen."""
        del endpoint, values
        match = _matched(table)
        rule = rules.get(id(match.route)) if match is not None else None
        if rule is not None:
            g.file_match = match
            request.url_rule, request.view_args, request.routing_exception = rule, {}, None

    app.url_value_preprocessor(choose)
    app.extensions[EXTENSION] = ProxyService(_reachable(plan.services))


def _own_routes(plan: GatewayPlan) -> list[Route]:
    platform = platform_routes(samples=plan.samples) if plan.platform else ()
    return [route for route in plan.routes if route not in platform]


def _rule(gateway: Blueprint, route: Route) -> Rule:
    """Return what Flask takes for the rule that a request matched; metrics name its path."""
    rule = Rule(route.path, endpoint=f"{gateway.name}.{_ENDPOINT}")
    rule.provide_automatic_options = False  # type: ignore[attr-defined] # Flask asks for it
    return rule


def _reachable(services: Mapping[str, Service]) -> dict[str, Service]:
    """Return the services that can be asked without the edge."""
    found = {}
    for name, service in services.items():
        if any(url.startswith("unix:") for url in service.urls):
            _log.warning("service %s listens on a Unix socket: only the edge can ask it", name)
        else:
            found[name] = service
    return found


def _matched(table: RouteTable) -> Match | None:
    """Return what the table says of the current request; None for a path without spelling."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    path = raw.partition("?")[0] if raw else request.environ["PATH_INFO"]
    try:
        spelled = canonical(path.encode("latin-1")).decode("ascii")
    except (PathRefused, UnicodeEncodeError):
        return None  # refused by whoever would answer
    g.file_path = spelled
    host = host_name(request.host.encode("ascii", "replace"))
    fields = {
        name.lower().encode("latin-1"): value.encode("latin-1")
        for name, value in request.headers.items()
    }
    return table.match(request.method, host, spelled, fields)


def _answer(match: Match) -> Response:
    route = match.route
    if route is None:
        raise ApiError(reason=NO_ROUTE)
    if route.redirect is not None:
        query = request.query_string.decode("latin-1")
        where = route.redirect.location(match, query)
        return Response(status=route.redirect.status, headers={"Location": where})
    _admit_address(route)
    if needs_no_identity(route.limits):
        _spend(route)
    return _guarded(route)()


def _admit_address(route: Route) -> None:
    address = request.remote_addr or ""
    outside = route.allow_ips and not is_trusted(address, route.allow_ips)
    if outside or is_trusted(address, route.deny_ips):
        raise ApiError(reason=ADDRESS_NOT_ALLOWED)


def _guarded(route: Route) -> Callable[[], Response]:
    """Return the forwarding of a route behind the check of sessions and roles that it names."""

    def forward() -> Response:
        return _forward(route)

    if route.auth == "session":
        roles = route.roles if _SESSION in route.accept else frozenset({""})
        return require_auth(required_user_type=roles)(forward)
    if route.auth == "optional" and _SESSION in route.accept:
        return optional_session(forward)
    return forward


def _forward(route: Route) -> Response:
    if not needs_no_identity(route.limits):
        _spend(route)
    destination = route.destination_for(g.get("identity"))
    if destination is None:
        raise ApiError(reason=NO_ROUTE)
    if route.max_body_bytes is not None:
        request.max_content_length = route.max_body_bytes
    response = proxy_service.forward_current_request(
        destination.service,
        encoded_path=destination.path(g.file_path),
        share_cookie=route.share_cookie,
        timeout=route.timeout,
        changes=route.request_headers,
    )
    if route.response_headers is not None:
        _change(response, route.response_headers)
    return response


def _spend(route: Route) -> None:
    """Count the request against each of the route's limits."""
    for number, rule in enumerate(route.limits):
        spend(rule.limit, f"route:{route.name}:{number}:{_counted(rule)}")


def _counted(rule: LimitRule) -> str:
    if rule.by == "user":
        return client_key()
    if rule.by == "service_key":
        return service_key()
    if rule.by == "header":
        return f"header:{request.headers.get(rule.header.decode('latin-1'), '')}"
    return "all" if rule.by == "route" else address_key()


def _change(response: Response, changes: HeaderChanges) -> None:
    pairs = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers.items()
    ]
    response.headers.clear()
    for name, value in change(pairs, changes):
        response.headers.add(name.decode("latin-1").title(), value.decode("latin-1"))
