"""The first phases of a request that is explained: admission, route, origin, address, redirect."""

from typing import Any, Final

from gateline.cli import wording
from gateline.cli.candidates import candidates
from gateline.cli.explanation import Asked, Explanation, Step
from gateline.edge.door import admit, refuse_hidden_slashes, unmatched
from gateline.edge.exchange import Exchange, Refused
from gateline.edge.gateway import Compiled, Door, Gateway
from gateline.policy.clients import refuse_address
from gateline.policy.cors import CorsPolicy, answer_headers, preflight_headers
from gateline.policy.reasons import HEADERS_TOO_LARGE, HOST_NOT_ALLOWED, PATH_NOT_ALLOWED, Reason
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
        upgrade = dict(asked.headers).get(b"upgrade", b"").lower()
        is_socket = asked.method == "GET" and upgrade == b"websocket"
        self._scope = {
            "type": "websocket" if is_socket else "http",
            "method": asked.method,
            "path": path,
            "raw_path": path.encode("utf-8"),
            "query_string": query.encode("utf-8"),
            "scheme": asked.scheme,
            "client": (asked.client, 0),
            "headers": asked.headers,
        }
        self.exchange = Exchange(self._scope, _nobody, _nobody, 0.0)
        self.exchange.gateway = Gateway(plan, self.door, {}, self.special)

    def _say(self, phase: str, passed: bool | None, text: str) -> None:
        self.found.steps.append(Step(phase, passed, text))

    def _refuse(self, phase: str, reason: Reason, text: str = "") -> None:
        self._say(phase, False, text or reason.message)
        self.found.status, self.found.reason = reason.status, reason.code
        self.found.verdict = f"refused with {reason.status} {reason.code}: {reason.message}"
        raise Ended

    def _admit(self) -> None:
        exchange = self.exchange
        try:
            admit(exchange, self._scope, self.door)
        except Refused as refused:
            self._refuse(*_told(refused, exchange, self.door))
        if exchange.client != self.asked.client or exchange.scheme != self.asked.scheme:
            text = f"{self.asked.client} is trusted: the client is {exchange.client}"
            self._say("proxy", True, text)
        if self.door.allowed_hosts and self._scope["path"] not in _PROBES:
            self._say("host", True, f"{exchange.host} is answered")
        if exchange.path.encode("ascii") != self._scope["raw_path"]:
            self._say("path", True, f"is read as {exchange.path}")

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
        exchange, announced = self.exchange, route
        asked = self._header(b"access-control-request-method")
        method = asked if exchange.method == "OPTIONS" else None
        if method is not None:
            table = self.door.routes
            announced = table.match(method, exchange.host, exchange.path, exchange.fields).route
        cors = self._cors_policy(announced)
        if not cors.origins:
            self._say("cors", None, "what the service says of other origins is passed on")
            return
        if method is not None:
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
            allow = wording.names(match.allow)
            text = f"this path answers {allow} only" if allow else "no route has this path"
            self._refuse("route", unmatched(match).reason, text)
            raise AssertionError
        self.exchange.route = self.found.route = route
        self._say("route", True, f"{route.name} {route.path} ({self._origin(route)})")
        if "%2F" in self.exchange.path:
            try:
                refuse_hidden_slashes(self.exchange, route)
            except Refused as refused:
                self._refuse("path", refused.reason)
        return route

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


def _told(refused: Refused, exchange: Exchange, door: Door) -> tuple[str, Reason, str]:
    """Return phase, reason and words of a refusal at the door."""
    reason = refused.reason
    if reason is HOST_NOT_ALLOWED:
        return "host", reason, f"{exchange.host} is none of {wording.names(door.allowed_hosts)}"
    if reason is PATH_NOT_ALLOWED:
        message = refused.message or reason.message
        return "path", reason, f"{message[:1].lower()}{message[1:].rstrip('.')}"
    if reason is HEADERS_TOO_LARGE:
        return "admit", reason, f"{len(exchange.headers)} headers, at most {door.most_headers}"
    return "admit", reason, ""


def is_platforms(route: Route) -> bool:
    """Tell whether a route is the platform's own, not that of a file."""
    from gateline.shared.routing import platform_routes

    return route in platform_routes()


def _name(plan: GatewayPlan) -> str:
    return plan.path.name if plan.path is not None else "the built-in routes"


async def _nobody(*_: Any) -> Any:
    raise AssertionError("nothing is sent or received")
