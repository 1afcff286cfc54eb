"""Document 4, "WebSocket": `/ws/dashboard`, real-time dashboard updates, with real clients."""

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import socketio
from live_clients import Listener, refusal
from running_platform import RunningPlatform

from gateline.local.engines import wait_until
from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.telemetry import LogQuery, Telemetry

DASHBOARD = "/ws/dashboard"
SECONDS = 15

JAVASCRIPT = """
const { io } = require("socket.io-client");
const [url, token] = process.argv.slice(2);
const heard = [];
const socket = io(url + "/ws/dashboard", { auth: { token }, reconnection: false });
const end = (why) => { console.log(JSON.stringify({ why, heard })); process.exit(0); };
socket.onAny((event) => { heard.push(event); });
socket.on("traffic", () => end("heard"));
socket.on("connect_error", (error) => { heard.push(error.data.reason); end("refused"); });
setTimeout(() => end("nothing came"), 10000);
"""


def log_in(platform: RunningPlatform, email: str) -> str:
    """Return the access token of a sample account."""
    body = {"email": email, "password": platform.accounts[email]}
    answer = requests.post(f"{platform.url}/api/auth/login", json=body, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows who it is."""
    return {"Authorization": f"Bearer {token}"}


def port_of(platform: RunningPlatform) -> int:
    """Return the public port."""
    return int(urlsplit(platform.url).port or 0)


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with npm's socket.io-client, where npm and its registry can be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "socket.io-client@4"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=120)
    if done.returncode != 0:
        pytest.skip("npm cannot install socket.io-client here")
    (folder / "client.cjs").write_text(JAVASCRIPT)
    return folder


def test_a_plain_websocket_gets_updates(platform: RunningPlatform) -> None:
    """Document 4, "WebSocket": `/ws/dashboard` tells of requests in real time."""
    token = log_in(platform, "admin@example.com")
    with Listener(port_of(platform), **bearer(token)) as listener:
        assert listener.next("hello")["version"]
        head = {"X-Request-ID": "document-4-live"}
        requests.get(f"{platform.url}/api/health", headers=head, timeout=SECONDS)
        told = listener.next("request", lambda one: one["request_id"] == "document-4-live")
        assert (told["path"], told["upstream"]) == ("/api/health", "api")
        requests.get(f"{platform.url}/api/health", timeout=SECONDS)
        assert listener.next("traffic", lambda one: one["requests"] > 0)["edge"]


def test_a_python_socketio_client_gets_updates(platform: RunningPlatform) -> None:
    """Document 4, "Real-time communication using Flask-SocketIO": the same by Socket.IO."""
    token = log_in(platform, "admin@example.com")

    async def run() -> dict[str, Any]:
        client = socketio.AsyncClient(reconnection=False)
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        client.on("traffic", heard.put_nowait, namespace=DASHBOARD)
        await client.connect(platform.url, headers=bearer(token), namespaces=[DASHBOARD])
        try:
            return await asyncio.wait_for(heard.get(), SECONDS)
        finally:
            await client.disconnect()

    assert asyncio.run(run())["type"] == "traffic"


def test_a_javascript_client_gets_updates(platform: RunningPlatform, node_folder: Path) -> None:
    """Document 4, "Real-time communication": npm's socket.io-client, with its own defaults."""

    def listen(email: str) -> Any:
        command = ["node", "client.cjs", platform.url, log_in(platform, email)]
        done = subprocess.run(
            command, cwd=node_folder, check=True, capture_output=True, text=True, timeout=30
        )
        return json.loads(done.stdout)

    told = listen("admin@example.com")
    assert told["why"] == "heard"
    assert told["heard"][0] == "hello"
    assert listen("doctor@example.com") == {"why": "refused", "heard": ["role_missing"]}


def test_the_dashboard_is_for_administrators(platform: RunningPlatform) -> None:
    """Document 4, "Admin Dashboard": nobody else gets a socket."""
    port = port_of(platform)
    assert refusal(port) == (401, "session_missing")
    doctor = bearer(log_in(platform, "doctor@example.com"))
    assert refusal(port, **doctor) == (403, "role_missing")


def test_logging_out_closes_the_socket(platform: RunningPlatform) -> None:
    """Document 4, "JWT Authentication": a session that ends takes its socket along."""
    token = log_in(platform, "admin@example.com")
    with Listener(port_of(platform), **bearer(token)) as listener:
        listener.next("hello")
        url = f"{platform.url}/api/v1/auth/logout"
        assert requests.post(url, headers=bearer(token), timeout=SECONDS).status_code == 200
        code, reason, seconds = listener.until_closed()
        assert (code, reason) == (4401, "session_revoked")
        assert seconds < 1.0


def test_a_request_can_be_followed_through_all_processes(platform: RunningPlatform) -> None:
    """Document 4, "Structured Logging", "System logs": one id finds the lines of every process."""
    settings = Settings.load(dict(platform.env), folder=platform.folder)
    telemetry = Telemetry(kv.connect(settings))
    request_id = f"follow-{time.time_ns()}"
    head = {"X-Request-ID": request_id}
    body = {"email": "nobody@example.com", "password": "not the right one"}
    url = f"{platform.url}/api/auth/login"
    assert requests.post(url, json=body, headers=head, timeout=SECONDS).status_code == 401

    def services() -> set[str]:
        page = telemetry.logs(LogQuery(request_id=request_id))
        return {item["service"] for item in page.items}

    assert wait_until(lambda: services() >= {"edge", "auth"}, seconds=5), services()
    assert telemetry.traffic(2)[-1].total.requests + telemetry.traffic(2)[0].total.requests > 0
    telemetry._kv.close()
