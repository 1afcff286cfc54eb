"""The worker that empties the outbox (`gateline serve jobs`); as many as you like may run.

Every message is delivered at least once, those of one account in their order: procrastinate gives
a message out only when the one before it with the same lock is done. A message that auth stumbles
over is tried for ever, ever less often; one that it refuses for good stays in the table, `failed`.
A worker that dies leaves messages in hand behind; the others notice its missing heartbeat and put
them back. So does one that could not note down what became of a message: it ends its shift.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from sqlalchemy import make_url

from gateline.api.delivery import Delivery, Refused, SyncUsers
from gateline.api.models import SCHEMA
from gateline.api.outbox import QUEUE, SYNC_USER
from gateline.policy.retries import RetryPolicy
from gateline.shared.app import build_app
from gateline.shared.auth_client import BULK_LIMIT, AuthClient
from gateline.shared.config import Settings
from gateline.shared.database import connect_args
from gateline.shared.probe_server import probe_server

_log: Final = logging.getLogger(__name__)
_CALL_SECONDS: Final = 20.0
_OUTAGES: Final = (ConnectorException, psycopg.Error, OSError)
_TELLS_CONTENT: Final = frozenset({"job_error", "job_error_retry", "job_success", "start_job"})


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long to wait for PostgreSQL to be back, when a silent worker counts as dead."""

    reconnect: float = 1.0
    poll: float = 3.0
    heartbeat: float = 2.0
    dead_after: float = 10.0


def serve(host: str, port: int, *, drain_seconds: float) -> None:
    """Deliver until SIGTERM or SIGINT, then finish what is in hand; answer `/readyz` meanwhile.

    Raises ConfigError when it is not told where auth is.
    """
    settings = Settings.load(service="jobs")
    client = _client(settings)
    health = build_app(__name__, service="jobs", settings=settings)
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    for name in ("procrastinate.worker", "procrastinate.utils"):
        logging.getLogger(name).addFilter(_fit_for_logs)
    with probe_server(health, host, port), contextlib.closing(client):
        _log.info("waiting for messages")
        asyncio.run(_run(settings.database_url, client.sync_users, drain_seconds))


def _client(settings: Settings) -> AuthClient:
    # Delivery repeats by itself; a call takes as long as a hundred accounts may.
    return AuthClient(
        str(settings.jwt_service_url),
        settings.service_key,
        timeout=_CALL_SECONDS,
        retry=RetryPolicy(attempts=1),
    )


async def _run(url: str, sync_users: SyncUsers, drain_seconds: float) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await work(url, sync_users, stop, drain_seconds=drain_seconds)


async def work(
    url: str,
    sync_users: SyncUsers,
    stop: asyncio.Event,
    *,
    drain_seconds: float,
    timing: Timing = Timing(),
) -> None:
    """Deliver until `stop` is set; PostgreSQL may go and come back meanwhile."""
    delivery = Delivery(sync_users)
    delivering = asyncio.create_task(delivery.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            shift = asyncio.create_task(_work_a_shift(url, delivery, timing, drain_seconds))
            await asyncio.wait({shift, stopping, delivering}, return_when=asyncio.FIRST_COMPLETED)
            shift.cancel()
            await _ended(shift)
            if delivering.done():
                delivering.result()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timing.reconnect)
    finally:
        stopping.cancel()
        delivering.cancel()


async def _ended(shift: "asyncio.Task[None]") -> None:
    """Wait for a shift's end; an outage of PostgreSQL ends one, and the next one tries again."""
    try:
        await shift
    except asyncio.CancelledError:
        return
    except _OUTAGES as error:
        _log.warning("PostgreSQL is away (%s): trying again", type(error).__name__)


async def _work_a_shift(url: str, delivery: Delivery, timing: Timing, drain: float) -> None:
    """Deliver until PostgreSQL is away, raising what told so."""
    connector = _connector(url)
    app = _queue_app(connector, delivery)
    async with app.open_async():
        works = [
            asyncio.ensure_future(
                app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=BULK_LIMIT,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    fetch_job_polling_interval=timing.poll,
                    shutdown_graceful_timeout=max(0.0, drain - 0.5),
                    update_heartbeat_interval=timing.heartbeat,
                    stalled_worker_timeout=timing.dead_after,
                )
            ),
            asyncio.ensure_future(_rescue(app, timing)),
            connector.outage,
        ]
        try:
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
        for work in done:
            work.result()


class _Connector(procrastinate.PsycopgConnector):
    """Tells by `outage` of the first command that failed, which procrastinate would only log.

    What it should have noted, mostly that a message is done, is missing then: while the worker
    lives, neither that message nor any later one of its account would be given out again.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.outage: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Run a command that returns nothing."""
        try:
            await super().execute_query_async(query, **arguments)
        except ConnectorException as error:
            if not self.outage.done():
                self.outage.set_exception(error)
            raise


def _connector(url: str) -> _Connector:
    """Return connections to our schema."""
    options = connect_args(name="gateline jobs", connect_timeout=5, statement_timeout=30)
    options["options"] = f"{options['options']} -c search_path={SCHEMA}"
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return _Connector(conninfo=plain, kwargs=options, min_size=1, max_size=4, timeout=5.0)


def _queue_app(connector: _Connector, delivery: Delivery) -> procrastinate.App:
    """Return procrastinate with the task that hands messages to `delivery`."""
    app = procrastinate.App(connector=connector)

    @app.task(name=SYNC_USER, queue=QUEUE, retry=Persistence())
    async def sync_user(user: Mapping[str, Any]) -> None:
        """Tell auth how an account is."""
        await delivery.send(user)

    return app


class Persistence(BaseRetryStrategy):
    """Try for ever: after 1, 2, 4 … seconds up to five minutes; never what is refused for good."""

    longest: Final = 300

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Return when to try again, None for never."""
        if isinstance(exception, Refused):
            return None
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()  # the worker stops: another one may take it at once
        seconds = min(self.longest, 2 ** min(job.attempts, 16))
        _log.warning("auth stumbles over message %s: again in %s s", job.id, seconds)
        return RetryDecision(retry_in={"seconds": seconds})


async def _rescue(app: procrastinate.App, timing: Timing) -> None:
    """Put back, again and again, what dead workers had in hand; repeating a message is harmless."""
    while True:
        with contextlib.suppress(ConnectorException):
            left = await app.job_manager.get_stalled_jobs(
                queue=QUEUE, seconds_since_heartbeat=timing.dead_after
            )
            for job in left:
                _log.warning("putting message %s of a dead worker back", job.id)
                await app.job_manager.retry_job(job)
        await asyncio.sleep(timing.poll)


def _fit_for_logs(record: logging.LogRecord) -> bool:
    """Keep out procrastinate's lines that show a message's content; ours name the account."""
    record.exc_info = record.exc_text = None  # an outage is no fault of the program
    return getattr(record, "action", None) not in _TELLS_CONTENT
