"""How dashboards are put together, part by part."""

from collections.abc import Callable
from typing import Any

import pytest

from gateline.policy.reasons import (
    ROLE_MISSING,
    SESSION_REVOKED,
    UPSTREAM_REFUSED,
    UPSTREAM_TIMEOUT,
    Reason,
)
from gateline.shared.errors import ApiError
from gateline.web.dashboards import CALL_SECONDS, PARTS, WHOLE_SECONDS, Call, compose
from gateline.web.navigation import KINDS, Kind

OVERVIEW = {
    "figures": {"patients": 12},
    "today": [],
    "upcoming_appointments": [{"id": "7"}],
    "care_team": [{"id": "3"}],
    "recent_entries": [{"id": "5"}],
    "specialties": [],
}


def answer(call: Call, _seconds: float) -> Any:
    """Answer every call as its service would."""
    if call.path.endswith("/dashboard"):
        return OVERVIEW
    return {"name": "me"} if call.path.endswith("/me") else {"items": [{"id": "1"}]}


def failing(reason: Reason, ending: str) -> Callable[[Call, float], Any]:
    """Return a fetch that fails for paths with this ending."""

    def fetch(call: Call, seconds: float) -> Any:
        if call.path.endswith(ending):
            raise ApiError(reason=reason)
        return answer(call, seconds)

    return fetch


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_is_shown(kind: Kind) -> None:
    """With every service there, every part is filled and nothing is wrong."""
    composed = compose(kind, answer)
    assert list(composed.parts) == [part.name for part in PARTS[kind]]
    assert composed.errors == {}
    assert composed.parts["profile"] == {"name": "me"}
    assert composed.parts["figures"] == {"patients": 12}
    assert composed.parts["appointments"] == [{"id": "7"}]


def test_parts_of_one_answer_cost_one_call() -> None:
    """Figures, appointments and care team come from one call, the profile from another."""
    asked: list[str] = []

    def fetch(call: Call, seconds: float) -> Any:
        asked.append(call.path)
        return answer(call, seconds)

    compose("patient", fetch)
    assert asked == ["/api/v1/patients/me", "/api/v1/patients/me/dashboard"]


def test_a_refused_part_leaves_the_others() -> None:
    """One call that is refused leaves out its own parts alone, and says why."""
    composed = compose("doctor", failing(ROLE_MISSING, "/patients"))
    assert composed.parts["patients"] is None
    assert composed.parts["figures"] == {"patients": 12}
    assert set(composed.errors) == {"patients"}
    assert composed.errors["patients"].reason == "role_missing"
    assert not composed.empty


def test_a_service_that_is_away_is_asked_once() -> None:
    """After one failure to answer, the same service is not asked again for the same page."""
    asked: list[str] = []

    def fetch(call: Call, seconds: float) -> Any:
        asked.append(call.path)
        if call.service == "doctors":
            raise ApiError(reason=UPSTREAM_REFUSED)
        return answer(call, seconds)

    composed = compose("doctor", fetch)
    assert asked == ["/api/v1/doctors/me", "/api/v1/patients"]
    assert set(composed.errors) == {"profile", "figures", "today", "appointments", "entries"}
    assert composed.parts["patients"] == [{"id": "1"}]


def test_nothing_at_all_is_said() -> None:
    """When every part failed, the whole is empty and the first failure stands for it."""
    composed = compose("patient", failing(UPSTREAM_REFUSED, "/me"))
    assert composed.empty
    assert composed.first_failure is not None
    assert composed.first_failure.reason is UPSTREAM_REFUSED


def test_an_ended_session_ends_the_dashboard() -> None:
    """A session that was revoked meanwhile is no failure of a part."""
    with pytest.raises(ApiError) as raised:
        compose("patient", failing(SESSION_REVOKED, "/dashboard"))
    assert raised.value.reason is SESSION_REVOKED


def test_slow_services_share_one_deadline() -> None:
    """However slow the services are, the whole takes hardly longer than its deadline."""
    now = 100.0
    granted: list[float] = []

    def fetch(call: Call, seconds: float) -> Any:
        nonlocal now
        granted.append(seconds)
        now += seconds
        if call.service == "institutions":
            raise ApiError(reason=UPSTREAM_TIMEOUT)
        return answer(call, seconds)

    compose("institution", fetch, clock=lambda: now)
    assert len(granted) == 3
    assert max(granted) <= CALL_SECONDS
    assert sum(granted) <= WHOLE_SECONDS + 1


@pytest.mark.parametrize("rubbish", ["text", 3, [], {"no": "figures"}, {"figures": 3}, None])
def test_rubbish_is_no_part(rubbish: object) -> None:
    """An answer of another shape than promised is a failure of its parts (502)."""

    def fetch(call: Call, seconds: float) -> Any:
        return rubbish if call.path.endswith("/dashboard") else answer(call, seconds)

    composed = compose("patient", fetch)
    assert composed.parts["profile"] == {"name": "me"}
    assert composed.errors["figures"].reason == "upstream_invalid"
    assert composed.errors["figures"].status == 502
