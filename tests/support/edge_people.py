"""People with tokens, as tests of the edge need them."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.sessions import Session, SessionStore, session_key
from gateline.shared.tokens import Tokens

SECRET = "kX2vQ9-fT7mLr4Wz_8sYbN1cHdJ0aGeU"
SERVICE_KEY = "edge-service-key-0123456789-0123456789"
_numbers = itertools.count(1000)


def edge_environment(redis_url: str, **more: str) -> dict[str, str]:
    """Return the settings of an edge under test; it has no use for a database."""
    return {
        "FLASK_ENV": "testing",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "REDIS_URL": redis_url,
        "METRICS_PORT": "0",
        "SERVICE_KEY": SERVICE_KEY,
        # One client makes all the requests of a test; those of the limits set their own.
        "RATE_LIMIT_DEFAULT": "1000000/minute",
        "EDGE_RATE_LIMIT": "1000000/minute",
        **more,
    }


@dataclass(frozen=True)
class Person:
    """Somebody who has logged in."""

    token: str
    user_id: int
    email: str

    @property
    def bearer(self) -> tuple[bytes, bytes]:
        """The header that a program sends."""
        return (b"Authorization", b"Bearer " + self.token.encode())

    @property
    def cookie(self) -> tuple[bytes, bytes]:
        """The header that a browser sends."""
        return (b"Cookie", b"gateline_session=" + self.token.encode())


class People:
    """Logs people in as the auth service does: a token, and an entry in the session store."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.settings = Settings.load(dict(environment), folder=folder)
        self.kv: redis.Redis = kv.connect(self.settings)
        self.tokens = Tokens.from_settings(self.settings)
        self.store = SessionStore(self.kv, self.settings.session_idle_seconds)

    def log_in(
        self,
        user_type: str = "doctor",
        *,
        lifetime: int = 1800,
        email: str = "",
        stored: bool = True,
    ) -> Person:
        """Return a new person of this type with a session of their own."""
        user_id = next(_numbers)
        address = email or f"{user_type}{user_id}@example.com"
        sid = f"sid-{user_id}"
        token, claims = self.tokens.issue("access", user_id, address, user_type, sid, lifetime)
        if stored:
            now = claims.iat
            session = Session(
                user_id, address, user_type, sid, "Some One", now, claims.exp, now + 43200
            )
            assert self.store.put(token, session)
        return Person(token, user_id, address)

    def issue(self, **changes: Any) -> str:
        """Return a token that is in no store, some of its claims changed."""
        person: dict[str, Any] = {
            "type": "access",
            "user_id": 1,
            "email": "a@example.com",
            "user_type": "doctor",
            "sid": "sid-1",
            "lifetime_seconds": 1800,
        }
        return self.tokens.issue(**{**person, **changes})[0]

    def revoke(self, person: Person) -> None:
        """Delete the entry, and nothing else."""
        self.kv.delete(session_key(person.token))

    def plant(self, token: str, other: str) -> None:
        """Store the record of another token under this one."""
        self.kv.copy(session_key(other), session_key(token), replace=True)

    def forget_use(self, person: Person, life: int) -> None:
        """Leave an entry this many seconds to live, as if it had not been used for long."""
        assert self.kv.expire(session_key(person.token), life)

    def life(self, person: Person) -> int:
        """Return the seconds an entry has to live, -2 when there is none."""
        return int(self.kv.ttl(session_key(person.token)))

    def commands(self) -> dict[str, int]:
        """Return how often each command was called since the store started."""
        stats: dict[str, Any] = self.kv.info("commandstats")
        return {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in stats.items()}

    def wait_for_disk(self) -> None:
        """Return when what was stored would survive the end of the store."""
        command: Any = self.kv.execute_command  # untyped in the library
        command("WAITAOF", 1, 0, 2000)

    def close(self) -> None:
        """Close the connections."""
        self.kv.close()


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def now_ms() -> float:
    """Return milliseconds of a clock that only goes forward."""
    return time.perf_counter() * 1000
