"""Workers are replaced under load without a failed request."""

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import rolling_app
from certificates import Authority

from gateline.local.engines import wait_until
from gateline.local.processes import Program, launch_command, stop

PATIENCE = 10.0
IDLE_SECONDS = 1.0
REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class Client:
    """A client that reuses its connection for as long as the server lets it, unless it was idle."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._context = context
        self._socket: socket.socket | None = None
        self._used = 0.0

    def ask(self) -> int:
        """Return the number of the process that answers; raise OSError when none does."""
        if time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        connection = self._socket = self._socket or self._connect()
        connection.sendall(REQUEST)
        said = b""
        while not said.partition(b"\r\n\r\n")[2]:
            more = connection.recv(4096)
            if not more:
                raise ConnectionResetError("closed without an answer")
            said += more
        head, _, body = said.partition(b"\r\n\r\n")
        self._used = time.monotonic()
        if b"connection: close" in head:
            self.close()
        return int(body)

    def certificate(self) -> bytes | None:
        """Return what the server shows, on a new connection."""
        with contextlib.closing(self._connect()) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            return connection.getpeercert(binary_form=True)

    def close(self) -> None:
        """Leave the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        return plain if self._context is None else self._context.wrap_socket(plain)


class Crowd:
    """Clients on threads that ask until told to stop; `failures` should stay empty."""

    def __init__(self, port: int) -> None:
        self.failures: list[str] = []
        self.answers: Counter[int] = Counter()
        self._port = port
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._ask, args=(reuses,)) for reuses in (True, True, False)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join()

    def _ask(self, reuses: bool) -> None:
        client = Client(self._port)
        while not self._stopping:
            try:
                self.answers[client.ask()] += 1
            except OSError as error:
                self.failures.append(f"{'reused' if reuses else 'new'}: {error!r}")
                client.close()
            if not reuses:
                client.close()
        client.close()


Serve = Callable[..., tuple[subprocess.Popen[bytes], int]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serve]:
    """Give what starts the small server in a folder of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(workers: int, *files: Path, move: float = 0.3) -> tuple[subprocess.Popen[bytes], int]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        support = Path(rolling_app.__file__).parent
        arguments = (str(port), str(workers), str(move), *map(str, files))
        command = (sys.executable, str(support / "rolling_app.py"), *arguments)
        process = subprocess.Popen(launch_command(Program("small", command)), cwd=tmp_path)
        started.append(process)
        return process, port

    yield start
    for process in started:
        stop(process, signal.SIGTERM, seconds=PATIENCE)


def answers(client: Client, *, but: int | None = None) -> bool:
    """Tell whether a process answers, another one than `but`."""
    client.close()
    try:
        return client.ask() != but
    except OSError:
        return False


def test_a_replacement_under_load_fails_nobody(served: Serve) -> None:
    """Neither clients that reuse their connection nor those that open one each time."""
    process, port = served(2, move=2.0)
    client = Client(port)
    assert wait_until(lambda: answers(client), seconds=PATIENCE)
    with Crowd(port) as crowd:
        time.sleep(0.5)
        before = set(crowd.answers)
        process.send_signal(signal.SIGUSR2)
        assert wait_until(lambda: len(set(crowd.answers) - before) == 2, seconds=PATIENCE * 2)
        # The second of the old workers is gone when both new ones have answered for a while.
        time.sleep(4.5)
        crowd.answers.clear()
        time.sleep(0.3)
    assert crowd.failures == []
    assert not before & set(crowd.answers)
    client.close()


def test_workers_that_do_not_come_up_change_nothing(served: Serve, tmp_path: Path) -> None:
    """A broken deployment is found out before the old workers end, and can be put right."""
    process, port = served(1)
    client = Client(port)
    assert wait_until(lambda: answers(client), seconds=PATIENCE)
    first = client.ask()
    (tmp_path / rolling_app.BROKEN).touch()
    process.send_signal(signal.SIGUSR2)
    time.sleep(1.0)
    assert client.ask() == first
    (tmp_path / rolling_app.BROKEN).unlink()
    process.send_signal(signal.SIGUSR2)
    assert wait_until(lambda: answers(client, but=first), seconds=PATIENCE)
    client.close()


def test_the_server_ends_in_the_midst_of_a_replacement(served: Serve) -> None:
    """SIGTERM does not wait for it."""
    process, port = served(1)
    client = Client(port)
    assert wait_until(lambda: answers(client), seconds=PATIENCE)
    process.send_signal(signal.SIGUSR2)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    client.close()


def test_new_certificates_are_served_without_a_restart(served: Serve, tmp_path: Path) -> None:
    """When the files change, new connections see the new certificate; a bad file does not count."""
    first = Authority(tmp_path, "first").issue("localhost", "served.pem")
    _, port = served(1, first, first)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = Client(port, context)
    assert wait_until(lambda: answers(client), seconds=PATIENCE)
    shown = client.certificate()
    first.write_bytes(b"rubbish")
    time.sleep(2.5)
    assert client.certificate() == shown
    Authority(tmp_path, "second").issue("localhost", "served.pem")
    assert wait_until(lambda: client.certificate() != shown, seconds=PATIENCE)
    client.ask()
    client.close()
