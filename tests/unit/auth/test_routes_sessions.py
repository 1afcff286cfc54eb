"""A person's own sessions, over HTTP."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from gateline.shared.app import parts
from gateline.shared.schemas.base import encode_cursor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.auth.conftest import LoggedIn


def sid_of(entered: LoggedIn) -> str:
    """Return the id of a session."""
    return parts().tokens.verify(entered.access_token).sid


def test_sessions_are_listed_newest_first(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """One sees one's own living sessions, and which of them one is in."""
    first = log_in(device_info={"device_type": "mobile"})
    second = log_in(first.person)
    log_in()
    answer = client.get("/api/auth/sessions", headers=second.headers)
    assert answer.status_code == 200
    items = answer.json["items"]
    assert [item["id"] for item in items] == [sid_of(second), sid_of(first)]
    assert [item["current"] for item in items] == [True, False]
    assert items[1]["device_info"] == {"device_type": "mobile"}
    assert answer.json["next_cursor"] is None
    assert first.access_token not in answer.text


def test_sessions_come_in_pages(client: Any, log_in: Callable[..., LoggedIn]) -> None:
    """The cursor leads through all sessions, each once."""
    entered = [log_in()]
    entered += [log_in(entered[0].person) for _ in range(4)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = client.get(
            "/api/auth/sessions/", headers=entered[0].headers, query_string=query
        ).json
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [sid_of(one) for one in reversed(entered)]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"},
        {"cursor": encode_cursor(created_at="yesterday", sid="x")},
        {"cursor": encode_cursor(created_at=1, sid=2)},
        {"cursor": encode_cursor(other=1)},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "many"},
        {"page": "2"},
    ],
)
def test_wrong_paging_is_named(
    client: Any, log_in: Callable[..., LoggedIn], query: dict[str, str]
) -> None:
    """A cursor that is none, a limit out of range and unknown parameters are refused by name."""
    answer = client.get("/api/auth/sessions", headers=log_in().headers, query_string=query)
    assert answer.status_code == 400
    assert answer.json["details"]["fields"].keys() == query.keys()


def test_ending_one_session(
    client: Any, log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """A session that its owner ends is dead at once, refresh token included; again is no error."""
    here = log_in()
    there = log_in(here.person)
    for _ in range(2):
        gone = client.delete(f"/api/auth/sessions/{sid_of(there)}", headers=here.headers)
        assert (gone.status_code, gone.data) == (204, b"")
    assert (is_alive(here), is_alive(there)) == (True, False)
    refresh = client.post("/api/auth/refresh", json={"refresh_token": there.refresh_token})
    assert refresh.json["details"]["reason"] == "session_revoked"


def test_sessions_of_others_are_not_found(
    client: Any, log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """Another person's session, an unknown id and a malformed id are all 404."""
    other = log_in()
    headers = log_in().headers
    for sid in (sid_of(other), str(uuid.uuid4()), "1", "../x"):
        assert client.delete(f"/api/auth/sessions/{sid}", headers=headers).status_code == 404
    assert is_alive(other)


def test_ending_all_others(
    client: Any, log_in: Callable[..., LoggedIn], is_alive: Callable[[LoggedIn], bool]
) -> None:
    """All sessions but the one that asks end, those of other people do not."""
    here = log_in()
    others = [log_in(here.person) for _ in range(3)]
    stranger = log_in()
    answer = client.delete("/api/auth/sessions", headers=here.headers)
    assert (answer.status_code, answer.json["sessions_ended"]) == (200, 3)
    assert is_alive(here)
    assert is_alive(stranger)
    assert not any(is_alive(other) for other in others)


def test_sessions_need_a_session(client: Any) -> None:
    """Without a session nothing is listed and nothing ended."""
    assert client.get("/api/auth/sessions").status_code == 401
    assert client.delete("/api/auth/sessions").status_code == 401
    assert client.delete(f"/api/auth/sessions/{uuid.uuid4()}").status_code == 401


def test_another_site_cannot_end_sessions(browser: Any, log_in: Callable[..., LoggedIn]) -> None:
    """A cookie sent along by another site's request ends nothing (CSRF)."""
    entered = log_in()
    browser.set_cookie("gateline_session", entered.access_token)
    headers = {"Sec-Fetch-Site": "cross-site"}
    refused = browser.delete("/api/auth/sessions", headers=headers)
    assert (refused.status_code, refused.json["details"]["reason"]) == (403, "cross_site")
    assert browser.delete("/api/auth/sessions").status_code == 200
