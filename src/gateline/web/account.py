"""The account page: its parts, each of which may be missing, and what can be changed there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from gateline.shared.errors import ApiError
from gateline.shared.proxy_service import proxy_service
from gateline.web.dashboards import UnusableAnswer
from gateline.web.devices import device_name
from gateline.web.presentation import value
from gateline.web.service import json_of

_SECONDS: Final = 3.0
_SHOWN: Final = "50"


@dataclass(frozen=True, slots=True)
class Profile:
    """What an account says of its owner."""

    name: str
    phone: str
    email: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One of the places where somebody is logged in."""

    id: str
    device: str
    address: str
    since: Any
    seen: Any
    current: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Both parts of the page; one that could not be had is None and says why in `problems`."""

    profile: Profile | None
    sessions: list[OpenSession] | None
    problems: dict[str, str]


def overview() -> Overview:
    """Return what the page shows; raises ApiError (401) for a session that has ended."""
    problems: dict[str, str] = {}
    profile = _part("profile", _profile, problems)
    sessions = _part("sessions", _sessions, problems)
    return Overview(profile, sessions, problems)


def change_profile(name: str, phone: str) -> None:
    """Change name and telephone; an empty one removes the number. Raises ApiError."""
    changes = {"name": name, "phone": phone.strip() or None}
    json_of(proxy_service.proxy_patch("api", "/api/users/me", data=changes))


def change_password(current: str, new: str) -> int:
    """Change the password; return how many other sessions ended. Raises ApiError."""
    body = {"current_password": current, "new_password": new}
    answer = json_of(proxy_service.proxy_post("auth", "/api/auth/change-password", data=body))
    return int(answer.get("sessions_ended", 0)) if isinstance(answer, dict) else 0


def end_session(sid: str) -> None:
    """End one of one's own sessions; one that is gone already is no failure."""
    answer = proxy_service.proxy_delete("auth", f"/api/auth/sessions/{sid}")
    if answer.status_code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
        json_of(answer)


def end_other_sessions() -> int:
    """End all of one's sessions but this one; return how many those were."""
    answer = json_of(proxy_service.proxy_delete("auth", "/api/auth/sessions"))
    return int(answer.get("sessions_ended", 0)) if isinstance(answer, dict) else 0


def _part(name: str, fetch: Callable[[], Any], problems: dict[str, str]) -> Any:
    try:
        return fetch()
    except ApiError as failure:
        if failure.status == HTTPStatus.UNAUTHORIZED:
            raise
        problems[name] = failure.message
        return None


def _profile() -> Profile:
    found = json_of(proxy_service.proxy_get("api", "/api/users/me", timeout=_SECONDS))
    if not isinstance(found, dict):
        raise UnusableAnswer
    return Profile(*(str(found.get(key) or "") for key in ("name", "phone", "email")))


def _sessions() -> list[OpenSession]:
    answer = json_of(
        proxy_service.proxy_get(
            "auth", "/api/auth/sessions", params={"limit": _SHOWN}, timeout=_SECONDS
        )
    )
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise UnusableAnswer
    return sorted((_session(item) for item in items), key=_first_this_then_latest, reverse=True)


def _session(item: dict[str, Any]) -> OpenSession:
    return OpenSession(
        id=str(item.get("id")),
        device=device_name(str(item.get("user_agent") or "")),
        address=str(item.get("ip_address") or ""),
        since=value(item.get("created_at")),
        seen=value(item.get("last_seen")),
        current=item.get("current") is True,
    )


def _first_this_then_latest(session: OpenSession) -> tuple[bool, str]:
    seen = session.seen
    return session.current, seen.isoformat() if isinstance(seen, datetime) else ""
