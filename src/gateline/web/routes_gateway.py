"""The gateway in Flask alone: the routes of the edge, for a deployment without one.

The table, the order of the checks and their reasons are the edge's; only the forwarding is
synchronous. Behind an edge these routes are simply never asked for.
"""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Flask, Response, g, request

from gateline.policy.admission import METHODS, host_name
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import METHOD_NOT_ALLOWED, NO_ROUTE, PATH_NOT_ALLOWED
from gateline.policy.routes import Route, RouteTable
from gateline.shared.app import parts
from gateline.shared.declarations import unlisted
from gateline.shared.errors import ApiError
from gateline.shared.gateway import GatewayPlan
from gateline.shared.middleware.auth import optional_session, require_auth
from gateline.shared.middleware.error_handler import render
from gateline.shared.proxy_service import proxy_service
from gateline.shared.routing import platform_routes
from gateline.web.file_routes import init_file_routes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_OWN_SERVICE: Final = "web"
_CORS: Final = "access-control-"
_SLASHES: Final = re.compile("/{2,}")
_ANY: Final = tuple(sorted(METHODS))
_ADDRESSES: Final = (
    *((path, _ANY) for path in ("/api/", "/api/<path:rest>", "/.well-known/jwks.json")),
    *((path, _ANY) for path in ("/cameras", "/logs", "/alerts/", "/alerts/<path:rest>")),
    ("/register", ("POST",)),  # reading it is a page of our own
)


def init_gateway(app: Flask, plan: GatewayPlan | None = None) -> None:
    """Answer every path of the other services that no view of our own answers.

    The routes of the file of a `plan` go before everything.
    """
    table = RouteTable(platform_routes(samples=plan is None or plan.samples))
    gateway = Blueprint("gateway", __name__)

    @unlisted("the other services describe what is behind it")
    def forward(rest: str = "") -> Response:  # noqa: ARG001 - the exact path is read, not this one
        if _is_preflight():
            return Response(status=HTTPStatus.NO_CONTENT)
        path = exact_path()
        return _guarded(_matched(table, path))(path)

    for path, methods in _ADDRESSES:
        gateway.add_url_rule(
            path,
            view_func=forward,
            methods=list(methods),
            provide_automatic_options=False,
            strict_slashes=False,
            merge_slashes=False,
        )
    if plan is not None:
        init_file_routes(app, gateway, plan)
    gateway.register_error_handler(ApiError, _own_failure)
    app.register_blueprint(gateway)
    app.wsgi_app = _merging_slashes(app.wsgi_app)  # type: ignore[method-assign, assignment] # Flask's documented way


def _merging_slashes(inner: "WSGIApplication") -> "WSGIApplication":
    """Let Flask choose the view by the path without empty segments, as the route is chosen."""

    def merged(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = _SLASHES.sub("/", environ.get("PATH_INFO", ""))
        return inner(environ, start_response)

    return merged


def _own_failure(error: ApiError) -> Response:
    """Answer with a refusal of the gateway itself, marked as such: it is no answer of a service."""
    response = render(error)
    response.headers["X-Gateline-Error"] = error.reason.code
    return response


def _is_preflight() -> bool:
    """Tell whether a listed origin's browser asks if it may ask (Fetch, CORS preflight).

    It carries no credentials by design, so it must be answered before anybody looks for a session;
    Flask-CORS adds the headers.
    """
    return (
        request.method == "OPTIONS"
        and "Access-Control-Request-Method" in request.headers
        and request.headers.get("Origin") in parts().settings.cors_origins
    )


def exact_path() -> str:
    """Return the canonical path of the current request, read from what the client really sent.

    WSGI hands over a decoded path, in which `%2F` and `/` are one; the servers keep the original
    beside it. Raises ApiError (400) for a path without canonical form.
    """
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    path = raw.partition("?")[0] if raw else request.environ["PATH_INFO"]
    try:
        return canonical(path.encode("latin-1")).decode("ascii")
    except (PathRefused, UnicodeEncodeError) as refused:
        raise ApiError(reason=PATH_NOT_ALLOWED) from refused


def _matched(table: RouteTable, path: str) -> Route:
    host = host_name(request.host.encode("ascii", "replace"))
    match = table.match(request.method, host, path)
    if match.route is not None:
        return match.route
    if match.allow:
        allow = {"Allow": ", ".join(sorted(match.allow))}
        raise ApiError(reason=METHOD_NOT_ALLOWED, headers=allow)
    raise ApiError(reason=NO_ROUTE)


def _guarded(route: Route) -> Callable[[str], Response]:
    """Return the forwarding of a route behind the check of sessions and roles that it names."""

    def forward(path: str) -> Response:
        return _forward(route, path)

    if route.auth == "session":
        return require_auth(required_user_type=route.roles)(forward)
    if route.auth == "optional":
        return optional_session(forward)
    return forward


def _forward(route: Route, path: str) -> Response:
    destination = route.destination_for(g.get("identity"))
    if destination is None or destination.service == _OWN_SERVICE:
        raise ApiError(reason=NO_ROUTE)
    response = proxy_service.forward_current_request(
        destination.service, encoded_path=destination.path(path), share_cookie=route.share_cookie
    )
    if parts().settings.cors_origins:
        _forget_cors(response)
    return response


def _forget_cors(response: Response) -> None:
    """Take out what the service said of origins: the gateway speaks for all, and only once."""
    for name in {name for name, _ in response.headers if name.lower().startswith(_CORS)}:
        response.headers.remove(name)
