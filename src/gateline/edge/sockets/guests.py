"""Who has a socket open, and that they still may: a session that ends takes its sockets along.

Memory of sessions is kept true by the store, so looking costs nothing and is done four times a
second. Looking is no use of a session: a forgotten browser tab falls out as it would without.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from gateline.edge.sessions import Known, SessionMemory
from gateline.policy.identity import Identity, refuse_role
from gateline.policy.reasons import SESSION_INVALID, Reason

_LOOK_SECONDS: Final = 0.25
_GRACE_SECONDS: Final = 5.0


@dataclass(eq=False)
class Guest:
    """Somebody with an open socket; `end` is called once when they may not have it any longer."""

    token: str
    roles: Collection[str]
    end: Callable[[Reason], Awaitable[None]]
    unknown_since: float | None = field(default=None, init=False)


class Guests:
    """Looks after everybody who has a socket on this worker."""

    def __init__(self, sessions: SessionMemory) -> None:
        self._sessions = sessions
        self._guests: set[Guest] = set()
        self._ending: set[asyncio.Future[None]] = set()
        self.add = self._guests.add
        self.discard = self._guests.discard

    def __len__(self) -> int:
        """Return how many sockets are looked after."""
        return len(self._guests)

    async def identify(self, token: str, roles: Collection[str]) -> Identity | Reason:
        """Return who has this token, or why they may not come in; this is a use of the session."""
        now = asyncio.get_running_loop().time()
        known = self._sessions.recall(token, now) or await self._sessions.ask(token)
        return _refusal(known, roles) or known.identity or SESSION_INVALID

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            unsure = [guest for guest in self._guests if not self._is_welcome(guest, now)]
            await asyncio.gather(*map(self._look_after, unsure))

    def _is_welcome(self, guest: Guest, now: float) -> bool:
        """Tell, from memory alone, that this guest may stay; most may, most of the time."""
        known = self._sessions.peek(guest.token, now)
        if known is None or _refusal(known, guest.roles) is not None:
            return False
        guest.unknown_since = None
        return True

    async def _look_after(self, guest: Guest) -> None:
        now = asyncio.get_running_loop().time()
        known = self._sessions.peek(guest.token, now) or await self._sessions.ask(guest.token)
        reason = _refusal(known, guest.roles)
        if reason is None:
            guest.unknown_since = None
        elif not self._may_wait(guest, reason, now) and guest in self._guests:
            self._guests.discard(guest)
            # On its own: a client that takes nothing must not keep us from looking at others.
            ending = asyncio.ensure_future(guest.end(reason))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    @staticmethod
    def _may_wait(guest: Guest, reason: Reason, now: float) -> bool:
        """Give a store that is away some time to come back: it can tell nothing meanwhile."""
        if reason.status < 500:
            return False
        if guest.unknown_since is None:
            guest.unknown_since = now
        return now - guest.unknown_since < _GRACE_SECONDS


def _refusal(known: Known, roles: Collection[str]) -> Reason | None:
    if known.identity is None:
        return known.reason or SESSION_INVALID
    return refuse_role(known.identity, required=True, roles=roles)
