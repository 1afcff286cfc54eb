"""Fixtures of the shared parts: settings, apps, and engines that can go away and come back."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask

from gateline.local.engines import Postgres, Valkey
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.sessions import Session

SECRET = "kX2vQ9-fT7mLr4Wz_8sYbN1cHdJ0aGeU"

MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Give a function that loads settings from nothing but its arguments; no engine is there."""

    def make(**variables: Any) -> Settings:
        environ = {
            "FLASK_ENV": "testing",
            "SECRET_KEY": SECRET,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
        return Settings.load(environ | variables, folder=tmp_path)

    return make


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, redis_url: str) -> Settings:
    """Give settings with real engines behind them."""
    return make_settings(DATABASE_URL=database_url, REDIS_URL=redis_url)


class Relay:
    """Passes TCP connections on to a Unix socket, until it is cut."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._open:
            end.close()
        self._open.clear()
        self._threads.clear()

    def restore(self) -> None:
        """Listen again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start()

    def _start(self) -> None:
        self._run(self._accept)

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._open += [client, server]
            self._run(self._pump, client, server)
            self._run(self._pump, server, client)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def valkey_relay(valkey: Valkey) -> Iterator[Relay]:
    """Give a way to Valkey that can be cut."""
    relay = Relay(valkey.socket)
    yield relay
    relay.cut()


@pytest.fixture
def postgres_relay(postgres: Postgres) -> Iterator[Relay]:
    """Give a way to PostgreSQL that can be cut."""
    relay = Relay(next(postgres.sockets.glob(".s.PGSQL.*[0-9]")))
    yield relay
    relay.cut()


@dataclass
class Clock:
    """A clock that goes only when it is told to."""

    now: float

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def kv(redis_url: str) -> Iterator[redis.Redis]:
    """Give an empty Valkey."""
    client = redis.Redis.from_url(redis_url, decode_responses=True, protocol=2)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def clock(kv: redis.Redis) -> Clock:
    """Give a clock that stands still, at Valkey's time: what is stored does not expire there."""
    return Clock(float(kv.time()[0]))


@pytest.fixture
def make_app(
    make_settings: MakeSettings, redis_url: str, kv: redis.Redis, clock: Clock
) -> Iterator[Callable[..., Flask]]:
    """Give a function that builds an app with sessions and no database; tests add the views."""
    apps: list[Flask] = []

    def make(**variables: Any) -> Flask:
        settings = make_settings(**{"REDIS_URL": redis_url, **variables})
        app = build_app(__name__, service="test", settings=settings, database=False, clock=clock)
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.extensions["gateline"].kv.close()


@pytest.fixture
def login(clock: Clock) -> Callable[..., str]:
    """Give a function that opens a session for an app and returns its token."""

    def open_session(
        app: Flask, user_type: str = "patient", user_id: int = 7, sid: str = "sid-7"
    ) -> str:
        parts = app.extensions["gateline"]
        email = f"{user_type}@example.com"
        token, claims = parts.tokens.issue("access", user_id, email, user_type, sid, 1800)
        session = Session(
            user_id=user_id,
            email=email,
            user_type=user_type,
            session_id=sid,
            name="Ada Example",
            issued_at=claims.iat,
            expires_at=claims.exp,
            absolute_expires_at=claims.iat + 12 * 3600,
        )
        assert parts.sessions.put(token, session)
        return str(token)

    return open_session
