"""Health of a process that serves nobody."""

import socket
import urllib.request

import pytest
from flask import Flask

from gateline.shared.probe_server import probe_server


def test_it_answers_while_the_block_runs() -> None:
    """The app answers on the port that is given, and nobody does afterwards."""
    app = Flask(__name__)
    app.add_url_rule("/livez", view_func=lambda: {"status": "alive"})
    with probe_server(app, "127.0.0.1", 0) as port:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5)
        assert answer.status == 200
        answer.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_held_by_the_supervisor_is_shared() -> None:
    """The supervisor keeps the port from others without listening on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with probe_server(Flask(__name__), "127.0.0.1", port) as found:
            assert found == port


def test_a_taken_port_is_an_error() -> None:
    """Another program's port is not shared."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = probe_server(Flask(__name__), "127.0.0.1", other.getsockname()[1])
        with pytest.raises(OSError, match="in use"), taken:
            pass
