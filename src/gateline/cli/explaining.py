"""What the edge would do with a request, decided by the edge's own rules, without a network.

Each phase of the pipeline is a step with its verdict; the first refusal ends the way, as it does
in the edge.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from gateline.cli import wording
from gateline.cli.entrance import Ended, Entrance
from gateline.cli.explanation import Asked, Explanation
from gateline.edge.composition import own_routes
from gateline.edge.forwarding import DEADLINE, request_headers
from gateline.edge.gateway import compile_plan
from gateline.policy.admission import request_id
from gateline.policy.identity import refuse_role
from gateline.policy.origins import is_cross_site
from gateline.policy.reasons import CROSS_SITE, NO_ROUTE, SOCKET_NOT_ALLOWED
from gateline.policy.routes import Route
from gateline.shared.gateway import GatewayPlan

_API_KEY: Final = b"x-api-key"
_NEW: Final = "(new for each request)"


def explain(plan: GatewayPlan, asked: Asked) -> Explanation:
    """Return what would become of a request."""
    way = _Way(plan, compile_plan(plan, own_routes(plan)), asked)
    with contextlib.suppress(Ended):
        way.go()
    return way.found


class _Way(Entrance):
    """One request on its way through the phases, in the order of the pipeline."""

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
