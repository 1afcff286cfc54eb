"""Sessions in a real Valkey: renewal, revocation, and no scan anywhere."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from gateline.policy.reasons import SESSION_EXPIRED, SESSION_REVOKED
from gateline.shared.sessions import (
    Session,
    SessionStore,
    as_of,
    moment_of,
    session_key,
    user_key,
)

IDLE = 900


@pytest.fixture
def store(kv: redis.Redis, clock: Any) -> SessionStore:
    """Give a store on an empty Valkey."""
    return SessionStore(kv, IDLE, clock)


@pytest.fixture
def make(clock: Any) -> Callable[..., Session]:
    """Give a function that makes a session of the current moment."""

    def session(**changes: Any) -> Session:
        now = int(clock())
        values: dict[str, Any] = {
            "user_id": 7,
            "email": "ada@example.com",
            "user_type": "patient",
            "session_id": "sid-1",
            "name": "Ada Example",
            "issued_at": now,
            "expires_at": now + 1800,
            "absolute_expires_at": now + 43200,
        }
        return Session(**{**values, **changes})

    return session


def commands(kv: redis.Redis) -> dict[str, int]:
    """Return how often each command was called."""
    stats = kv.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(found["calls"]) for name, found in stats.items()}


def test_a_session_is_found_by_its_token(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """The entry has the documented key, lives for the idle time, and reads back whole."""
    assert store.put("jwt-1", make())

    assert store.get("jwt-1") == make()
    assert 0 < int(kv.ttl("access_token:jwt-1")) <= IDLE
    assert json.loads(kv.get("access_token:jwt-1") or "")["user_id"] == 7
    assert store.get("jwt-2") is None


def test_an_entry_never_outlives_its_token(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session], clock: Any
) -> None:
    """Neither storing nor renewing goes beyond the token's end."""
    store.put("jwt-1", make(expires_at=int(clock()) + 100))
    assert int(kv.ttl(session_key("jwt-1"))) <= 100

    kv.expire(session_key("jwt-1"), 50)
    assert store.get("jwt-1") is not None
    assert 90 <= int(kv.ttl(session_key("jwt-1"))) <= 100


def test_a_token_at_its_end_is_not_stored(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session], clock: Any
) -> None:
    """A token that is over leaves nothing behind."""
    assert not store.put("jwt-1", make(expires_at=int(clock())))
    assert not kv.exists(user_key(7), session_key("jwt-1"))


def test_use_renews(kv: redis.Redis, store: SessionStore, make: Callable[..., Session]) -> None:
    """Reading gives the whole idle time again, unless asked not to."""
    store.put("jwt-1", make())
    kv.expire(session_key("jwt-1"), 100)

    store.get("jwt-1", renew=False)
    assert int(kv.ttl(session_key("jwt-1"))) <= 100
    store.get("jwt-1")
    assert int(kv.ttl(session_key("jwt-1"))) > IDLE - 5


