"""Sessions in Valkey: one entry per access token, found again by user without any scan.

`access_token:{jwt}` holds the record and lives for the idle time; every use renews it, never
beyond the token's own end. `user_tokens:{user_id}` is a sorted set of `"{sid} {jwt}"` scored by
the token's end. Revoking is deleting: a renewal never brings an entry back.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import MISSING, asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, cast

import redis

from gateline.policy.reasons import SESSION_EXPIRED, SESSION_REVOKED, Reason
from gateline.shared import lua

_BATCH: Final = 500
# A renewal is a write, and a write makes every edge forget the entry: so not on each use, but
# only once a sixtieth of the idle time (15 s of 15 min) has passed since the last one.
_RENEWAL_STEPS: Final = 60


def session_key(jwt: str) -> str:
    """Return the key of a token's entry."""
    return f"access_token:{jwt}"


def user_key(user_id: int) -> str:
    """Return the key of a user's index."""
    return f"user_tokens:{user_id}"


@dataclass(frozen=True, slots=True)
class Session:
    """A session as the store keeps it. Times are seconds since the epoch.

    `expires_at` is the end of the access token, `absolute_expires_at` that of the session however
    often its token is renewed. What follows tells of the account; see `Identity`. Records of
    earlier versions lack it.
    """

    user_id: int
    email: str
    user_type: str
    session_id: str
    name: str
    issued_at: int
    expires_at: int
    absolute_expires_at: int
    created_at: int = 0
    name_as_of: int = 0
    phone: str = ""
    phone_as_of: int = 0

    def encode(self) -> str:
        """Return the record as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, text: str | bytes) -> Self:
        """Read a record, ignoring members it does not know; raise ValueError when it is none."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("a session record is a JSON object")  # noqa: TRY004 - bad data
        values = {name: found.get(name, _DEFAULTS.get(name)) for name in cls.__slots__}
        for name, value in values.items():
            if type(value) is not cls.__annotations__[name]:
                msg = f"a session record has no usable {name}"
                raise ValueError(msg)
        return cls(**cast("dict[str, Any]", values))


