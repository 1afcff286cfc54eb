"""One's own profile."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from gateline.shared.sessions import as_of

ME = "/api/users/me"


def test_a_profile_is_made_from_the_identity(api: Any) -> None:
    """The first request of an account finds its profile; the id is text, times end in Z."""
    profile = api.log_in(123, "user@example.com")("GET", ME).json
    assert profile == {
        "id": "123",
        "email": "user@example.com",
        "name": "John Doe",
        "phone": None,
        "created_at": "2026-02-10T12:00:00Z",
        "updated_at": "2026-02-10T12:00:00Z",
    }
    assert api.messages() == [], "auth knows what it told us"


def test_first_requests_at_once_make_one_profile(api: Any) -> None:
    """None of them fails, all see the same."""
    caller = api.log_in()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: caller("GET", ME), range(6)))
    assert {answer.status_code for answer in answers} == {200}


def test_a_change_is_written_and_told_together(api: Any) -> None:
    """Auth is told what changed, by the names it uses, and when."""
    caller = api.log_in(123)
    answer = caller("PATCH", ME, json={"name": "Jane  van Doe", "phone": "+1234567890"})
    assert (answer.status_code, answer.json["name"]) == (200, "Jane van Doe")
    assert caller("GET", ME).json["phone"] == "+1234567890"
    assert api.messages() == [
        {
            "lock": "user_123",
            "id": 123,
            "first_name": "Jane",
            "last_name": "van Doe",
            "phone": "+1234567890",
            "last_sync": "2026-02-10T12:00:00Z",
        }
    ]


def test_only_what_changes_is_told(api: Any) -> None:
    """The same name again tells nothing; a removed number is told as null."""
    caller = api.log_in(123)
    caller("PATCH", ME, json={"name": "John Doe"})
    caller("PATCH", ME, json={})
    assert api.messages() == []
    caller("PATCH", ME, json={"phone": "555-1234", "name": "John Doe"})
    caller("PATCH", ME, json={"phone": None})
    assert [sorted(message) for message in api.messages()] == [
        ["id", "last_sync", "lock", "phone"]
    ] * 2
    assert api.messages()[1]["phone"] is None


def test_stamps_grow_even_when_the_clock_does_not(api: Any) -> None:
    """Of two changes the later one has the later `last_sync`, also after the clock was put back."""
    caller = api.log_in()
    for number, shift in enumerate((0, 0, -60)):
        api.clock.now += shift
        assert caller("PATCH", ME, json={"name": f"N{number}"}).status_code == 200
    stamps = [message["last_sync"] for message in api.messages()]
    assert stamps == ["2026-02-10T12:00:00Z"] + [f"2026-02-10T12:00:00.00000{n}Z" for n in (1, 2)]


def test_changes_at_once_are_told_in_their_order(api: Any) -> None:
    """The last message is about the name that stays."""
    caller = api.log_in()
    with ThreadPoolExecutor(6) as pool:
        names = [f"Name{number}" for number in range(12)]
        list(pool.map(lambda name: caller("PATCH", ME, json={"name": name}), names))
    messages = api.messages()
    stamps = [message["last_sync"].replace(":00Z", ":00.000000Z") for message in messages]
    assert len(messages) == 12
    assert stamps == sorted(set(stamps))
    assert caller("GET", ME).json["name"] == messages[-1]["first_name"]


def test_a_failed_message_takes_the_change_back(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its message no change is written: one transaction holds both."""
    caller = api.log_in()
    caller("GET", ME)

    def fail(_: object) -> None:
        raise RuntimeError("no outbox")

    monkeypatch.setattr("gateline.api.outbox.tell_auth", fail)
    assert caller("PATCH", ME, json={"name": "Lost"}).status_code == 500
    assert caller("GET", ME).json["name"] == "John Doe"


def test_the_newest_session_tells_the_address(api: Any) -> None:
    """An address changed elsewhere comes with the next login, and an old session keeps out."""
    old = api.log_in(123, "old@example.com")
    assert old("GET", ME).json["email"] == "old@example.com"
    api.clock.now += 60
    new = api.log_in(123, "new@example.com")
    assert new("GET", ME).json["email"] == "new@example.com"
    assert old("GET", ME).json["email"] == "new@example.com"
    old("PATCH", ME, json={"name": "Somebody Else"})
    assert "email" not in api.messages()[0]


def test_a_profile_begins_with_its_account(api: Any) -> None:
    """Not with its first request; a profile that was made before it was told follows."""
    began = datetime(2025, 12, 24, 18, 0, 5, tzinfo=UTC)
    assert api.log_in(123)("GET", ME).json["created_at"] == "2026-02-10T12:00:00Z"
    told = {"created_at": int(began.timestamp()), "phone": "555-1234"}
    for user_id in (123, 124):
        profile = api.log_in(user_id, **told)("GET", ME).json
        assert profile["created_at"] == "2025-12-24T18:00:05Z"
    assert profile["phone"] == "555-1234"


def test_what_is_changed_elsewhere_is_followed(api: Any) -> None:
    """A newer name or number comes with the next session; one that was told already does not."""
    api.log_in(123)("GET", ME)
    later = as_of(datetime(2026, 2, 10, 12, 5, tzinfo=UTC))
    new = {"name": "Ana Sol", "name_as_of": later, "phone": "555-1234", "phone_as_of": later}
    profile = api.log_in(123, **new)("GET", ME).json
    assert (profile["name"], profile["phone"]) == ("Ana Sol", "555-1234")
    assert profile["updated_at"] == "2026-02-10T12:05:00Z"
    old = {"name": "Old", "name_as_of": later - 1, "phone": "", "phone_as_of": later}
    assert api.log_in(123, **old)("GET", ME).json == profile
    assert api.messages() == [], "auth knows what it told us"


def test_of_a_change_here_and_one_elsewhere_the_newer_stays(api: Any) -> None:
    """Each field by itself; a change here is newer than whatever it follows."""
    early = as_of(datetime(2026, 2, 10, 11, 0, tzinfo=UTC))
    ahead = as_of(datetime(2026, 2, 10, 12, 0, 30, tzinfo=UTC))
    told = {"name": "Elsewhere", "phone": "555-9999"}
    caller = api.log_in(123, **told, name_as_of=early, phone_as_of=early)
    caller("PATCH", ME, json={"name": "Here"})
    profile = api.log_in(123, **told, name_as_of=early + 1, phone_as_of=early + 1)("GET", ME).json
    assert (profile["name"], profile["phone"]) == ("Here", "555-9999")

    follows = api.log_in(123, **told, name_as_of=ahead, phone_as_of=ahead)
    assert follows("GET", ME).json["name"] == "Elsewhere"
    assert follows("PATCH", ME, json={"name": "Here Again"}).json["name"] == "Here Again"
    assert follows("GET", ME).json["name"] == "Here Again"
    assert api.messages()[-1]["last_sync"] == "2026-02-10T12:00:30.000001Z"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"phone": "call me"}, "phone"),
        ({"phone": 5551234}, "phone"),
        ({"email": "other@example.com"}, "email"),
        ({"id": "7"}, "id"),
    ],
)
def test_wrong_fields_are_named(api: Any, body: dict[str, Any], field: str) -> None:
    """400, and nothing changes."""
    answer = api.log_in()("PATCH", ME, json=body)
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == [field]


def test_a_long_name_is_cut(api: Any) -> None:
    """Whatever auth calls a person, the profile can be made."""
    assert len(api.log_in(name="x" * 300)("GET", ME).json["name"]) == 100
