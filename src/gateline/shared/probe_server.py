"""A small HTTP server for processes that serve nobody: it lets them be asked for their health."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask


@contextmanager
def probe_server(app: Flask, host: str, port: int) -> Iterator[int]:
    """Answer for `app` from a thread while the block runs; give the port, also when any was asked.

    Raises OSError when the port is taken by another program.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        """Leaves the access log to the app."""

        def log(self, *_: Any) -> None:
            """Say nothing."""

    with _listener(host, port) as listener:
        server = make_server(
            host, port, app, threaded=True, request_handler=Quiet, fd=listener.fileno()
        )
        thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; a supervisor may hold the same port for its children."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Both: one to share with the supervisor, one to come back while old connections time out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(16)
    except BaseException:
        listener.close()
        raise
    return listener
