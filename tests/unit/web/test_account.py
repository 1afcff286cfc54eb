"""The parts of the account page."""

import pytest
from flask import Flask
from tests.unit.web.conftest import Stub

from gateline.shared.errors import ApiError
from gateline.web.account import end_session, overview

ROWS = [
    {"id": "old", "user_agent": "curl/8", "last_seen": "2031-01-01T10:00:00Z", "current": False},
    {"id": "new", "user_agent": "curl/8", "last_seen": "2031-01-02T10:00:00Z", "current": False},
    {"id": "this", "user_agent": "curl/8", "last_seen": "2031-01-01T09:00:00Z", "current": True},
]


@pytest.fixture
def services(stub: Stub) -> Stub:
    """Let the stand-in know an account."""
    stub.put("GET /api/users/me", {"name": "Nora Vidal", "phone": None, "email": "n@example.com"})
    stub.put("GET /api/auth/sessions", {"items": ROWS, "next_cursor": None})
    return stub


def test_overview(app: Flask, services: Stub) -> None:
    """The profile as text, the sessions with this one first and then the latest."""
    with app.test_request_context():
        seen = overview()
    assert seen.profile is not None
    assert (seen.profile.name, seen.profile.phone) == ("Nora Vidal", "")
    assert seen.sessions is not None
    assert [session.id for session in seen.sessions] == ["this", "new", "old"]
    assert seen.problems == {}


@pytest.mark.parametrize(
    ("path", "missing"),
    [("GET /api/users/me", "profile"), ("GET /api/auth/sessions", "sessions")],
)
def test_each_part_may_be_missing(app: Flask, services: Stub, path: str, missing: str) -> None:
    """A service that is away takes its own part only."""
    services.refuse(path, 503, "database_unavailable", "Away.")
    with app.test_request_context():
        seen = overview()
    assert seen.problems == {missing: "Away."}
    assert getattr(seen, missing) is None


@pytest.mark.parametrize("path", ["GET /api/users/me", "GET /api/auth/sessions"])
def test_rubbish_is_a_missing_part(app: Flask, services: Stub, path: str) -> None:
    """An answer of another shape than promised counts as none."""
    services.put(path, ["rubbish"])
    with app.test_request_context():
        assert len(overview().problems) == 1


def test_session_that_ended(app: Flask, services: Stub) -> None:
    """A session that has ended is no missing part."""
    services.refuse("GET /api/users/me", 401, "session_revoked")
    with app.test_request_context(), pytest.raises(ApiError):
        overview()


def test_ending_what_has_ended(app: Flask, services: Stub) -> None:
    """A session that is gone already needs no ending; another failure is one."""
    with app.test_request_context():
        end_session("gone")
        services.refuse("DELETE /api/auth/sessions/x", 503, "database_unavailable")
        with pytest.raises(ApiError):
            end_session("x")
