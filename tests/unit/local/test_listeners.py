"""Sockets that share a port: the kernel is told which of them gets new connections."""

import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from gateline.local.listeners import find_listener, keep_alive, let_go, steer

Shared = list[socket.socket]


def listen(port: int = 0) -> socket.socket:
    """Listen on a port that others may share."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    made.listen(64)
    made.setblocking(False)
    return made


@pytest.fixture
def four() -> Iterator[Shared]:
    """Give four sockets that listen on one port, in order."""
    first = listen()
    sockets = [first, *(listen(port_of(first)) for _ in range(3))]
    yield sockets
    for one in sockets:
        one.close()


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    return int(listener.getsockname()[1])


def who_gets(sockets: Shared, count: int = 60) -> set[int]:
    """Connect so many times and return the indexes of the sockets that were given any."""
    open_sockets = [one for one in sockets if one.fileno() >= 0]
    clients = [
        socket.create_connection(("127.0.0.1", port_of(open_sockets[0]))) for _ in range(count)
    ]
    given: Counter[int] = Counter()
    for listener in open_sockets:
        while True:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                break
            given[sockets.index(listener)] += 1
    for client in clients:
        client.close()
    assert given.total() == count
    return set(given)


def test_connections_go_where_they_are_sent(four: Shared) -> None:
    """From the first on, so many; when nothing is said any more, to all."""
    assert steer(four[0], 2, 2)
    assert who_gets(four) == {2, 3}
    assert steer(four[3], 1, 1)
    assert who_gets(four) == {1}
    assert let_go(four[2])
    assert who_gets(four) == {0, 1, 2, 3}


def test_the_last_takes_the_number_of_one_that_closes(four: Shared) -> None:
    """The order of a replacement stands on this: old ones go, no new connection reaches another."""
    steer(four[3], 2, 1)
    four[0].close()
    assert who_gets(four) == {2}
    four[1].close()
    assert who_gets(four) == {2, 3}


def test_the_own_listener_is_found(four: Shared) -> None:
    """As a duplicate: closing it closes nothing."""
    found = find_listener(port_of(four[0]))
    assert found is not None
    found.close()
    assert who_gets(four) == {0, 1, 2, 3}


def test_what_does_not_listen_is_not_found() -> None:
    """Neither a port that nobody has nor one that is only connected to."""
    with listen() as listener, socket.create_connection(listener.getsockname()) as client:
        assert find_listener(client.getsockname()[1]) is None


def test_accepted_connections_are_watched_by_the_kernel() -> None:
    """They inherit it, whenever the listening socket began."""
    with listen() as listener:
        keep_alive(listener)
        with socket.create_connection(listener.getsockname()):
            listener.setblocking(True)
            accepted = listener.accept()[0]
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


def test_without_the_system_s_help_nothing_is_steered() -> None:
    """A socket that shares nothing cannot be steered, and says so."""
    with socket.socket(socket.AF_UNIX) as other:
        assert not steer(other, 0, 1)
        assert not let_go(other)
        keep_alive(other)
