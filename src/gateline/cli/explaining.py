"""What the edge would do with a request, decided by the edge's own rules, without a network.

Each phase of the pipeline is a step with its verdict; the first refusal ends the way, as it does
in the edge.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateline.cli import wording
from gateline.cli.candidates import candidates
from gateline.cli.explanation import Asked, Explanation, Step
from gateline.edge.composition import own_routes
from gateline.edge.exchange import Exchange
from gateline.edge.forwarding import DEADLINE, request_headers
from gateline.edge.gateway import Compiled, compile_plan
from gateline.policy.admission import host_name, refuse_head, refuse_host, request_id
from gateline.policy.clients import client_behind, is_trusted, refuse_address
from gateline.policy.cors import CorsPolicy, answer_headers, preflight_headers
from gateline.policy.identity import refuse_role
from gateline.policy.origins import is_cross_site
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import (
    CROSS_SITE,
    METHOD_NOT_ALLOWED,
    NO_ROUTE,
    PATH_NOT_ALLOWED,
    SOCKET_NOT_ALLOWED,
    Reason,
)
from gateline.policy.routes import Match, Route
from gateline.shared.gateway import GatewayPlan

_API_KEY: Final = b"x-api-key"
_PROBES: Final = frozenset({"/health", "/livez", "/readyz"})
_NEW: Final = "(new for each request)"


class _Ended(Exception):
    """The edge has answered by itself."""


def explain(plan: GatewayPlan, asked: Asked) -> Explanation:
    """Return what would become of a request."""
    way = _Way(plan, compile_plan(plan, own_routes(plan)), asked)
    with contextlib.suppress(_Ended):
        way.go()
    return way.found


class _Way:
    """One request on its way through the phases, in the order of the pipeline."""

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

    def go(self) -> None:
        """Take every phase until one ends the way."""
        self._admit()
        match = self._match()
        self._cors(match.route)
        route = self._chosen(match)
        self._addresses(route)
        self._redirect(route, match)
        self._identify(route)
        self._allow(route)
        self._limit(route)
        self._body(route)
        self._forward(route)

    def _say(self, phase: str, passed: bool | None, text: str) -> None:
        self.found.steps.append(Step(phase, passed, text))

    def _refuse(self, phase: str, reason: Reason, text: str = "") -> None:
        self._say(phase, False, text or reason.message)
        self.found.status, self.found.reason = reason.status, reason.code
        self.found.verdict = f"refused with {reason.status} {reason.code}: {reason.message}"
        raise _Ended

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

    def _identify(self, route: Route) -> None:
        caller = self.asked.caller
        if route.auth == "none":
            self._say("identity", None, "nobody is asked who they are")
            return
        if caller.identity is None:
            self._say("identity", None, "anonymous")
            return
        if caller.source not in route.accept:
            accepted = wording.names(route.accept)
            self._say("identity", False, f"{caller.text} is not looked at: only {accepted}")
            return
        self.exchange.identity = caller.identity
        self.exchange.identity_headers = list(caller.headers)
        if caller.source == "key":
            kept = [pair for pair in self.exchange.headers if pair[0] != _API_KEY]
            self.exchange.headers = kept
        if caller.by_cookie:
            self.exchange.cookie_token = "cookie"  # noqa: S105 # says that there is one
        self._say("identity", True, caller.text)

    def _allow(self, route: Route) -> None:
        if route.auth == "none":
            return
        identity = self.exchange.identity
        reason = refuse_role(identity, required=route.auth == "session", roles=route.roles)
        roles = wording.names(route.roles)
        if reason is not None:
            kind = identity.user_type if identity is not None else ""
            text = f"{kind} is none of {roles}" if roles and kind else ""
            self._refuse("role", reason, text)
        if identity is not None and roles:
            self._say("role", True, f"{identity.user_type} is one of {roles}")
        if self.exchange.cookie_token is not None:
            if self._is_cross_site(route):
                self._refuse("origin", CROSS_SITE)
            self._say("origin", True, "no other site made a browser send this")

    def _is_cross_site(self, route: Route) -> bool:
        special = self.special.get(route.name)
        return is_cross_site(
            self.exchange.method,
            sec_fetch_site=self._header(b"sec-fetch-site"),
            origin=self._header(b"origin"),
            host=self._header(b"host") or "",
            scheme=self.exchange.scheme,
            trusted=(special or self.door).trusted_origins,
        )

    def _limit(self, route: Route) -> None:
        limits = list(route.limits)
        caller = self.asked.caller
        if caller.limit is not None and self.exchange.identity is caller.identity:
            limits.insert(0, replace(caller.limit, by="service_key"))
        for rule in limits:
            self._say("limit", None, f"{wording.limit_text(rule)}: 429 when spent")

    def _body(self, route: Route) -> None:
        if self.exchange.is_socket:
            if not route.websocket:
                self._refuse("socket", SOCKET_NOT_ALLOWED)
            self._say("socket", True, "WebSockets are proxied here")
            return
        most = route.max_body_bytes or self.plan.max_body_bytes
        self._say("body", None, f"at most {wording.size_text(most)}")

    def _forward(self, route: Route) -> None:
        destination = route.destination_for(self.exchange.identity)
        service = None if destination is None else self.plan.services.get(destination.service)
        if destination is not None and destination.service.startswith("edge:"):
            self._end(200, "answered by the edge itself")
        if destination is None or service is None:
            self._refuse("target", NO_ROUTE, "no service answers here for this caller")
            raise AssertionError
        self._say("target", True, f"{service.name} at {wording.service_text(service)}")
        for phase, text in _extras(route):
            self._say(phase, None, text)
        timeout = route.timeout or service.timeout
        patience = f"{wording.seconds_text(timeout)}, {wording.retry_text(service.retry)}"
        self._say("patience", None, patience)
        path = destination.path(self.exchange.path, service.prefix)
        query = self.exchange.query.decode("latin-1")
        self.found.service = service.name
        self.found.forwarded = {
            "method": self.exchange.method,
            "path": f"{path}?{query}" if query else path,
            "headers": self._sent(route, service.urls),
        }
        self.found.verdict = f"forwarded to {service.name}"

    def _sent(self, route: Route, urls: Iterable[str]) -> list[tuple[str, str]]:
        """Return the headers as they would go upstream; what is made anew each time is said so."""
        exchange = self.exchange
        given = request_id(exchange.fields.get(b"x-request-id"))
        exchange.request_id = given or "0" * 32
        made = {b"traceparent"} - exchange.fields.keys() | (set() if given else {b"x-request-id"})
        host = next((url.partition("://")[2].partition("/")[0] for url in urls), "")
        sent = [("host", host)] if host else []
        for name, value in request_headers(exchange, route):
            text = _NEW if name in made else value.decode("latin-1")
            sent.append((name.decode("latin-1"), text))
        return [*sent, (DEADLINE.decode("ascii"), _NEW)]

    def _end(self, status: int, verdict: str) -> None:
        self.found.status, self.found.verdict = status, verdict
        raise _Ended

    def _header(self, name: bytes) -> str | None:
        value = self.exchange.fields.get(name)
        return None if value is None else value.decode("latin-1")


def is_platforms(route: Route) -> bool:
    """Tell whether a route is the platform's own, not that of a file."""
    from gateline.shared.routing import platform_routes

    return route in platform_routes()


def _extras(route: Route) -> Iterable[tuple[str, str]]:
    said: Mapping[str, Callable[[], str | None]] = {
        "cache": lambda: (
            f"answers may be kept for {route.cache.most_seconds} s" if route.cache else None
        ),
        "compress": lambda: "answers may be compressed" if route.compress else None,
        "mirror": lambda: (
            f"{route.mirror.share:.0%} is copied to {route.mirror.service}"
            if route.mirror
            else None
        ),
        "answer": lambda: "headers of the answer are changed" if route.response_headers else None,
    }
    for phase, tell in said.items():
        text = tell()
        if text is not None:
            yield phase, text


def _name(plan: GatewayPlan) -> str:
    return plan.path.name if plan.path is not None else "the built-in routes"


async def _nobody(*_: Any) -> Any:
    raise AssertionError("nothing is sent or received")
