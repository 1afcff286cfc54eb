"""What surrounds every request: its id, the host check, timing, one access-log line, metrics."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from flask import Flask, Response, g, has_request_context, request

from gateline.shared import metrics
from gateline.shared.config import Settings
from gateline.shared.errors import HostNotAllowed
from gateline.shared.middleware.proxies import TrustedProxies

REQUEST_ID_HEADER: Final = "X-Request-ID"
PROBES: Final = frozenset({"/health", "/livez", "/readyz"})
"""Answered under any host name (an orchestrator asks by address) and logged at DEBUG."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_access: Final = logging.getLogger("gateline.access")

Clock = Callable[[], float]
Ids = Callable[[], str]


def new_request_id() -> str:
    """Return a random request id."""
    return uuid.uuid4().hex


def current_request_id() -> str:
    """Return the id of the current request, a new one when it has none yet."""
    if not has_request_context():
        return new_request_id()
    if "request_id" not in g:
        g.request_id = new_request_id()
    request_id: str = g.request_id
    return request_id


def accepted_request_id(sent: str | None) -> str | None:
    """Return the id that the caller sent when it is well-formed, else None."""
    return sent if sent and _REQUEST_ID.fullmatch(sent) else None


def host_is_allowed(host: str, allowed: Collection[str]) -> bool:
    """Return whether a Host header names one of the allowed hosts; any, when none are listed.

    `*.example.com` and `.example.com` stand for every name below example.com.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].lower().rstrip(".")
    if not allowed or "*" in allowed or name in allowed:
        return True
    suffixes = (entry.removeprefix("*") for entry in allowed if entry[0] in "*.")
    return any(name.endswith(suffix) for suffix in suffixes)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Installs itself around every request of an app; `clock` is monotonic, in seconds."""

    service: str
    allowed_hosts: frozenset[str]
    clock: Clock = time.perf_counter
    ids: Ids = new_request_id

    def before(self) -> None:
        """Give the request its id and start time; refuse a host that is not served."""
        g.started_at = self.clock()
        g.request_id = accepted_request_id(request.headers.get(REQUEST_ID_HEADER)) or self.ids()
        structlog.contextvars.bind_contextvars(request_id=g.request_id, service=self.service)
        if request.path not in PROBES and not self._serves(request.headers.get("Host", "")):
            raise HostNotAllowed

    def after(self, response: Response) -> Response:
        """Complete the answer's headers, count it and log it."""
        seconds = self.clock() - g.get("started_at", self.clock())
        response.headers[REQUEST_ID_HEADER] = current_request_id()
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        route = request.url_rule.rule if request.url_rule else metrics.UNMATCHED
        metrics.observe_request(self.service, request.method, route, response.status_code, seconds)
        if reason := g.get("reason"):
            metrics.observe_refusal(self.service, reason)
        self._log(response, route, seconds)
        return response

    def teardown(self, _: BaseException | None) -> None:
        """Unbind the request from the log context."""
        structlog.contextvars.unbind_contextvars("request_id", "service")

    def _serves(self, host: str) -> bool:
        return host_is_allowed(host, self.allowed_hosts)

    def _log(self, response: Response, route: str, seconds: float) -> None:
        # Without the query string: it may hold what is nobody's business.
        path = quote(request.path, safe="/:@!$&'()*+,;=~%")[:500]
        milliseconds = round(seconds * 1000, 1)
        _access.log(
            logging.DEBUG if request.path in PROBES else logging.INFO,
            "%s %s %d %sms",
            request.method[:20],
            path,
            response.status_code,
            milliseconds,
            extra={
                "method": request.method[:20],
                "path": path,
                "route": route,
                "status": response.status_code,
                "duration_ms": milliseconds,
                "client": request.remote_addr,
                **_known_of_caller(),
            },
        )


def init_request_context(
    app: Flask, *, service: str, settings: Settings, ids: Ids = new_request_id
) -> RequestContext:
    """Put the context around every request of the app; register it before everything else.

    First registered runs first before a view and last after it, so that it sees every refusal.
    """
    allowed = frozenset(settings.allowed_hosts)
    context = RequestContext(
        service=service,
        allowed_hosts=allowed | _internal_hosts(settings) if allowed else allowed,
        ids=ids,
    )
    app.before_request(context.before)
    app.after_request(context.after)
    app.teardown_request(context.teardown)
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign, assignment] # Flask's documented way
    return context


def _internal_hosts(settings: Settings) -> frozenset[str]:
    """Return the names by which services know each other: their calls must pass the host check."""
    urls = (getattr(settings, name) for name in Settings.model_fields if name.endswith("_url"))
    parts = (urlsplit(url) for url in urls if url)
    return frozenset(
        part.hostname for part in parts if part.scheme in {"http", "https"} and part.hostname
    )


def _known_of_caller() -> dict[str, Any]:
    known = {"user_id": getattr(g.get("identity"), "user_id", None), "reason": g.get("reason")}
    return {name: value for name, value in known.items() if value is not None}
