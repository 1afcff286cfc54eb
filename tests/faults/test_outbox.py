"""Profiles change while auth is away, with real processes: everything arrives, once, in order.

GATELINE_OUTBOX_PROFILES and GATELINE_OUTBOX_SECONDS make the outage as large as one likes.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import urllib3
from running_platform import RunningPlatform, children_of, start_platform

from gateline.shared import kv
from gateline.shared.auth_client import AuthClient
from gateline.shared.config import Settings
from gateline.shared.sessions import Session, SessionStore
from gateline.shared.tokens import Tokens

PROFILES = int(os.environ.get("GATELINE_OUTBOX_PROFILES", "500"))
OUTAGE_SECONDS = float(os.environ.get("GATELINE_OUTBOX_SECONDS", "3"))
TWICE = 10  # so many of the people change their profile more than once
FEW = 40  # enough for a worker to have some in hand when it is killed
AT_ONCE = 8
# What is held is sent again within five seconds, then a hundred accounts go in each call.
CATCH_UP_SECONDS = 20.0 + PROFILES / 25
RESCUE_SECONDS = 60.0
FIRST_ID = 1_000_000_000

_ROOMY = {"RATE_LIMIT_DEFAULT": "1000000/minute", "LOGIN_RATE_LIMIT": "1000000/minute"}

# Notes every change of a name in auth's own table, in the order in which they are made.
_WITNESS = """
    CREATE TABLE IF NOT EXISTS witnessed (place bigserial, id bigint, name text, sync timestamptz);
    CREATE OR REPLACE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.witnessed (id, name, sync)
            VALUES (NEW.id, NEW.first_name || ' ' || NEW.last_name, NEW.last_sync);
        RETURN NEW;
    END $$;
    CREATE OR REPLACE TRIGGER witness AFTER UPDATE ON auth.users
        FOR EACH ROW EXECUTE FUNCTION witness();
"""


@dataclass
class Auth:
    """The auth service in a process of its own, to be stopped and started at will."""

    platform: RunningPlatform
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        keys = dict(pair.split(":", 1) for pair in self.platform.env["SERVICE_KEYS"].split(","))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateline", "serve", "auth", "--port", str(self.port)],
            cwd=self.platform.folder,
            env={**os.environ, **self.platform.env, **_ROOMY, "SERVICE_KEY": keys["auth"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _eventually(self._answers, 60)

    def stop(self) -> None:
        """End it; connections are refused from now on."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(40)
            self.process = None

    def _answers(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/readyz"
            return requests.get(url, timeout=2).status_code == 200
        except requests.RequestException:
            return False


@dataclass
class People:
    """Accounts with sessions, and what each has called itself, in order."""

    platform: RunningPlatform
    tokens: dict[int, str]
    names: dict[int, list[str]] = field(default_factory=dict)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=AT_ONCE))

    def rename(self, user_id: int, name: str) -> None:
        """Change a profile through the front door."""
        answer = self.pool.request(
            "PATCH",
            f"{self.platform.url}/api/users/me",
            json={"name": name},
            headers={"Authorization": f"Bearer {self.tokens[user_id]}"},
            timeout=20,
            retries=False,
        )
        assert answer.status == 200, answer.data
        assert answer.json()["name"] == name
        self.names.setdefault(user_id, []).append(name)

    def rename_all(self, word: str) -> None:
        """Change every profile, and some of them three times, several at a time."""

        def change(user_id: int) -> None:
            times = 3 if user_id < FIRST_ID + TWICE else 1
            for number in range(times):
                self.rename(user_id, f"{word} Number{number}")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(change, self.tokens))


@pytest.fixture(scope="module")
def auth_and_platform() -> Iterator[tuple[Auth, RunningPlatform]]:
    """Run a platform whose auth service is somebody else's business."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="gateline-outbox-"))
    told = {**_ROOMY, "JWT_SERVICE_URL": f"http://127.0.0.1:{port}"}
    platform = start_platform(folder, environment=told)
    auth = Auth(platform, port)
    try:
        auth.start()
        yield auth, platform
    finally:
        auth.stop()
        platform.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def auth(auth_and_platform: tuple[Auth, RunningPlatform]) -> Auth:
    """Give the auth service, running."""
    auth, _ = auth_and_platform
    if auth.process is None:
        auth.start()
    return auth


@pytest.fixture(scope="module")
def database(
    auth_and_platform: tuple[Auth, RunningPlatform],
) -> Iterator[psycopg.Connection[Any]]:
    """Give a look into the platform's database."""
    url = auth_and_platform[1].env["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def accounts(
    auth_and_platform: tuple[Auth, RunningPlatform], database: psycopg.Connection[Any]
) -> dict[int, str]:
    """Make accounts with a session each; give their access tokens by id."""
    auth, platform = auth_and_platform
    url, key = f"http://127.0.0.1:{auth.port}", platform.service_key("local")
    client = AuthClient(url, key, timeout=60)  # making 500 is no part of what is tested
    users = [
        {"id": FIRST_ID + number, "email": f"outbox{number}@example.com", "first_name": "Before"}
        for number in range(PROFILES)
    ]
    assert {outcome["status"] for outcome in client.sync_users(users)} == {"success"}
    client.close()
    database.execute(_WITNESS)
    return _sessions(platform, [int(str(user["id"])) for user in users])


