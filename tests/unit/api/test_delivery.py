"""Delivery of messages, against an auth service of a few lines, in no time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateline.api.delivery import Delivery, Pace, Refused
from gateline.policy.reasons import UPSTREAM_INVALID
from gateline.shared.auth_client import (
    AuthClientError,
    AuthUnavailable,
    LimitReached,
    ServiceKeyRejected,
)

OK = {"status": "success"}


class Auth:
    """Answers calls from a list of plans, then with success; remembers whom it was told of."""

    def __init__(self, *plans: Any) -> None:
        self.plans = list(plans)
        self.calls: list[list[int]] = []

    def __call__(self, users: Sequence[Any]) -> list[dict[str, Any]]:
        """Take a bulk call."""
        self.calls.append([user["id"] for user in users])
        plan = self.plans.pop(0) if self.plans else None
        if isinstance(plan, Exception):
            raise plan
        return [plan(user) if plan else OK for user in users]


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others run."""
        self.now += seconds
        self.slept.append(round(seconds, 3))
        await asyncio.sleep(0)


def deliver(auth: Auth, *ids: int) -> Any:
    """Send messages all at once; return each one's error or None, and the time that passed."""
    time = Time()

    async def run() -> list[BaseException | None]:
        delivery = Delivery(
            auth, Pace(between=1.0), sleep=time.sleep, clock=time, chance=lambda: 1.0
        )
        running = asyncio.create_task(delivery.run())
        sent = [delivery.send({"id": number}) for number in ids]
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        running.cancel()
        return outcomes

    return asyncio.run(run()), time


def test_what_waits_together_goes_together() -> None:
    """One call carries at most a hundred messages, in order, and calls keep their distance."""
    auth = Auth()
    outcomes, time = deliver(auth, *range(250))
    assert outcomes == [None] * 250
    assert [len(call) for call in auth.calls] == [100, 100, 50]
    assert [number for call in auth.calls for number in call] == list(range(250))
    assert time.slept == [1.0, 1.0]


@pytest.mark.parametrize("error", [AuthUnavailable(), ServiceKeyRejected(), LimitReached()])
def test_messages_are_held_while_auth_takes_none(error: Exception) -> None:
    """The same call is repeated, ever less often, until auth is back; nobody's message fails."""
    auth = Auth(error, error, error)
    outcomes, time = deliver(auth, 1, 2)
    assert outcomes == [None, None]
    assert auth.calls == [[1, 2]] * 4
    assert time.now >= 3.0


def test_a_limit_is_waited_for() -> None:
    """Auth says in how many seconds it takes more; a silly number counts as a minute."""
    auth = Auth(
        LimitReached(headers={"Retry-After": "17"}), LimitReached(headers={"Retry-After": "9999"})
    )
    _, time = deliver(auth, 1)
    assert time.slept[:2] == [17.0, 60.0]


def test_a_refusal_is_final_for_its_message_only() -> None:
    """One wrong message fails for good, its neighbours are taken."""
    wrong = {"status": "error", "details": {"fields": {"id": ["is unknown"]}}}
    auth = Auth(lambda user: wrong if user["id"] == 2 else OK)
    outcomes, _ = deliver(auth, 1, 2, 3)
    assert [type(outcome) for outcome in outcomes] == [type(None), Refused, type(None)]


def test_a_message_auth_stumbles_over_is_found() -> None:
    """After a call that failed for no known reason each message goes alone; one may fail."""
    broken = AuthClientError(reason=UPSTREAM_INVALID)
    auth = Auth(broken, None, broken, None)
    outcomes, _ = deliver(auth, 1, 2, 3)
    assert auth.calls == [[1, 2, 3], [1], [2], [3]]
    assert [type(outcome) for outcome in outcomes] == [type(None), AuthClientError, type(None)]


def test_patience_doubles_up_to_its_cap() -> None:
    """With jitter: between half of it and all of it."""
    pace = Pace(base=0.25, cap=5.0)
    assert [pace.after_failure(n, 1.0) for n in (1, 2, 3, 6, 1000)] == [0.25, 0.5, 1.0, 5.0, 5.0]
    assert pace.after_failure(1, 0.0) == 0.125


def test_abandoned_messages_are_not_sent() -> None:
    """A job that was taken back while it waited is another worker's now."""
    auth, time = Auth(), Time()

    async def run() -> None:
        delivery = Delivery(auth, sleep=time.sleep, clock=time)
        abandoned = asyncio.create_task(delivery.send({"id": 1}))
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        running = asyncio.create_task(delivery.run())
        await delivery.send({"id": 2})
        running.cancel()

    asyncio.run(run())
    assert auth.calls == [[2]]
