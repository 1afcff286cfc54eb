"""Ports: taken ones are noticed, held ones are ours."""

import socket
from collections.abc import Iterator

import pytest

from gateline.local.errors import LocalError
from gateline.local.ports import check_free, reserve

LOCAL = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen as granian does: with SO_REUSEPORT."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((LOCAL, 0))
        server.listen()
        yield server


def test_a_port_that_a_sharing_server_listens_on_is_taken(listener: socket.socket) -> None:
    """A second server would start beside it without an error; so this must notice."""
    port = listener.getsockname()[1]

    with pytest.raises(LocalError, match=f"Port {port} on {LOCAL} is taken"):
        check_free(LOCAL, port)


def test_a_taken_port_cannot_be_reserved(listener: socket.socket) -> None:
    """Holding a port is not sharing somebody's."""
    with pytest.raises(LocalError, match="is taken"):
        reserve(LOCAL, listener.getsockname()[1])


def test_a_reserved_port_is_taken_for_others() -> None:
    """Two platforms that start at once choose different ports."""
    with reserve(LOCAL) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(LocalError, match="is taken"):
            check_free(LOCAL, port)
    check_free(LOCAL, port)


def test_our_own_servers_may_listen_on_a_reserved_port() -> None:
    """The holder does not listen, so every connection reaches the server."""
    with reserve(LOCAL) as holder, socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(holder.getsockname())
        server.listen()
        with socket.create_connection(holder.getsockname(), timeout=2):
            server.accept()[0].close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    """The message says which addresses make sense."""
    with pytest.raises(LocalError, match=r"choose 127\.0\.0\.1"):
        check_free(host, 0)
