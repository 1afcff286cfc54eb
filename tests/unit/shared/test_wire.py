"""Deadlines on single connections, and the pool of idle ones."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateline.shared.wire import ConnectFailed, DeadlineSocket, Target, set_deadline

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def pair() -> Iterator[tuple[DeadlineSocket, socket.socket]]:
    """Give both ends of a connection, one of them with a deadline."""
    one, other = socket.socketpair()
    yield DeadlineSocket(one), other
    one.close()
    other.close()


def test_reads_end_by_the_deadline(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """Data that come in time are read; afterwards the wait ends at the given moment."""
    wire, other = pair
    wire.until = time.monotonic() + 0.1
    other.sendall(b"line\n")
    with wire.makefile("rb") as stream:
        assert stream.readline() == b"line\n"
        with pytest.raises(TimeoutError):
            stream.readline()


def test_nothing_begins_after_the_deadline(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A deadline in the past refuses writes and reads without touching the socket."""
    wire, other = pair
    wire.until = time.monotonic() - 1
    other.sendall(b"data")
    with pytest.raises(TimeoutError):
        wire.sendall(b"x")
    with wire.makefile("rb") as stream, pytest.raises(TimeoutError):
        stream.read(1)


def test_writes_end_by_the_deadline(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A peer that does not read does not hold the writer."""
    wire, _ = pair
    wire.each = 0.05
    with pytest.raises(TimeoutError):
        wire.sendall(b"x" * 20_000_000)


def test_what_urllib3_sets_is_not_believed(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """Time-outs that count anew for every read do not replace the deadline."""
    wire, _ = pair
    wire.until = time.monotonic() + 0.05
    wire.settimeout(60)
    with wire.makefile("rb") as stream, pytest.raises(TimeoutError):
        stream.read(1)


def test_the_end_is_noticed(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """Hanging up is seen as such, and only then."""
    wire, other = pair
    other.sendall(b"x")
    other.shutdown(socket.SHUT_WR)
    with wire.makefile("rb") as stream:
        assert stream.read(1) == b"x"
        assert not wire.ended
        assert stream.read(1) == b""
    assert wire.ended


def test_a_failed_connection_says_so() -> None:
    """Nobody listens, or the name is unknown: ConnectFailed, and no socket stays open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}", "http://x.invalid"):
        with pytest.raises(ConnectFailed):
            Target(url).connect(1.0)


def use(target: Target) -> Any:
    """Make one request over a new connection and return it."""
    connection = target.connect(1.0)
    set_deadline(connection, until=time.monotonic() + 5)
    connection.request("GET", "/", preload_content=False)
    assert connection.getresponse().read() == b"ok"
    return connection


def test_idle_connections_are_kept_up_to_a_number(raw_server: Callable[..., Any]) -> None:
    """The one used last comes out first; beyond the bound they are closed."""
    target = Target(raw_server(OK).url, max_idle=2)
    connections = [use(target) for _ in range(3)]
    for connection in connections:
        target.give_back(connection)

    assert connections[2].is_closed
    assert target.take(young=True) is connections[1]
    assert target.take(young=False) is connections[0]
    assert target.take(young=False) is None
    for connection in connections:
        connection.close()


def test_old_connections_are_closed(
    raw_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was idle for too long is not trusted any more."""
    target = Target(raw_server(OK).url)
    connection = use(target)
    target.give_back(connection)
    monkeypatch.setattr("gateline.shared.wire._IDLE_SECONDS", 0.0)

    assert target.take(young=False) is None
    assert connection.is_closed


def test_a_closed_connection_is_not_kept(raw_server: Callable[..., Any]) -> None:
    """An answer with `Connection: close` ends its connection."""
    target = Target(raw_server(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).url)
    target.give_back(use(target))

    assert target.take(young=False) is None
