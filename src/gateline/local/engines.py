"""Real PostgreSQL and Valkey for one machine, kept in a data folder.

Both listen on Unix sockets only, in folders that nobody else may enter, so that neither needs a
port or a password and any number of platforms live side by side.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from gateline.local.binaries import postgres_folder, valkey_binary
from gateline.local.errors import LocalError
from gateline.local.ownership import database_account, give, open_way
from gateline.local.processes import Program, start, stop

if TYPE_CHECKING:
    import psycopg

START_SECONDS = 30.0
_SOCKET_PATH_LIMIT = 100  # of the 104 (macOS) or 108 (Linux) bytes of sun_path
_DATABASE_PORT = 5432  # only part of the socket's name; said everywhere, or PGPORT decides
_DATABASE_SOCKET = f".s.PGSQL.{_DATABASE_PORT}"
_SOCKET_LOCK = f"{_DATABASE_SOCKET}.lock"
_BUILTIN_LOCALE_SINCE = 17


class Engine(Protocol):
    """A server that can be prepared, run as a child, and asked whether it answers."""

    name: str
    program: Program
    stop_seconds: float
    noise: tuple[bytes, ...]

    def prepare(self) -> None:
        """Make the files the server needs and clear away what a crash left."""

    def is_ready(self) -> bool:
        """Tell whether the server answers."""


class Postgres:
    """PostgreSQL with its cluster in `data` and its socket in `sockets`."""

    name = "postgres"
    stop_seconds = 8.0
    # What it logs at this level is its starts and stops, of which the supervisor tells.
    noise: tuple[bytes, ...] = (
        b"LOG:  ",
        b"FATAL:  the database system is ",
        b"DETAIL:  Consistent",
    )

    def __init__(
        self, data: Path, sockets: Path, *, options: Mapping[str, str] | None = None
    ) -> None:
        """Bind to the folders; `options` are server settings that override ours."""
        self.data = data.absolute()
        self.sockets = socket_folder(sockets.absolute(), _DATABASE_SOCKET)
        self.account = database_account(self.data)
        self.binaries = postgres_folder()
        self.program = self._program(options or {})

    def url(self, database: str = "postgres") -> str:
        """Return the address of `database`, in SQLAlchemy's form."""
        place = f"host={quote(str(self.sockets))}&port={_DATABASE_PORT}"
        return f"postgresql+psycopg://postgres@/{database}?{place}"

    def prepare(self) -> None:
        """Create the cluster unless it exists, and end or forget what an earlier run left."""
        for folder in (self.data.parent, self.sockets.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for target in (self.data, self.sockets, self.binaries / "postgres"):
            open_way(target, self.account)
        give(self.sockets, self.account)
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster()
        self._check_version()
        self._end_leftovers()

    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        import psycopg

        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """Open a connection that commits each statement by itself."""
        import psycopg

        return psycopg.connect(
            host=str(self.sockets),
            port=_DATABASE_PORT,
            user="postgres",
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def create_database(self, name: str) -> str:
        """Create database `name` unless it exists, and return its address."""
        from psycopg import sql

        with self.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def _program(self, options: Mapping[str, str]) -> Program:
        settings = {
            "port": str(_DATABASE_PORT),
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "log_min_messages": "warning",
            "log_line_prefix": "",
        } | dict(options)
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            self.name,
            (str(self.binaries / "postgres"), "-D", str(self.data), *flags),
            environment=_without_postgres_settings(),
            account=self.account,
            # The fast shutdown: ends sessions, writes a checkpoint. SIGTERM waits for clients.
            stop_signal=signal.SIGINT,
        )

    def _create_cluster(self) -> None:
        # Built beside and renamed when whole, so that a kill in between leaves nothing half made.
        fresh = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        give(fresh, self.account)
        command = [str(self.binaries / "initdb"), "-D", str(fresh), "-U", "postgres"]
        command += ["--auth=trust", "--encoding=UTF8", *self._locale()]
        done = subprocess.run(  # noqa: S603 - our own command, as a list
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_without_postgres_settings(),
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise LocalError(f"PostgreSQL could not create its files: {' '.join(reason)}")
        with contextlib.suppress(FileNotFoundError):
            self.data.rmdir()
        fresh.rename(self.data)

    def _locale(self) -> list[str]:
        """Return the options for a locale that knows Unicode and is the same on every machine."""
        if self._version() >= _BUILTIN_LOCALE_SINCE:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C.UTF-8"]

    def _version(self) -> int:
        command = [str(self.binaries / "postgres"), "--version"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return int(re.split(r"\D", shown.stdout.split()[2])[0])

    def _check_version(self) -> None:
        made_by, ours = int((self.data / "PG_VERSION").read_text()), self._version()
        if made_by != ours:
            raise LocalError(
                f"{self.data} was made by PostgreSQL {made_by}, this is PostgreSQL {ours}: install "
                f"version {made_by}, or move the folder away to start anew."
            )

    def _end_leftovers(self) -> None:
        """End what an earlier run left on these files, and only then forget that it ran.

        The records are not to be trusted: after a restart of the machine or container their id may
        be any process's, and PostgreSQL would refuse to start. Nor may they be removed while a
        session of a killed server lives on: a second server beside it destroys the data.
        """
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            for pid in _servers_in(self.data):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            if wait_until(lambda: not _servers_in(self.data), seconds=5.0):
                for record in (self.data / "postmaster.pid", self.sockets / _SOCKET_LOCK):
                    record.unlink(missing_ok=True)
                return
        raise LocalError(f"An old PostgreSQL on {self.data} does not end: end it, then try again.")


class Valkey:
    """Valkey (or Redis) with its append-only file in `data` and its socket in `sockets`."""

    name = "valkey"
    stop_seconds = 5.0
    noise: tuple[bytes, ...] = (
        b"Memory overcommit must be enabled",
        b"Received SIGTERM",
        b"ready to exit",
    )

    def __init__(self, data: Path, sockets: Path) -> None:
        """Bind to the folders."""
        self.data = data.absolute()
        self.socket = socket_folder(sockets.absolute(), "valkey.sock") / "valkey.sock"
        self.program = self._program()

    def url(self, number: int = 0) -> str:
        """Return the address of database `number`."""
        return f"unix://{quote(str(self.socket))}?db={number}"

    def prepare(self) -> None:
        """Make the folders, and end a server that an earlier run left."""
        for folder in (self.data, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.is_ready():
            self._ask(b"SHUTDOWN NOSAVE")
            wait_until(lambda: not self.is_ready(), seconds=5.0)

    def is_ready(self) -> bool:
        """Tell whether the server answers and has read its file."""
        return self._ask(b"PING") == b"+PONG"

    def _ask(self, command: bytes) -> bytes:
        # Two words over a socket: a client library retries for seconds and costs its import.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2.0)
            connection.connect(str(self.socket))
            connection.sendall(command + b"\r\n")
            return connection.recv(256).split(b"\r\n", 1)[0]
        return b""

    def _program(self) -> Program:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
            "loglevel": "warning",
        }
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Program(self.name, (str(valkey_binary()), *flags))


def _without_postgres_settings() -> dict[str, str]:
    """Return the environment without PGPORT, PGDATA and their kin, meant for other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def socket_folder(wanted: Path, name: str) -> Path:
    """Return `wanted`, or a short folder of its own when a socket `name` in it is too long."""
    if len(os.fsencode(wanted / name)) <= _SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    return Path(tempfile.gettempdir(), f"gateline-{os.geteuid()}-{digest}")


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll `condition` until it holds (True) or `seconds` have passed (False)."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def running(engine: Engine) -> Iterator[None]:
    """Run `engine` as a child for the length of the block. For tests and single commands.

    Raises LocalError with the server's own last words when it does not come up.
    """
    engine.prepare()
    with tempfile.TemporaryFile() as words:
        child = start(engine.program, output=words.fileno())
        try:
            up = wait_until(
                lambda: engine.is_ready() or child.poll() is not None, seconds=START_SECONDS
            )
            if not up or child.poll() is not None:
                words.seek(0)
                last = words.read().decode(errors="replace").strip().splitlines()[-3:]
                raise LocalError(f"{engine.name} did not start: {' / '.join(last)}")
            yield
        finally:
            stop(child, engine.program.stop_signal, seconds=engine.stop_seconds)


def _servers_in(folder: Path) -> list[int]:
    """Return the PostgreSQL processes whose data are in `folder`."""
    if not Path("/proc/self").exists():
        return _servers_by_command(folder)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_server = (process / "exe").readlink().name.startswith("postgres")
            if is_server and (process / "cwd").readlink() == folder.resolve():
                found.append(int(process.name))
    return found


def _servers_by_command(folder: Path) -> list[int]:
    """Find servers where there is no /proc (macOS)."""
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,command="],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=False,
    )
    rows = (line.strip().partition(" ") for line in listing.stdout.splitlines())
    return [int(pid) for pid, _, command in rows if f"postgres -D {folder} " in command]