def test_frequent_use_does_not_write(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """Every write makes the edges forget the entry, so a fresh one is only read."""
    store.put("jwt-1", make())
    before = commands(kv).get("expire", 0)

    for _ in range(5):
        assert store.get("jwt-1") is not None

    assert commands(kv).get("expire", 0) == before


def test_renewing_does_not_bring_back_what_was_revoked(
    store: SessionStore, make: Callable[..., Session], kv: redis.Redis, monkeypatch: Any
) -> None:
    """A revocation between reading and renewing wins: the session is gone and stays gone."""
    store.put("jwt-1", make())
    kv.expire(session_key("jwt-1"), 100)
    read = store._read

    def read_then_revoked(key: str) -> tuple[str | None, int]:
        found = read(key)
        kv.delete(key)
        return found

    monkeypatch.setattr(store, "_read", read_then_revoked)

    assert store.get("jwt-1") is None
    assert not kv.exists(session_key("jwt-1"))


def test_a_plain_delete_ends_a_session(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """Anybody who deletes the documented key has ended the session."""
    store.put("jwt-1", make())

    kv.delete("access_token:jwt-1")

    assert store.get("jwt-1") is None


def test_the_absolute_end_holds(
    store: SessionStore, make: Callable[..., Session], clock: Any
) -> None:
    """A session past its absolute end is none, whatever its entry says."""
    store.put("jwt-1", make(absolute_expires_at=int(clock()) + 10))

    clock.now += 9
    assert store.get("jwt-1") is not None
    clock.now += 1
    assert store.get("jwt-1") is None


def test_ending_one_token(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """Logging out ends that token alone and clears its place in the index."""
    store.put("jwt-1", make())
    store.put("jwt-2", make(session_id="sid-2"))

    assert store.drop("jwt-1")
    assert not store.drop("jwt-1")

    assert store.get("jwt-2") is not None
    assert kv.zrange(user_key(7), 0, -1) == ["sid-2 jwt-2"]


def test_ending_every_session_of_a_user(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """All of a user's tokens end, nobody else's."""
    for number in range(5):
        store.put(f"jwt-{number}", make(session_id=f"sid-{number}"))
    store.put("other", make(user_id=8))

    assert store.drop_user(7) == 5

    assert all(store.get(f"jwt-{number}") is None for number in range(5))
    assert store.get("other") is not None
    assert not kv.exists(user_key(7))


def test_ending_all_but_one_session(store: SessionStore, make: Callable[..., Session]) -> None:
    """Whoever changes a password stays logged in where that was done, with all its tokens."""
    store.put("jwt-1", make())
    store.put("jwt-1b", make())
    store.put("jwt-2", make(session_id="sid-2"))

    assert store.drop_user(7, keep_session="sid-1") == 1

    assert store.get("jwt-1") is not None
    assert store.get("jwt-1b") is not None
    assert store.get("jwt-2") is None


def test_ending_one_session_ends_all_its_tokens(
    store: SessionStore, make: Callable[..., Session]
) -> None:
    """A session that had its token renewed has two; both end, that of `sid-10` does not."""
    store.put("jwt-1", make())
    store.put("jwt-1b", make())
    store.put("jwt-10", make(session_id="sid-10"))

    assert store.drop_session(7, "sid-1") == 2

    assert store.get("jwt-1b") is None
    assert store.get("jwt-10") is not None
    assert store.drop_session(7, "sid-1") == 0


def test_many_sessions_end_in_batches(store: SessionStore, make: Callable[..., Session]) -> None:
    """More sessions than fit one batch end as well."""
    for number in range(1001):
        store.put(f"jwt-{number}", make(session_id=f"sid-{number}"))

    assert store.drop_user(7) == 1001
    assert store.of_user(7) == []


def test_a_following_token_needs_the_one_before(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """A renewal that races with a revocation loses, and leaves nothing behind."""
    store.put("jwt-1", make())
    assert store.put("jwt-2", make(), follows="jwt-1")

    store.drop_user(7)

    assert not store.put("jwt-3", make(), follows="jwt-2")
    assert not kv.exists(user_key(7), *map(session_key, ("jwt-1", "jwt-2", "jwt-3")))


def test_the_index_lives_as_long_as_its_longest_token(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session], clock: Any
) -> None:
    """A short token stored later does not shorten the index: no session gets out of sight."""
    now = int(clock())
    store.put("long", make(expires_at=now + 5000))
    store.put("short", make(session_id="sid-2", expires_at=now + 60))

    assert int(kv.expiretime(user_key(7))) == now + 5000


def test_the_index_forgets_tokens_past_their_end(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session], clock: Any
) -> None:
    """Storing sweeps out what has ended, so an index does not grow with the years."""
    store.put("jwt-1", make(expires_at=int(clock()) + 60))
    clock.now += 60
    store.put("jwt-2", make(session_id="sid-2"))

    assert kv.zrange(user_key(7), 0, -1) == ["sid-2 jwt-2"]


def test_living_sessions_are_listed(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """Only sessions that still have an entry are listed."""
    store.put("jwt-1", make())
    store.put("jwt-2", make(session_id="sid-2"))
    kv.delete(session_key("jwt-1"))

    assert [session.session_id for session in store.of_user(7)] == ["sid-2"]
    assert store.of_user(8) == []


def test_idleness_and_revocation_are_told_apart(
    kv: redis.Redis, store: SessionStore, make: Callable[..., Session]
) -> None:
    """What fell out by idleness is still in the index; what was revoked is not."""
    store.put("idle", make())
    store.put("revoked", make(session_id="sid-2"))
    kv.expire(session_key("idle"), 0)
    store.drop_session(7, "sid-2")

    assert store.why_missing("idle", 7, "sid-1") is SESSION_EXPIRED
    assert store.why_missing("revoked", 7, "sid-2") is SESSION_REVOKED


def test_nothing_scans(kv: redis.Redis, store: SessionStore, make: Callable[..., Session]) -> None:
    """No operation looks at keys that it does not know."""
    kv.config_resetstat()
    store.put("jwt-1", make())
    store.put("jwt-2", make(), follows="jwt-1")
    store.get("jwt-1")
    store.of_user(7)
    store.drop("jwt-1")
    store.drop_session(7, "sid-1")
    store.drop_user(7)

    assert not {"scan", "keys", "sscan", "zscan", "hscan"} & set(commands(kv))


@pytest.mark.parametrize("text", ["", "5", "[]", "{}", '{"user_id": "7"}', "[" * 100_000, "\x00"])
def test_a_broken_record_counts_as_gone(kv: redis.Redis, store: SessionStore, text: str) -> None:
    """Whatever somebody else wrote there lets nobody in and crashes nothing."""
    kv.set(session_key("jwt-1"), text)

    assert store.get("jwt-1") is None
    assert store.drop("jwt-1")


def test_a_record_of_an_older_version_is_readable(make: Callable[..., Session]) -> None:
    """Nobody is logged out because the record tells more now."""
    old = {**asdict(make()), "phone": "555"}
    for name in ("created_at", "name_as_of", "phone", "phone_as_of"):
        del old[name]
    assert Session.decode(json.dumps(old)) == make()
    with pytest.raises(ValueError, match="phone"):
        Session.decode(json.dumps({**old, "phone": 5}))


def test_moments_are_exact() -> None:
    """What is compared to the microsecond is kept to the microsecond."""
    moment = datetime(2026, 2, 10, 12, 0, 30, 123457, tzinfo=UTC)
    assert moment_of(as_of(moment)) == moment


def test_a_record_of_a_newer_version_is_readable(make: Callable[..., Session]) -> None:
    """Members that are not known yet are ignored, so that versions may run side by side."""
    text = json.dumps({**json.loads(make().encode()), "device": "phone"})

    assert Session.decode(text) == make()


@pytest.mark.parametrize("sid", ["", "a b", "a\tb", " a"])
def test_a_session_id_is_one_word(
    store: SessionStore, make: Callable[..., Session], sid: str
) -> None:
    """Anything else would make the index ambiguous."""
    with pytest.raises(ValueError, match="one word"):
        store.put("jwt-1", make(session_id=sid))
