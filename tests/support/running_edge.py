"""A real `gateline serve edge` for tests, and a client that shows every byte of its answers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gateline.local.engines import wait_until
from gateline.local.processes import Program, launch_command, stop

START_SECONDS = 30.0
ANSWER_SECONDS = 15.0
_OURS = re.compile(
    r"(FLASK_|GATELINE_|DATABASE_|REDIS_|JWT_|SECRET_|SERVICE_|PROMETHEUS_|METRICS_|LOG_|CORS_"
    r"|ALLOWED_|UPSTREAM_)|_SERVICE_URL$"
)

Pairs = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """A response as it came; `whole` tells that its body came to the end that it announced."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    whole: bool

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of one header."""
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        """Return the body's document."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason in a standard error body, which the edge's own header must agree with."""
        reason = str(self.json()["details"]["reason"])
        assert self.values(b"x-gateline-error") == [reason.encode()]
        return reason


class Wire:
    """A client's connection to the edge."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def send_head(self, method: str, target: bytes | str, headers: Pairs = ()) -> None:
        """Send a request's head, with a Host header unless one is given."""
        raw = target if isinstance(target, bytes) else target.encode("ascii")
        pairs = list(headers)
        if not any(name.lower() == b"host" for name, _ in pairs):
            pairs.insert(0, (b"Host", b"127.0.0.1:%d" % self.port))
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in pairs)
        self.send(method.encode() + b" " + raw + b" HTTP/1.1\r\n" + fields + b"\r\n")

    def read(self, method: str = "GET") -> Answer:
        """Read one answer, interim ones skipped; raise EOFError when the edge closes instead."""
        status, headers = self.read_head()
        while status == 100:
            status, headers = self.read_head()
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"", True)
        body, whole = self._read_body(dict(headers))
        return Answer(status, headers, body, whole)

    def read_head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Read a status line and headers; raise EOFError when there is none."""
        line = self._file.readline()
        if not line:
            raise EOFError("closed without an answer")
        headers = []
        while (field := self._file.readline().rstrip(b"\r\n")) != b"":
            name, _, value = field.partition(b":")
            headers.append((name.lower(), value.strip(b" ")))
        return int(line.split(b" ")[1]), headers

    def read_some(self, size: int) -> bytes:
        """Read exactly this much, less only at the end."""
        return self._file.read(size)

    def is_closed(self) -> bool:
        """Tell whether the edge closes this connection, which it must do soon."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def _read_body(self, fields: dict[bytes, bytes]) -> tuple[bytes, bool]:
        try:
            if fields.get(b"transfer-encoding") == b"chunked":
                return self._read_chunks()
            if b"content-length" not in fields:
                return self._file.read(), True
            length = int(fields[b"content-length"])
            body = self._file.read(length)
        except ConnectionResetError:
            return b"", False
        return body, len(body) == length

    def _read_chunks(self) -> tuple[bytes, bool]:
        body = bytearray()
        while line := self._file.readline():
            size = int(line, 16)
            chunk = self._file.read(size + 2)
            if size == 0 or len(chunk) < size + 2:
                return bytes(body), size == 0 and chunk == b"\r\n"
            body += chunk[:-2]
        return bytes(body), False


class RunningEdge:
    """An edge in a process of its own; all it prints goes to `log`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self.folder = folder
        self.environment = dict(environment)
        self.log = folder / f"edge-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it serves and its session memory is on."""
        self.launch()
        assert wait_until(self.is_ready, seconds=START_SECONDS), self.output

    def command(self) -> tuple[str, ...]:
        """Return its command line."""
        return (sys.executable, "-m", "gateline", "serve", "edge", "--port", str(self.port))

    def launch(self) -> None:
        """Start it without waiting."""
        clean = {name: value for name, value in os.environ.items() if not _OURS.search(name)}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                launch_command(Program("gateway", self.command())),
                cwd=self.folder,
                env={**clean, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def stop(self) -> None:
        """End it and all its workers."""
        if self.process is not None:
            stop(self.process, signal.SIGTERM, seconds=10.0)

    def is_ready(self) -> bool:
        """Tell whether it serves with its session memory on."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the edge ended:\n{self.output}")
        return "session memory is on" in self.output and self._serves()

    @property
    def output(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_line(self, *words: str, after: int = 0) -> str:
        """Return the first line of the log (from a character on) that holds all these words."""
        found: list[str] = []

        def look() -> bool:
            lines = self.output[after:].splitlines()
            found.extend(line for line in lines if all(word in line for word in words))
            return bool(found)

        assert wait_until(look, seconds=5.0), f"no line with {words} in:\n{self.output[after:]}"
        return found[0]

    def connect(self) -> Wire:
        """Open a connection."""
        return Wire(self.port)

    def ask(
        self,
        method: str,
        target: bytes | str,
        headers: Pairs = (),
        body: bytes | None = None,
        *,
        token: str | None = None,
    ) -> Answer:
        """Send one request on a connection of its own and return the answer."""
        pairs = list(headers)
        if token is not None:
            pairs.append((b"Authorization", b"Bearer " + token.encode()))
        if body is not None:
            pairs.append((b"Content-Length", b"%d" % len(body)))
        with self.connect() as wire:
            wire.send_head(method, target, pairs)
            if body:
                wire.send(body)
            return wire.read(method)

    def get(self, target: bytes | str, headers: Pairs = (), *, token: str | None = None) -> Answer:
        """Send a GET."""
        return self.ask("GET", target, headers, token=token)

    def worker_memory(self) -> int:
        """Return the resident bytes of the worker process that needs most."""
        assert self.process is not None
        return max(_resident(pid) for pid in _group(self.process.pid))

    def _serves(self) -> bool:
        try:
            return self.get("/livez").status == 200
        except (OSError, EOFError):
            return False


def _group(leader: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if _quietly(os.getpgid, pid) == leader]


def _quietly(ask: Callable[[int], int], pid: int) -> int:
    try:
        return ask(pid)
    except OSError:
        return 0


def _resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
