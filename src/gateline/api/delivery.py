"""Deliver profile changes to the auth service: together, at a steady pace, and never in vain.

Services may call auth a hundred times a minute, so whatever waits at the same time goes in one
call. While auth is away (or refuses us, which is nobody's message's fault) the messages in hand are
held and the call is repeated; the rest stays in the queue, untouched.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import Counter

from gateline.shared.auth_client import (
    BULK_LIMIT,
    AuthUnavailable,
    LimitReached,
    ServiceKeyRejected,
)
from gateline.shared.errors import ApiError

User = Mapping[str, Any]
SyncUsers = Callable[[Sequence[User]], list[dict[str, Any]]]

MESSAGES: Final = Counter(
    "gateline_outbox_messages_total",
    "Messages to auth: delivered, refused for good, or failed and to be tried again.",
    ["outcome"],
)

_log: Final = logging.getLogger(__name__)
_AWAY: Final = (AuthUnavailable, LimitReached, ServiceKeyRejected)
_LIMIT_SECONDS: Final = 60.0


class Refused(Exception):
    """Auth will never take this message: its content is wrong for the account."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to call: `between` calls, and after failures from `base` doubling to `cap`.

    All in seconds. 0.65 between calls is 92 calls a minute, within what one service may.
    """

    between: float = 0.65
    base: float = 0.25
    cap: float = 5.0

    def after_failure(self, failures: int, chance: float) -> float:
        """Return how long to wait after so many failures in a row; `chance` is in [0, 1)."""
        longest = min(self.cap, self.base * 2.0 ** min(failures - 1, 30))
        return longest * (0.5 + chance / 2)


class Delivery:
    """Gathers the messages of many jobs into few calls; `run` it beside them."""

    def __init__(
        self,
        sync_users: SyncUsers,
        pace: Pace = Pace(),
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sync_users = sync_users
        self._pace = pace
        self._sleep = sleep
        self._clock = clock
        self._next_call = clock()
        self._chance = chance
        self._waiting: list[_Message] = []
        self._something_waits = asyncio.Event()

    async def send(self, user: User) -> None:
        """Return when auth has taken the message; raise Refused when it never will.

        Any other error means that it may be taken another time.
        """
        message = _Message(user, asyncio.get_running_loop().create_future())
        self._waiting.append(message)
        self._something_waits.set()
        await message.taken

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._something_waits.wait()
            await self._keep_pace()
            batch = [message for message in self._waiting[:BULK_LIMIT] if not message.taken.done()]
            del self._waiting[:BULK_LIMIT]
            if not self._waiting:
                self._something_waits.clear()
            if batch:
                await self._deliver(batch)

    async def _deliver(self, batch: "Sequence[_Message]") -> None:
        try:
            outcomes = await self._call(batch)
        except ApiError as error:
            # One message that auth stumbles over must not hold up the others.
            if len(batch) == 1:
                batch[0].fail(error)
            else:
                for message in batch:
                    await self._deliver([message])
        else:
            for message, outcome in zip(batch, outcomes, strict=True):
                message.settle(outcome)

    async def _call(self, batch: "Sequence[_Message]") -> list[dict[str, Any]]:
        """Call until auth answers for itself."""
        users, failures = [message.user for message in batch], 0
        while True:
            await self._keep_pace()
            self._next_call = self._clock() + self._pace.between
            try:
                outcomes = await asyncio.to_thread(self._sync_users, users)
            except _AWAY as error:
                failures += 1
                if failures == 1:
                    reason = error.reason.code
                    _log.warning("auth takes no profile changes (%s): holding them", reason)
                await self._sleep(self._patience(error, failures))
            else:
                if failures:
                    _log.info("auth takes profile changes again")
                return outcomes

    async def _keep_pace(self) -> None:
        """Wait until the next call is due; meanwhile more may come to go with it."""
        early = self._next_call - self._clock()
        if early > 0:
            await self._sleep(early)

    def _patience(self, error: ApiError, failures: int) -> float:
        wanted = error.headers.get("Retry-After", "")
        if isinstance(error, LimitReached) and wanted.isdecimal():
            return min(float(wanted), _LIMIT_SECONDS)
        return self._pace.after_failure(failures, self._chance())


@dataclass(frozen=True, slots=True)
class _Message:
    """A message and the future that its job waits for."""

    user: User
    taken: asyncio.Future[None]

    def settle(self, outcome: Mapping[str, Any]) -> None:
        if outcome.get("status") == "success":
            MESSAGES.labels("delivered").inc()
            if not self.taken.done():
                self.taken.set_result(None)
            return
        details = outcome.get("details")
        fields = details.get("fields", {}) if isinstance(details, dict) else {}
        # The fields' names and what is wrong with them, never their values.
        _log.error("auth refuses a change of account %s for good: %s", self.user["id"], fields)
        self.fail(Refused(f"auth refuses this message: {sorted(fields)}"))

    def fail(self, error: Exception) -> None:
        MESSAGES.labels("refused" if isinstance(error, Refused) else "failed").inc()
        if not self.taken.done():
            self.taken.set_exception(error)
