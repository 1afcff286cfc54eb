"""The worker on a real queue, with an auth service of a few lines."""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import procrastinate
import pytest
import sqlalchemy as sa
from procrastinate.jobs import Job

from gateline.api import jobs
from gateline.api.delivery import Refused
from gateline.shared.auth_client import AuthUnavailable
from gateline.shared.config import ConfigError, Settings

FAST = jobs.Timing(reconnect=0.05, poll=0.1, heartbeat=0.1, dead_after=1.0)
SECONDS = 15.0


class Auth:
    """Takes everything; can be away."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.away = False
        self.asked = threading.Event()
        self.on_first: Callable[[], None] | None = None

    def __call__(self, users: Sequence[Any]) -> list[dict[str, Any]]:
        """Take a bulk call."""
        if self.on_first is not None and not self.asked.is_set():
            self.on_first()
        self.asked.set()
        if self.away:
            raise AuthUnavailable
        self.taken += [(user["id"], user["first_name"]) for user in users]
        return [{"status": "success"}] * len(users)


def work(url: str, auth: Auth, until: Callable[[], bool], workers: int = 1) -> None:
    """Run workers until something is so, then stop them; fail when it takes too long."""

    async def run() -> None:
        stop = asyncio.Event()
        running = [
            asyncio.create_task(jobs.work(url, auth, stop, drain_seconds=1.0, timing=FAST))
            for _ in range(workers)
        ]
        async with asyncio.timeout(SECONDS):
            await _until(until)
        stop.set()
        await asyncio.gather(*running)

    asyncio.run(run())
    # A task that failed unseen tells of it when it is collected. That is to be here: CPython 3.11
    # does not bear it in the middle of `ast.parse` (python/cpython#106905), which others call.
    gc.collect()


async def _until(condition: Callable[[], bool]) -> None:
    # In a thread: the service that some conditions call does not run inside an event loop.
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - it happens elsewhere
        await asyncio.sleep(0.02)


def statuses(api: Any) -> list[str]:
    """Return the states of the messages that are left."""
    query = "SELECT status::text FROM api.procrastinate_jobs ORDER BY id"
    return [row.status for row in api.execute(sa.text(query))]


def rename(api: Any, *names: str) -> int:
    """Let somebody change its name, several times; return whose it is."""
    caller = api.log_in()
    for name in names:
        assert caller("PATCH", "/api/users/me", json={"name": name}).status_code == 200
    return int(caller.user_id)


def test_messages_arrive_in_the_order_of_the_changes(api: Any, database_url: str) -> None:
    """Also with two workers on one queue, each message once; nothing is left behind."""
    names = ["Ann", "Bea", "Cid"]
    people = [rename(api, *names) for _ in range(3)]
    auth = Auth()
    work(database_url, auth, lambda: statuses(api) == [], workers=2)
    assert len(auth.taken) == 9
    for person in people:
        assert [name for user_id, name in auth.taken if user_id == person] == names


def test_messages_in_hand_go_back_when_the_worker_stops(api: Any, database_url: str) -> None:
    """A worker that stops while auth is away leaves its messages to the next one."""
    person = rename(api, "Ann")
    auth = Auth()
    auth.away = True
    work(database_url, auth, auth.asked.is_set)
    assert statuses(api) == ["todo"]
    auth.away = False
    work(database_url, auth, lambda: statuses(api) == [])
    assert auth.taken == [(person, "Ann")]


def test_messages_of_a_dead_worker_are_put_back(api: Any, database_url: str) -> None:
    """In hand of a worker that nobody hears of any more, they go to a living one."""
    person = rename(api, "Ann")
    api.execute(
        sa.text(
            "WITH dead AS (INSERT INTO api.procrastinate_workers (last_heartbeat)"
            " VALUES (now() - interval '1 hour') RETURNING id)"
            " UPDATE api.procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead"
        )
    )
    auth = Auth()
    work(database_url, auth, lambda: statuses(api) == [])
    assert auth.taken == [(person, "Ann")]


def test_an_outage_of_the_database_is_outlived(api: Any, database_url: str) -> None:
    """After all its connections were cut the worker goes on by itself."""
    auth = Auth()
    rename(api, "Ann")
    later: list[int] = []

    def cut_then_change() -> bool:
        if auth.taken and not later:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            api.execute(sa.text(f"{query} WHERE application_name = 'gateline jobs'"))
            later.append(rename(api, "Bea"))
        return len(auth.taken) >= 2 and statuses(api) == []

    work(database_url, auth, cut_then_change)
    assert (later[0], "Bea") in auth.taken


def test_a_message_that_could_not_be_noted_as_done_goes_out_again(
    api: Any, database_url: str
) -> None:
    """It holds up later ones of its account no longer than until the worker begins anew."""
    caller = api.log_in()
    auth = Auth()
    assert caller("PATCH", "/api/users/me", json={"name": "Ann"}).status_code == 200
    later: list[int] = []

    def cut_while_it_is_noted() -> bool:
        if not later and auth.taken:
            noting = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active'"
                " AND application_name = 'gateline jobs' AND query LIKE '%finish_job%'"
            )
            if not api.execute(sa.text(noting)):
                return False
            holder.rollback()
            response = caller("PATCH", "/api/users/me", json={"name": "Bea"})
            later.append(response.status_code)
        return bool(later) and statuses(api) == []

    def hold() -> None:
        holder.execute(sa.text("LOCK TABLE api.procrastinate_jobs IN SHARE MODE"))

    with api.engine.connect() as holder:
        auth.on_first = hold
        work(database_url, auth, cut_while_it_is_noted)
    assert later == [200]
    names = [name for _, name in auth.taken]
    assert names == sorted(names)
    assert set(names) == {"Ann", "Bea"}


def test_what_is_refused_is_given_up_and_all_else_is_not(api: Any) -> None:
    """A refused message is left to a person; others are tried again, ever less often."""

    def decide(error: BaseException, attempts: int) -> Any:
        job = Job(
            id=1,
            queue="q",
            lock=None,
            queueing_lock=None,
            task_name="t",
            attempts=attempts,
        )
        return jobs.Persistence().get_retry_decision(exception=error, job=job)

    assert decide(Refused("no"), 0) is None
    now = procrastinate.utils.utcnow()
    waits = [(decide(OSError(), n).retry_at - now).total_seconds() for n in (0, 3, 100)]
    assert [round(wait) for wait in waits] == [1, 8, 300]
    assert decide(asyncio.CancelledError(), 5).retry_at is None


def test_a_worker_needs_to_know_where_auth_is(database_url: str, tmp_path: Path) -> None:
    """Both missing settings are named at once."""
    values: dict[str, Any] = {
        "flask_env": "testing",
        "secret_key": "k" * 40,
        "database_url": database_url,
    }
    with pytest.raises(ConfigError) as caught:
        Settings.load({}, folder=tmp_path, service="jobs", **values)
    assert all(name in str(caught.value) for name in ("JWT_SERVICE_URL", "SERVICE_KEY"))


@pytest.mark.parametrize(("action", "kept"), [("job_error", False), ("stop_worker", True)])
def test_lines_with_content_stay_out_of_the_log(action: str, kept: bool) -> None:
    """Procrastinate shows a failed message whole; our own line names the account."""
    record = logging.LogRecord("procrastinate.worker", 40, "", 0, "x", (), None)
    record.action = action
    assert jobs._fit_for_logs(record) is kept
