"""Clients of the live channel, as tests of the edge need them."""

import contextlib
import json
import socket
import time
from collections.abc import Callable
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

PATIENCE = 10.0
DASHBOARD = "/ws/dashboard"


class Listener:
    """A plain WebSocket to the dashboard."""

    def __init__(self, port: int, path: str = DASHBOARD, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._stack = contextlib.ExitStack()
        self.socket: ClientConnection = self._stack.enter_context(
            connect(
                f"ws://127.0.0.1:{port}{path}",
                additional_headers=named,
                open_timeout=PATIENCE,
                close_timeout=1,
                compression=None,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye and leave."""
        self._stack.close()

    def vanish(self) -> None:
        """Leave without a word."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self._stack.close()

    def next(self, kind: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the next event of a kind that is wanted; others are passed over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            event = json.loads(self.socket.recv(timeout=max(0.01, deadline - time.monotonic())))
            if event["type"] == kind and wanted(event):
                return event

    def until_closed(self) -> tuple[int, str, float]:
        """Return the code and reason with which the edge closes, and after how many seconds."""
        started = time.monotonic()
        try:
            while time.monotonic() - started < PATIENCE:
                self.socket.recv(timeout=PATIENCE)
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise AssertionError("dropped without a close frame") from closed
            return closed.rcvd.code, closed.rcvd.reason, time.monotonic() - started
        raise AssertionError("still open")


def refusal(port: int, path: str = DASHBOARD, **headers: str) -> tuple[int, str]:
    """Return the status and reason with which a handshake is refused."""
    try:
        with Listener(port, path, **headers):
            raise AssertionError("it was let in")
    except InvalidStatus as error:
        body = json.loads(bytes(error.response.body or b"{}"))
        return error.response.status_code, body["details"]["reason"]
