"""Ports: taken ones are noticed, held ones are ours."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from gateline.local.errors import LocalError
from gateline.local.ports import check_free, reserve
from gateline.shared.metrics import start_exporter
from gateline.shared.probe_server import probe_server

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


@pytest.mark.parametrize("server", ["exporter", "probes"])
def test_a_port_can_be_had_again_right_after_it_was_asked(server: str) -> None:
    """What scrapes leave behind for a minute (TIME-WAIT) does not keep a restart waiting."""
    with ExitStack() as running:
        if server == "exporter":
            port = running.enter_context(start_exporter(0)).port
        else:
            port = running.enter_context(probe_server(Flask("probed"), LOCAL, 0))
        for _ in range(3):
            with socket.create_connection((LOCAL, port), timeout=2) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                while client.recv(65536):
                    pass

    check_free(LOCAL, port)
    with reserve(LOCAL, port):
        pass


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    """The message says which addresses make sense."""
    with pytest.raises(LocalError, match=r"choose 127\.0\.0\.1"):
        check_free(host, 0)
