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


class RawServer:
    """A server that does to each connection what a test says, byte by byte.

    `script` is called with a connection for each request that was read whole, and returns whether
    to go on reading from it. What was read is in `requests`.
    """

    def __init__(self, script: Callable[[socket.socket, bytes], bool]) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Hang up on everybody."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while request := read_request(stream):
                self.requests.append(request)
                if not self.script(connection, request):
                    break


def read_request(stream: Any) -> bytes:
    """Return one whole request, or what came before the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return head
        head += line
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        body = b""
        while True:
            size = int(stream.readline(), 16)
            body += stream.read(size)
            stream.readline()
            if size == 0:
                return bytes(head + body)
    if b"content-length:" in lowered:
        length = int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head + bytes(stream.read(length))
    return head


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Give a function that starts a server from a script or from the bytes it always sends."""
    servers: list[RawServer] = []

    def start(script: Callable[[socket.socket, bytes], bool] | bytes) -> RawServer:
        if isinstance(script, bytes):
            answer = script

            def say(connection: socket.socket, _: bytes) -> bool:
                connection.sendall(answer)
                return b"content-length" in answer.lower()

            script = say
        servers.append(RawServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
