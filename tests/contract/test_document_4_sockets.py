"""Document 4, the retail gateway: its live dashboard, through the platform's public port."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import socketio
from live_clients import Listener
from running_platform import RunningPlatform

DASHBOARD = "/ws/dashboard"


@pytest.fixture
def log_in(platform: RunningPlatform, http: Any) -> Callable[[], str]:
    """Give a function that logs the administrator in and returns the access token."""

    def log_in() -> str:
        body = {"username": "admin", "password": platform.accounts["admin@example.com"]}
        return str(http("POST", "/admin/login", json=body).json()["access_token"])

    return log_in


def test_dashboard_as_websocket(
    platform: RunningPlatform, http: Any, log_in: Callable[[], str]
) -> None:
    """Document 4, WebSocket, `/ws/dashboard`: traffic is told as it happens, one JSON a message."""
    port = urlsplit(platform.url).port
    assert port is not None
    with Listener(port, Authorization=f"Bearer {log_in()}") as listener:
        assert {"version", "traffic"} <= listener.next("hello").keys()
        http("GET", "/cameras", headers={"X-Request-ID": "watched-from-outside"})
        told = listener.next("request", lambda one: one["request_id"] == "watched-from-outside")
        assert (told["path"], told["status"]) == ("/cameras", 200)


def test_dashboard_ends_with_its_session(
    platform: RunningPlatform, http: Any, log_in: Callable[[], str]
) -> None:
    """Document 4, WebSocket, `/ws/dashboard`: open as long as the administrator's session."""
    port, token = urlsplit(platform.url).port, log_in()
    assert port is not None
    bearer = {"Authorization": f"Bearer {token}"}
    with Listener(port, **bearer) as listener:
        listener.next("hello")
        assert http("POST", "/admin/logout", headers=bearer).status_code == 200
        assert listener.until_closed()[:2] == (4401, "session_revoked")


def test_dashboard_as_socket_io(
    platform: RunningPlatform, http: Any, log_in: Callable[[], str]
) -> None:
    """Document 4, WebSocket, real-time updates: the same as a Socket.IO namespace."""
    token = log_in()

    async def watch() -> dict[str, Any]:
        client = socketio.AsyncClient(reconnection=False)
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        client.on("traffic", heard.put, namespace=DASHBOARD)
        await client.connect(platform.url, namespaces=[DASHBOARD], auth={"token": token})
        try:
            async with asyncio.timeout(10):
                return await heard.get()
        finally:
            await client.disconnect()

    assert {"requests", "errors", "p50_ms", "p99_ms", "by_service"} <= asyncio.run(watch()).keys()
