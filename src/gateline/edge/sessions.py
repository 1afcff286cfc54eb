"""Sessions from memory, as true as the store itself.

A token is verified and looked up once; then its answer is kept in this process. Valkey tells
(`invalidation.py`) when an entry changes, and it is forgotten. While nobody can tell, nothing is
kept and every request asks the store. Use renews an entry in the store, in batches.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline.policy.headers import Headers
from gateline.policy.identity import Identity, identity_headers
from gateline.policy.reasons import (
    SESSION_EXPIRED,
    SESSION_INVALID,
    SESSION_REVOKED,
    SESSION_STORE_UNAVAILABLE,
    TOKEN_INVALID,
    Reason,
)
from gateline.shared.sessions import Session, session_key, user_key
from gateline.shared.tokens import Claims, TokenRefused, Tokens

_CAPACITY: Final = 100_000
_DEAD_SECONDS: Final = 5.0
_RENEWAL_STEPS: Final = 30


class Known:
    """What the edge knows of one token: an identity, or the reason why there is none.

    `until` and `renew_at` are times of the event loop's clock.
    """

    __slots__ = ("cookie_identity", "headers", "identity", "reason", "renew_at", "until")

    def __init__(
        self, token: str, answer: Identity | Reason, *, until: float, renew_at: float
    ) -> None:
        self.until = until
        self.renew_at = renew_at
        self.identity: Identity | None = None
        self.cookie_identity: Identity | None = None
        self.reason: Reason | None = None
        self.headers: Headers = []
        if isinstance(answer, Reason):
            self.reason = answer
            return
        self.identity = answer
        self.cookie_identity = replace(answer, source="cookie")
        self.headers = [(b"authorization", b"Bearer " + token.encode("ascii"))]
        self.headers += [
            (name.lower().encode("ascii"), value.encode("utf-8"))
            for name, value in identity_headers(answer)
        ]


class SessionMemory:
    """The tokens that this worker has seen, kept only while the store's word can be trusted.

    `idle_seconds` is the life of an unused session in the store. `clock` gives epoch seconds.
    """

    def __init__(
        self,
        kv: "Redis",
        tokens: Tokens,
        *,
        idle_seconds: int,
        clock: Callable[[], float] = time.time,
        capacity: int = _CAPACITY,
    ) -> None:
        self._kv = kv
        self._tokens = tokens
        self._idle = idle_seconds
        self._clock = clock
        self._capacity = capacity
        self._known: dict[str, Known] = {}
        self._asking: dict[str, asyncio.Future[Known]] = {}
        self._spoilt: set[str] = set()
        self._renewals: dict[str, int] = {}
        self._trusted = False

    def __len__(self) -> int:
        """Return how many tokens are held in memory."""
        return len(self._known)

    @property
    def trusted(self) -> bool:
        """Tell whether memory is being kept true by the store."""
        return self._trusted

    def recall(self, token: str, now: float) -> Known | None:
        """Return what memory holds of a token; `now` is the event loop's time. Notes the use."""
        known = self._known.get(token)
        if known is None:
            return None
        if known.until <= now:
            del self._known[token]
            return None
        if known.renew_at <= now:
            self._note_use(token, known, now)
        return known

    def peek(self, token: str, now: float) -> Known | None:
        """Return what memory holds of a token without noting a use, None when it must be asked."""
        known = self._known.get(token)
        return known if known is not None and known.until > now else None

    async def ask(self, token: str) -> Known:
        """Verify a token and look its session up, once for all who ask at the same time.

        While memory is not trusted each asks for itself: an answer that another began to fetch
        could be older than this request.
        """
        if not self._trusted:
            return await self._fetch(token)
        waiting = self._asking.get(token)
        if waiting is None:
            waiting = asyncio.ensure_future(self._ask_once(token))
            self._asking[token] = waiting
        return await asyncio.shield(waiting)

    def forget(self, token: str) -> None:
        """Drop what is known of a token, and the answer that may be on its way."""
        self._known.pop(token, None)
        if token in self._asking:
            self._spoilt.add(token)

    def distrust(self) -> None:
        """Empty memory and keep nothing until `trust` is called."""
        self._trusted = False
        self.clear()

    def trust(self) -> None:
        """Keep answers from now on: the store tells when they change."""
        self._trusted = True

    def clear(self) -> None:
        """Drop everything that is known."""
        self._known.clear()
        self._spoilt.update(self._asking)

    async def flush_renewals(self) -> None:
        """Write the renewals that have gathered: EXPIRE, which never brings an entry back."""
        if not self._renewals:
            return
        batch, self._renewals = self._renewals, {}
        now = int(self._clock())
        async with self._kv.pipeline(transaction=False) as pipe:
            for token, expires_at in batch.items():
                life = min(self._idle, expires_at - now)
                if life > 0:
                    pipe.expire(session_key(token), life)
            await pipe.execute()

    def _note_use(self, token: str, known: Known, now: float) -> None:
        known.renew_at = now + self._idle / _RENEWAL_STEPS
        if known.identity is not None:
            self._renewals[token] = known.identity.expires_at

    async def _ask_once(self, token: str) -> Known:
        try:
            while True:
                self._spoilt.discard(token)
                known = await self._fetch(token)
                if token not in self._spoilt:
                    self._keep(token, known)
                    return known
        finally:
            self._asking.pop(token, None)
            self._spoilt.discard(token)

    def _keep(self, token: str, known: Known) -> None:
        if not self._trusted or known.until <= 0.0:
            return
        if len(self._known) >= self._capacity:
            del self._known[next(iter(self._known))]
        self._known[token] = known

    async def _fetch(self, token: str) -> Known:
        now = asyncio.get_running_loop().time()
        try:
            claims = self._tokens.verify(token)
        except TokenRefused as refused:
            return _dead(token, refused.reason or TOKEN_INVALID, until=0.0)
        try:
            return await self._look_up(token, claims, now)
        except (RedisError, OSError):
            return _dead(token, SESSION_STORE_UNAVAILABLE, until=0.0)

    async def _look_up(self, token: str, claims: Claims, now: float) -> Known:
        async with self._kv.pipeline(transaction=False) as pipe:
            pipe.get(session_key(token))
            pipe.pttl(session_key(token))
            text, life = cast("tuple[str | None, int]", await pipe.execute())
        session = _read(text)
        # Past its end a token is refused for that, whatever was known of it before; so near it,
        # the clocks of loop and world could differ about which is first.
        life_left = claims.exp - self._clock()
        dead_until = now + min(_DEAD_SECONDS, life_left - 1.0) if life_left > 1.0 else 0.0
        if session is None:
            return _dead(token, await self._why_missing(token, claims), until=dead_until)
        if session.user_id != claims.user_id or session.session_id != claims.sid:
            return _dead(token, SESSION_INVALID, until=dead_until)
        left = min(session.expires_at, session.absolute_expires_at) - self._clock()
        if left <= 0:
            return _dead(token, SESSION_EXPIRED, until=dead_until)
        stored = life / 1000 if life >= 0 else left
        known = Known(
            token,
            Identity(**asdict(session), source="bearer"),
            until=now + min(left, stored),
            renew_at=now + stored - self._idle + self._idle / _RENEWAL_STEPS,
        )
        if known.renew_at <= now:
            self._note_use(token, known, now)
        return known

    async def _why_missing(self, token: str, claims: Claims) -> Reason:
        member = f"{claims.sid} {token}"
        score = await cast("Any", self._kv.zscore(user_key(claims.user_id), member))
        return SESSION_REVOKED if score is None else SESSION_EXPIRED


def _dead(token: str, reason: Reason, *, until: float) -> Known:
    """Know that a token is not believed; `until` 0 is never kept, so junk cannot fill memory."""
    return Known(token, reason, until=until, renew_at=float("inf"))


def _read(text: str | None) -> Session | None:
    if text is None:
        return None
    try:
        return Session.decode(text)
    except (ValueError, RecursionError):
        return None
