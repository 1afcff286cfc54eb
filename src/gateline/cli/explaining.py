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
from gateline.edge.door import comes_from_elsewhere
from gateline.edge.gateway import compile_plan
from gateline.edge.request_headers import DEADLINE, service_headers
from gateline.edge.sockets.entrance import LIVE, SOCKET_IO
from gateline.policy.admission import request_id
from gateline.policy.gcra import needs_no_identity
from gateline.policy.identity import refuse_role
from gateline.policy.reasons import (
    BAD_REQUEST,
    CROSS_SITE,
    NO_ROUTE,
    PAYLOAD_TOO_LARGE,
    SOCKET_NOT_ALLOWED,
    UPGRADE_REQUIRED,
)
from gateline.policy.retries import SAFE_METHODS
from gateline.policy.routes import Route
from gateline.policy.services import Service
from gateline.shared.gateway import GatewayPlan

_API_KEY: Final = b"x-api-key"
_NEW: Final = "(new for each request)"
_NOBODY_ANSWERS: Final = "no service answers here for this caller"
_HANDSHAKE: Final = "sec-websocket-"
_ASKS_FOR_SOCKET: Final = (
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", _NEW),
    ("sec-websocket-version", "13"),
)


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
        early = needs_no_identity(route.limits)
        if early:
            self._limit(route)
        self._identify(route)
        self._limit_of_key()
        self._allow(route)
        if not early:
            self._limit(route)
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
            if route.share_cookie and self.asked.caller.by_cookie:
                self._judge_origin("POST" if self.exchange.is_socket else self.exchange.method)
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
            self._judge_origin(self.exchange.method)

    def _judge_origin(self, method: str) -> None:
        if comes_from_elsewhere(self.exchange, method):
            self._refuse("origin", CROSS_SITE)
        if not self.exchange.is_socket or method not in SAFE_METHODS:
            self._say("origin", True, "no other site made a browser send this")

    def _handshake(self, *, judged: bool) -> None:
        """Judge a handshake as if it were unsafe: browsers let every page open a socket."""
        if self.exchange.is_socket and not self.exchange.body_done:
            self._refuse("socket", BAD_REQUEST, "a handshake has no body")
        if judged:
            self._judge_origin("POST")

    def _limit_of_key(self) -> None:
        caller = self.asked.caller
        if caller.limit is not None and self.exchange.identity is caller.identity:
            own = replace(caller.limit, by="service_key")
            self._say("limit", None, f"{wording.limit_text(own)}: 429 when spent")

    def _limit(self, route: Route) -> None:
        why = " (the route says nothing of limits)" if self._has_default(route) else ""
        for rule in route.limits:
            self._say("limit", None, f"{wording.limit_text(rule)}: 429 when spent{why}")

    def _has_default(self, route: Route) -> bool:
        return route.limits is self.plan.default_limits

    def _own(self, service: str) -> None:
        """End here what the edge answers itself."""
        if service == LIVE and not self.exchange.is_socket:
            self._refuse("socket", UPGRADE_REQUIRED)
        if service in (LIVE, SOCKET_IO):
            by_cookie = self.exchange.cookie_token is not None
            self._handshake(judged=by_cookie or service == SOCKET_IO)
        if service.startswith("edge:"):
            self._end(200, "answered by the edge itself")

    def _socket(self, route: Route, service: Service | None) -> None:
        self._handshake(judged=self.exchange.cookie_token is not None)
        if not route.websocket:
            speaks = service is not None and service.protocol == "http2"
            text = "services that speak HTTP/2 take no WebSockets" if speaks else ""
            self._refuse("socket", SOCKET_NOT_ALLOWED, text)
        self._say("socket", True, "WebSockets are proxied here")

    def _body(self, route: Route) -> None:
        most = route.max_body_bytes or self.plan.max_body_bytes
        text = f"at most {wording.size_text(most)}"
        if int(self._header(b"content-length") or 0) > most:
            self._refuse("body", PAYLOAD_TOO_LARGE, text)
        self._say("body", None, text)

    def _forward(self, route: Route) -> None:
        destination = route.destination_for(self.exchange.identity)
        if destination is None:
            self._refuse("target", NO_ROUTE, _NOBODY_ANSWERS)
            raise AssertionError
        self._own(destination.service)
        service = self.plan.services.get(destination.service)
        if self.exchange.is_socket:
            self._socket(route, service)
        if service is None:
            self._refuse("target", NO_ROUTE, _NOBODY_ANSWERS)
            raise AssertionError
        if not self.exchange.is_socket:
            self._body(route)
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
            "headers": self._sent(route, service, path),
        }
        self.found.verdict = f"forwarded to {service.name}"

    def _sent(self, route: Route, service: Service, path: str) -> list[tuple[str, str]]:
        """Return the headers as they would go upstream; what is made anew each time is said so."""
        exchange = self.exchange
        given = request_id(exchange.fields.get(b"x-request-id"))
        exchange.request_id = given or "0" * 32
        made = {b"traceparent"} - exchange.fields.keys() | (set() if given else {b"x-request-id"})
        host = next((url.partition("://")[2].partition("/")[0] for url in service.urls), "")
        sent = [("host", host)] if host and not service.preserve_host else []
        for name, value in service_headers(exchange, route, service, path):
            text = _NEW if name in made else value.decode("latin-1")
            sent.append((name.decode("latin-1"), text))
        if not exchange.is_socket:
            return [*sent, (DEADLINE.decode("ascii"), _NEW)]
        return [*(pair for pair in sent if not pair[0].startswith(_HANDSHAKE)), *_ASKS_FOR_SOCKET]


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
