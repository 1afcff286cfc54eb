"""The first phases of a request that is explained: admission, route, origin, address, redirect."""

from typing import Any, Final

from gateline.cli import wording
from gateline.cli.candidates import candidates
from gateline.cli.explanation import Asked, Explanation, Step
from gateline.edge.exchange import Exchange
from gateline.edge.gateway import Compiled
from gateline.policy.admission import host_name, refuse_head, refuse_host
from gateline.policy.clients import client_behind, is_trusted, refuse_address
from gateline.policy.cors import CorsPolicy, answer_headers, preflight_headers
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import METHOD_NOT_ALLOWED, NO_ROUTE, PATH_NOT_ALLOWED, Reason
from gateline.policy.routes import Match, Route
from gateline.shared.gateway import GatewayPlan

_PROBES: Final = frozenset({"/health", "/livez", "/readyz"})


class Ended(Exception):
    """The edge has answered by itself."""


class Entrance:
    """One request on its way through the phases, up to the door of its route."""

    def __init__(self, plan: GatewayPlan, compiled: Compiled, asked: Asked) -> None:
        self.plan = plan
        self.door = compiled.door
        self.special = compiled.special
        self.asked = asked
        self.found = Explanation()
        path, _, query = asked.target.partition("?")
        self.raw_path = path.encode("utf-8")
        scope = {
            "type": "http",
            "method": asked.method,
            "path": path,
            "query_string": query.encode("utf-8"),
            "scheme": asked.scheme,
            "client": (asked.client, 0),
            "headers": asked.headers,
        }
        self.exchange = Exchange(scope, _nobody, _nobody, 0.0)
        upgrade = self.exchange.fields.get(b"upgrade", b"").lower()
        self.exchange.is_socket = upgrade == b"websocket"

    def _say(self, phase: str, passed: bool | None, text: str) -> None:
        self.found.steps.append(Step(phase, passed, text))

    def _refuse(self, phase: str, reason: Reason, text: str = "") -> None:
        self._say(phase, False, text or reason.message)
        self.found.status, self.found.reason = reason.status, reason.code
        self.found.verdict = f"refused with {reason.status} {reason.code}: {reason.message}"
        raise Ended

    def _admit(self) -> None:
        exchange, door = self.exchange, self.door
        reason = refuse_head(exchange.method, exchange.headers, exchange.fields)
        if reason is not None:
            self._refuse("admit", reason)
        if door.trusted_proxies and is_trusted(exchange.client, door.trusted_proxies):
            self._believe_proxy()
        exchange.host = host_name(exchange.fields[b"host"])
        if door.allowed_hosts and self.asked.target.partition("?")[0] not in _PROBES:
            reason = refuse_host(exchange.host, door.allowed_hosts)
            if reason is not None:
                allowed = wording.names(door.allowed_hosts)
                self._refuse("host", reason, f"{exchange.host} is none of {allowed}")
            self._say("host", True, f"{exchange.host} is answered")
        try:
            path = canonical(self.raw_path, encoded_slashes=door.slashes_in_segments)
        except PathRefused as error:
            self._refuse("path", PATH_NOT_ALLOWED, f"not a path we take: {error}")
            raise AssertionError from error
        exchange.path = path.decode("ascii")
        if path != self.raw_path:
            self._say("path", True, f"is read as {exchange.path}")

    def _believe_proxy(self) -> None:
        exchange = self.exchange
        client = client_behind(
            self.door.trusted_proxies,
            forwarded_for=self._header(b"x-forwarded-for") or "",
            forwarded_proto=self._header(b"x-forwarded-proto") or "",
            forwarded_host="",
        )
        exchange.client = client.address or exchange.client
        exchange.scheme = client.scheme or exchange.scheme
        self._say("proxy", True, f"{self.asked.client} is trusted: the client is {exchange.client}")

    def _match(self) -> Match:
        exchange = self.exchange
        match = self.door.routes.match(
            exchange.method, exchange.host, exchange.path, exchange.fields
        )
        self.found.others = candidates(
            self.door.routes.routes,
            match.route,
            method=exchange.method,
            host=exchange.host,
            path=exchange.path,
            fields=exchange.fields,
        )
        return match

    def _cors(self, route: Route | None) -> None:
        origin = self._header(b"origin")
        if not self.door.speaks_cors or origin is None:
            return
        method = self._header(b"access-control-request-method")
        cors = self._cors_policy(route)
        if self.exchange.method == "OPTIONS" and method is not None:
            announced = self.door.routes.match(
                method, self.exchange.host, self.exchange.path, self.exchange.fields
            )
            cors = self._cors_policy(announced.route)
            names = self._header(b"access-control-request-headers")
            granted = preflight_headers(cors, origin, method=method, names=names)
            if granted is not None:
                self._say("cors", True, f"{origin} may send {method}")
                self._end(204, "answered with 204 to the browser's preflight")
            self._say("cors", False, f"{origin} may not send {method}: no grant is sent")
            return
        granted = answer_headers(cors, origin)
        may = any(name == "Access-Control-Allow-Origin" for name, _ in granted)
        self._say("cors", may, f"{origin} may {'' if may else 'not '}read the answer")

    def _cors_policy(self, route: Route | None) -> CorsPolicy:
        return self.door.cors if route is None or route.cors is None else route.cors

    def _chosen(self, match: Match) -> Route:
        route = match.route
        if route is None:
            if match.allow:
                allow = wording.names(match.allow)
                self._refuse("route", METHOD_NOT_ALLOWED, f"this path answers {allow} only")
            self._refuse("route", NO_ROUTE, "no route has this path")
            raise AssertionError
        self.exchange.route = self.found.route = route
        self._say("route", True, f"{route.name} {route.path} ({self._origin(route)})")
        if "%2F" in self.exchange.path and not self._may_hide_slashes(route):
            self._refuse("path", PATH_NOT_ALLOWED)
        return route

    def _may_hide_slashes(self, route: Route) -> bool:
        plain = self.exchange.path.replace("%2F", "/")
        match = self.door.routes.match(
            self.exchange.method, self.exchange.host, plain, self.exchange.fields
        )
        return route.encoded_slashes and match.route is route

    def _origin(self, route: Route) -> str:
        if route.destination is not None and route.destination.service.startswith("edge:"):
            return "the edge's own"
        return "the platform's" if is_platforms(route) else f"of {_name(self.plan)}"

    def _addresses(self, route: Route) -> None:
        if not (route.allow_ips or route.deny_ips):
            return
        client = self.exchange.client
        reason = refuse_address(client, allow=route.allow_ips, deny=route.deny_ips)
        if reason is not None:
            self._refuse("address", reason, f"{client} may not come here")
        self._say("address", True, f"{client} may come here")

    def _redirect(self, route: Route, match: Match) -> None:
        if route.redirect is not None:
            location = route.redirect.location(match, self.exchange.query.decode("latin-1"))
            self._say("redirect", True, location)
            self._end(route.redirect.status, f"redirected to {location}")

    def _end(self, status: int, verdict: str) -> None:
        self.found.status, self.found.verdict = status, verdict
        raise Ended

    def _header(self, name: bytes) -> str | None:
        value = self.exchange.fields.get(name)
        return None if value is None else value.decode("latin-1")


def is_platforms(route: Route) -> bool:
    """Tell whether a route is the platform's own, not that of a file."""
    from gateline.shared.routing import platform_routes

    return route in platform_routes()


def _name(plan: GatewayPlan) -> str:
    return plan.path.name if plan.path is not None else "the built-in routes"


async def _nobody(*_: Any) -> Any:
    raise AssertionError("nothing is sent or received")