@pytest.fixture
def people(
    auth_and_platform: tuple[Auth, RunningPlatform],
    accounts: dict[int, str],
    database: psycopg.Connection[Any],
) -> Iterator[People]:
    """Give people of whom auth has heard nothing new yet."""
    database.execute("TRUNCATE witnessed")
    people = People(auth_and_platform[1], accounts)
    yield people
    people.pool.clear()


def test_an_outage_of_auth_loses_nothing(
    auth: Auth, people: People, database: psycopg.Connection[Any]
) -> None:
    """While auth is away profiles change as ever; when it is back all arrive, once, in order."""
    began = time.monotonic()
    auth.stop()

    people.rename_all("During")
    changes = sum(len(names) for names in people.names.values())
    time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - began)))
    assert _pending(database) == changes
    assert _witnessed(database) == {}

    auth.start()
    back = time.monotonic()
    _eventually(lambda: _pending(database) == 0, CATCH_UP_SECONDS)
    took = time.monotonic() - back
    print(f"{changes} changes arrived {took:.1f} s after auth was back")  # noqa: T201
    assert _witnessed(database) == people.names
    assert _stamps_only_grow(database)


def test_a_killed_worker_loses_nothing(
    auth: Auth, people: People, database: psycopg.Connection[Any]
) -> None:
    """What a worker had in hand when it was killed is put back and delivered by the next one."""
    auth.stop()
    people.tokens = dict(islice(people.tokens.items(), FEW))
    people.rename_all("Killed")
    _eventually(lambda: _in_hand(database) > 0, 10)

    os.kill(_worker(people.platform), signal.SIGKILL)
    auth.start()

    _eventually(lambda: _pending(database) == 0, RESCUE_SECONDS)
    assert _witnessed(database) == people.names
    assert _stamps_only_grow(database)


def test_an_account_that_is_gone_holds_up_nobody(
    auth: Auth, people: People, database: psycopg.Connection[Any]
) -> None:
    """A message that auth refuses for good is kept for a person to see; the others go on."""
    gone = FIRST_ID + PROFILES + 7
    people.tokens = {**people.tokens, **_sessions(people.platform, [gone])}
    people.rename(gone, "Nobody Any More")
    people.rename(FIRST_ID, "Still Here")

    _eventually(lambda: _pending(database) == 0, 20)
    assert _witnessed(database) == {FIRST_ID: ["Still Here"]}
    query = "SELECT args->'user'->>'id' FROM api.procrastinate_jobs WHERE status = 'failed'"
    assert database.execute(query).fetchall() == [(str(gone),)]
    assert f"auth refuses a change of account {gone} for good" in people.platform.output
    assert "Nobody Any More" not in people.platform.output, "content does not belong in logs"


def _sessions(platform: RunningPlatform, ids: list[int]) -> dict[int, str]:
    settings = Settings.load({**platform.env, "FLASK_ENV": "development"}, folder=platform.folder)
    client = kv.connect(settings)
    tokens, store = Tokens.from_settings(settings, time.time), SessionStore(client, 900)
    made = {}
    for user_id in ids:
        email, sid = f"outbox{user_id - FIRST_ID}@example.com", f"outbox-{user_id}"
        token, claims = tokens.issue("access", user_id, email, "customer", sid, 1800)
        ends = claims.exp + 3600
        session = Session(user_id, email, "customer", sid, "Before", claims.iat, claims.exp, ends)
        assert store.put(token, session)
        made[user_id] = token
    client.close()
    return made


def _pending(database: psycopg.Connection[Any]) -> int:
    query = "SELECT count(*) FROM api.procrastinate_jobs WHERE status IN ('todo', 'doing')"
    (count,) = database.execute(query).fetchone() or (0,)
    return int(count)


def _in_hand(database: psycopg.Connection[Any]) -> int:
    query = "SELECT count(*) FROM api.procrastinate_jobs WHERE status = 'doing'"
    (count,) = database.execute(query).fetchone() or (0,)
    return int(count)


def _witnessed(database: psycopg.Connection[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for user_id, name in database.execute("SELECT id, name FROM witnessed ORDER BY place"):
        found.setdefault(user_id, []).append(name)
    return found


def _stamps_only_grow(database: psycopg.Connection[Any]) -> bool:
    query = """
        SELECT count(*) FROM (
            SELECT sync, lag(sync) OVER (PARTITION BY id ORDER BY place) AS earlier FROM witnessed
        ) AS pairs WHERE sync <= earlier
    """
    return database.execute(query).fetchone() == (0,)


def _worker(platform: RunningPlatform) -> int:
    children = children_of(platform.process.pid)
    return next(pid for pid, command in children.items() if " serve jobs " in command)


def _eventually(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
