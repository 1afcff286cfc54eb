"""What the supervisor promises on bad days, with real processes and real kills."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from running_platform import (
    RunningPlatform,
    children_of,
    launch,
    processes_of,
    start_platform,
)
from tests.conftest import MORTAL_PASSWORD as PASSWORD

BACK_SECONDS = 20.0
GONE_SECONDS = 10.0
SECOND_START_SECONDS = 8.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills are looked up in /proc")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a short folder of its own for one platform."""
    path = Path(tempfile.mkdtemp(prefix="gateline-faults-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def patient_platform(mortal_platform: RunningPlatform) -> RunningPlatform:
    """Give a platform that may be hurt, healed from what the test before did to it."""
    _eventually(lambda: _own_name(mortal_platform.url) != "")
    return mortal_platform


def test_a_killed_server_takes_its_workers_along(patient_platform: RunningPlatform) -> None:
    """Workers of a killed service end: one left behind would keep answering on the port."""
    server = _child(patient_platform, "web")
    workers = children_of(server)
    assert workers

    os.kill(server, signal.SIGKILL)

    _eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    _eventually(lambda: _is_healthy(patient_platform.url))


def test_a_killed_worker_is_replaced(patient_platform: RunningPlatform) -> None:
    """A worker that dies is replaced by its own server; the supervisor has nothing to do."""
    server = _child(patient_platform, "clinic")
    (worker,) = children_of(server)

    os.kill(worker, signal.SIGKILL)

    _eventually(lambda: bool(children_of(server)) and worker not in children_of(server))
    _eventually(lambda: _is_healthy(patient_platform.url))
    assert _child(patient_platform, "clinic") == server


def test_a_second_platform_on_the_same_data_is_refused(patient_platform: RunningPlatform) -> None:
    """The second one ends with one line that names the first, and leaves it alone."""
    second = _run_up("--data-dir", str(patient_platform.folder / "data"), "--port", "0")

    assert second.returncode == 2
    (line,) = second.stderr.strip().splitlines()
    assert "running on" in line
    assert str(patient_platform.process.pid) in line
    _eventually(lambda: _is_healthy(patient_platform.url))


def test_a_taken_port_is_one_line(patient_platform: RunningPlatform, folder: Path) -> None:
    """Our own servers share ports, so a taken one must be noticed before anything starts."""
    port = patient_platform.url.rpartition(":")[2]

    second = _run_up("--data-dir", str(folder / "data"), "--port", port)

    assert second.returncode == 2
    (line,) = second.stderr.strip().splitlines()
    assert f"Port {port} on 127.0.0.1 is taken" in line


def test_two_platforms_live_side_by_side(patient_platform: RunningPlatform, folder: Path) -> None:
    """A second folder is a second platform, with its own data and passwords; Ctrl-C ends it.

    The end takes no more than 10 s, with a request in flight, and leaves no process.
    """
    other = start_platform(folder)
    try:
        assert _is_healthy(other.url)
        _eventually(lambda: _is_healthy(patient_platform.url))
        assert len(set(other.accounts.values())) == 5
        assert PASSWORD not in other.accounts.values()
        host, _, port = other.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as hanging:
            hanging.sendall(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n")
            seconds = other.stop(signal.SIGINT)
    finally:
        other.kill()

    assert other.process.returncode == 0
    assert seconds < GONE_SECONDS
    assert processes_of(folder) == {}
    _eventually(lambda: _is_healthy(patient_platform.url))


def test_data_survive_a_kill_of_everything(folder: Path) -> None:
    """Kill -9 of every process at once loses nothing that was acknowledged.

    The next start cleans up by itself, is ready in 8 s, and SIGTERM then leaves nothing.
    """
    first = start_platform(folder, environment={"GATELINE_SAMPLE_PASSWORD": PASSWORD})
    account = {"email": "kept@example.com", "password": PASSWORD, "user_type": "patient"}
    made = requests.post(
        f"{first.url}/api/auth/register",
        json={**account, "first_name": "Ada", "last_name": "Kept"},
        timeout=10,
    )
    assert made.status_code == 201, made.text
    for pid in processes_of(folder):
        _kill(pid)
    first.process.wait(10)
    _eventually(lambda: processes_of(folder) == {})

    began = time.monotonic()
    again = start_platform(folder)
    try:
        assert time.monotonic() - began < SECOND_START_SECONDS * _busyness()
        assert _log_in(again.url, "kept@example.com").status_code == 200
        assert again.accounts == {}, "passwords are shown once"
        assert again.env["SECRET_KEY"] == first.env["SECRET_KEY"]
        assert again.stop(signal.SIGTERM) < GONE_SECONDS
    finally:
        again.kill()
    assert processes_of(folder) == {}
    assert "GATELINE_URL" not in (folder / "data" / "env").read_text()


def test_a_killed_supervisor_leaves_no_orphans(folder: Path) -> None:
    """With the supervisor gone, engines and services end by themselves."""
    process = launch(folder)
    try:
        _eventually(lambda: any("postgres" in line for line in processes_of(folder).values()))
    finally:
        process.kill()
        process.wait(10)

    _eventually(lambda: processes_of(folder) == {})


def _busyness() -> float:
    """Return how much slower than idle the machine is, as far as others keep it busy."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _child(platform: RunningPlatform, name: str) -> int:
    """Return the process id of a child of the supervisor, 0 when it has none of that name."""
    marks = {"postgres": "/postgres -D ", "valkey": "-server "}
    mark = marks.get(name, f" serve {name} ")
    children = children_of(platform.process.pid)
    return next((pid for pid, command in children.items() if mark in command), 0)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _log_in(url: str, email: str) -> requests.Response:
    account = {"email": email, "password": PASSWORD}
    return requests.post(f"{url}/api/v1/auth/login", json=account, timeout=10)


def _own_name(url: str) -> str:
    """Return the sample patient's name as the clinic tells it, empty while something is away."""
    login = _log_in(url, "patient@example.com")
    if login.status_code != 200:
        return ""
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    answer = requests.get(f"{url}/api/v1/patients/me", headers=headers, timeout=10)
    return str(answer.json().get("name", ""))


def _run_up(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateline", "up", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
