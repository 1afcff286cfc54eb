"""What the control room does: administrators' logins, accounts and sessions, logs, statistics.

Accounts and sessions are auth's; it is asked in the name of the administrator who looks. Traffic
and logs of all processes lie in Valkey.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

import redis
from flask import current_app

from gateline.policy.reasons import CREDENTIALS_INVALID, SESSION_STORE_UNAVAILABLE
from gateline.shared.app import parts
from gateline.shared.errors import ApiError, NotFound, ValidationFailed
from gateline.shared.health import report
from gateline.shared.proxy_service import proxy_service
from gateline.shared.telemetry import LogQuery, Telemetry
from gateline.web import service
from gateline.web.admin_schemas import LogsOut, LogsQuery, ServiceState, Stats
from gateline.web.dashboards import Call, describe
from gateline.web.schemas import PartFailure
from gateline.web.service import Ticket, Visitor
from gateline.web.service_states import FollowedStates
from gateline.web.traffic import read_traffic

EXTENSION: Final = "gateline.web.service_states"
SECONDS: Final = 3.0
"""How long one part of the statistics may take."""

_OWN: Final = "web"
_LOG: Final = logging.getLogger(__name__)
_ADMIN: Final = "/api/auth/admin"
_UNAUTHORIZED: Final = 401

T = TypeVar("T")


def log_in(name: str, password: str, visitor: Visitor) -> Ticket:
    """Open a session for an administrator, by user name or e-mail address.

    Raises ApiError: 401 for wrong credentials, 403 for another kind of account.
    """
    credentials = {"email" if "@" in name else "username": name, "password": password}
    try:
        return service.open_session(credentials, "admin", visitor)
    except ApiError as refusal:
        if refusal.reason is not ValidationFailed.default_reason:
            raise
        # What can be nobody's name is a wrong one.
        raise ApiError(reason=CREDENTIALS_INVALID) from refusal


def ask_auth(
    method: str,
    path: str,
    visitor: Visitor,
    *,
    data: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> Any:
    """Ask one of auth's endpoints for administrators; raise what it refuses with."""
    response = proxy_service.proxy_request(
        method,
        "auth",
        f"{_ADMIN}/{path}",
        data,
        params,
        headers=visitor.headers(),
        timeout=timeout,
    )
    return service.json_of(response)


def account_path(name: str, *more: str) -> str:
    """Return the path of an account at the auth service; raise NotFound for an impossible name."""
    if "/" in name or name in {".", ".."}:
        raise NotFound("There is no such account.")
    return "/".join(("users", quote(name, safe="@:"), *more))


def read_logs(query: LogsQuery) -> LogsOut:
    """Return log entries of all processes, newest first."""
    wanted = LogQuery(
        service=query.service,
        level=query.level or "",
        text=query.q,
        request_id=query.request_id,
        since=query.since.timestamp() if query.since else None,
    )
    page = _telemetry().logs(wanted, limit=query.limit, cursor=query.cursor, after=query.after)
    return LogsOut(items=page.items, next_cursor=page.next_cursor)


def read_stats(visitor: Visitor) -> Stats:
    """Return the state of the platform; each part may be missing alone.

    A refusal for want of a session (401) is raised, because it holds for everything.
    """
    gathered = _Gathered()
    figures = gathered.part("accounts", lambda: ask_figures(visitor)) or {}
    return Stats(
        users=figures.get("users"),
        sessions=figures.get("sessions"),
        logins=figures.get("logins"),
        traffic=gathered.part("traffic", lambda: read_traffic(_telemetry(), parts().clock())),
        services=service_states(),
        retail=gathered.part("retail", read_retail),
        errors=gathered.errors,
        generated_at=datetime.now(UTC),
    )


def ask_figures(visitor: Visitor) -> dict[str, Any]:
    """Return auth's figures of accounts, sessions and logins."""
    found = ask_auth("GET", "figures", visitor, timeout=SECONDS)
    return found if isinstance(found, dict) else {}


def service_states() -> list[ServiceState]:
    """Return the state of every service; of ourselves we know without asking."""
    states: FollowedStates = current_app.extensions[EXTENSION]
    others = [state for state in states.read() if state.name != _OWN]
    return sorted([*others, _own_state()], key=lambda state: state.name)


def read_retail() -> dict[str, Any] | None:
    """Return how many cameras and open alerts the shop has; None where there is no shop."""
    if parts().settings.edge_processor_url is None:
        return None
    alerts = service.ask(Call("events", "/alerts/count"), SECONDS)
    cameras = service.ask(Call("events", "/cameras"), SECONDS)
    return {"alerts": alerts, "cameras": _count(cameras)}


@dataclass
class _Gathered:
    """The parts of the statistics that could not be had, and why."""

    errors: dict[str, PartFailure] = field(default_factory=dict)

    def part(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ApiError as failure:
            if failure.status == _UNAUTHORIZED:
                raise
            self.errors[name] = describe(failure)
        except redis.RedisError as failure:
            _LOG.warning("%s could not be read (%s)", name, type(failure).__name__)
            self.errors[name] = describe(ApiError(reason=SESSION_STORE_UNAVAILABLE))
        return None


def _own_state() -> ServiceState:
    told, _ = report()
    names = ("status", "database", "redis", "version")
    return ServiceState.model_validate(
        {"name": _OWN, **{name: told[name] for name in names if name in told}}
    )


def _telemetry() -> Telemetry:
    return Telemetry(parts().kv, parts().clock)


def _count(found: Any) -> int | None:
    """Return the length of a list, bare or in pages; None where the first does not tell it."""
    if isinstance(found, dict):
        total = found.get("total")
        if isinstance(total, int) or found.get("next_cursor") is not None:
            return total
        return _count(found.get("items"))
    return len(found) if isinstance(found, list) else None