_DEFAULTS: Final = {one.name: one.default for one in fields(Session) if one.default is not MISSING}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def as_of(moment: datetime) -> int:
    """Return a moment as a record holds it: exact, for what is compared with it is so too."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(as_of: int) -> datetime:
    """Return the moment that a record means; raise OverflowError for none of this world."""
    return _EPOCH + as_of * _MICROSECOND


class SessionStore:
    """The sessions of all users, shared by every process that uses the same Valkey.

    `idle_seconds` is the life of an entry without use. Errors of the store (`redis.RedisError`)
    pass through.
    """

    def __init__(
        self, kv: redis.Redis, idle_seconds: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._kv = kv
        self._idle = idle_seconds
        self._clock = clock
        self._put = kv.register_script(lua.source("session_put"))

    def put(self, jwt: str, session: Session, *, follows: str | None = None) -> bool:
        """Store a session under its token; False when nothing was stored.

        With `follows` (the token that this one replaces) nothing is stored unless that token's
        entry is still there: a renewal that races with a revocation loses. A token already past
        its end is not stored either. Raises ValueError for a session id with white space.
        """
        if not session.session_id or session.session_id.split() != [session.session_id]:
            raise ValueError("a session id is one word")
        now = int(self._clock())
        life = min(self._idle, session.expires_at - now)
        if life <= 0:
            return False
        keys = [session_key(jwt), user_key(session.user_id)]
        if follows is not None:
            keys.append(session_key(follows))
        member = _member(session.session_id, jwt)
        stored = self._put(
            keys=keys, args=[session.encode(), life, member, session.expires_at, now]
        )
        return bool(stored)

    def get(self, jwt: str, renew: bool = True) -> Session | None:
        """Return the session of a token, None when it is gone; use renews its idle time.

        A record that cannot be read counts as gone.
        """
        key = session_key(jwt)
        text, ttl = self._read(key)
        session = _readable(text)
        if session is None:
            return None
        now = int(self._clock())
        if min(session.expires_at, session.absolute_expires_at) <= now:
            return None
        life = min(self._idle, session.expires_at - now)
        # EXPIRE touches only what is there: 0 means that it was revoked since we read it.
        if renew and life - ttl > self._idle // _RENEWAL_STEPS and not self._kv.expire(key, life):
            return None
        return session

    def why_missing(self, jwt: str, user_id: int, session_id: str) -> Reason:
        """Tell why a genuine token has no entry: still in the index, it fell out by idleness."""
        score = self._kv.zscore(user_key(user_id), _member(session_id, jwt))
        return SESSION_REVOKED if score is None else SESSION_EXPIRED

    def drop(self, jwt: str) -> bool:
        """End the session entry of one token; tell whether there was one."""
        text = cast("str | None", self._kv.getdel(session_key(jwt)))
        session = _readable(text)
        if session is not None:
            self._kv.zrem(user_key(session.user_id), _member(session.session_id, jwt))
        return text is not None

    def drop_user(self, user_id: int, keep_session: str | None = None) -> int:
        """End every session of a user, but for `keep_session`; return the entries deleted."""
        return self._drop(user_id, lambda sid: sid != keep_session)

    def drop_session(self, user_id: int, sid: str) -> int:
        """End one session of a user, with every token it has; return the entries deleted."""
        return self._drop(user_id, lambda other: other == sid)

    def shorten(self, user_id: int, sid: str, expires_at: int) -> int:
        """Let the tokens of one session end at `expires_at` at the latest; return how many do now.

        A token whose entry is gone meanwhile stays gone.
        """
        shortened = 0
        for member in self._members(user_id):
            owner, _, jwt = member.partition(" ")
            text = cast("str | None", self._kv.get(session_key(jwt))) if owner == sid else None
            session = _readable(text)
            if session is not None and session.expires_at > expires_at:
                shortened += self.put(jwt, replace(session, expires_at=expires_at), follows=jwt)
        return shortened

    def of_user(self, user_id: int) -> list[Session]:
        """Return the living sessions of a user, one per token, those that end first in front."""
        found: list[Session] = []
        for batch in _batches(self._members(user_id)):
            texts = self._kv.mget([session_key(_jwt_of(member)) for member in batch])
            found.extend(filter(None, map(_readable, cast("list[str | None]", texts))))
        return found

    def _read(self, key: str) -> tuple[str | None, int]:
        with self._kv.pipeline(transaction=False) as pipe:
            pipe.get(key)
            pipe.ttl(key)
            text, ttl = pipe.execute()
        return text, int(ttl)

    def _members(self, user_id: int) -> list[str]:
        return cast("list[str]", self._kv.zrange(user_key(user_id), 0, -1))

    def _drop(self, user_id: int, unwanted: Callable[[str], bool]) -> int:
        """Delete entries first and their index places with them, so none is ever lost from sight.

        The index itself stays: a login at this very moment keeps its place in it.
        """
        members = [one for one in self._members(user_id) if unwanted(one.partition(" ")[0])]
        deleted = 0
        for batch in _batches(members):
            with self._kv.pipeline(transaction=True) as pipe:
                pipe.delete(*(session_key(_jwt_of(member)) for member in batch))
                pipe.zrem(user_key(user_id), *batch)
                deleted += int(pipe.execute()[0])
        return deleted


def _member(session_id: str, jwt: str) -> str:
    return f"{session_id} {jwt}"


def _jwt_of(member: str) -> str:
    return member.partition(" ")[2]


def _readable(text: str | None) -> Session | None:
    if text is None:
        return None
    try:
        return Session.decode(text)
    except (ValueError, RecursionError):
        return None


def _batches(members: list[str]) -> Iterable[list[str]]:
    return (members[start : start + _BATCH] for start in range(0, len(members), _BATCH))
