"""Every child is killed in turn while people work: what was acknowledged is there afterwards."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Self

import pytest
import requests
from running_platform import RunningPlatform, children_of
from tests.conftest import MORTAL_PASSWORD as PASSWORD

CHILDREN = ("postgres", "valkey", "auth", "clinic", "retail", "api", "jobs", "web", "edge")
BACK_SECONDS = 40.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills are looked up in /proc")


@pytest.fixture
def busy_platform(mortal_platform: RunningPlatform) -> RunningPlatform:
    """Give a platform whose limits let a few clients work without a pause, in good health."""
    _eventually(lambda: _is_healthy(mortal_platform.url))
    return mortal_platform


class Workers:
    """Clients that write and read all the time, and remember what they were promised."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.url = platform.url.rstrip("/")
        self.promised: list[str] = []
        self.refused = 0
        self.odd: list[str] = []
        self._bearer = self._log_in("doctor")
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._write, self._read)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def is_there(self, patient: str) -> bool:
        """Tell whether a patient that was promised can be read."""
        path = f"/api/v1/patients/{patient}"
        answer = requests.get(self.url + path, headers=self._bearer, timeout=30)
        return answer.status_code == 200

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            body = {"name": f"Under Load {number}"}
            answer = self._ask("POST", "/api/v1/patients/", json=body)
            if answer is not None and answer.status_code == 201:
                self.promised.append(answer.json()["id"])

    def _read(self) -> None:
        while not self._over.is_set():
            self._ask("GET", "/api/v1/doctors/me")

    def _ask(self, method: str, path: str, **options: object) -> requests.Response | None:
        """Send one request; a refusal must be one of the standard kind."""
        try:
            answer = requests.request(
                method,
                self.url + path,
                headers=self._bearer,
                timeout=30,
                **options,  # type: ignore[arg-type]
            )
        except requests.RequestException:  # the edge itself was killed
            self.refused += 1
            self._over.wait(0.05)
            return None
        if answer.status_code >= 400:
            self.refused += 1
            if answer.status_code < 500 or '"reason"' not in answer.text:
                self.odd.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            self._over.wait(0.05)
        return answer

    def _log_in(self, kind: str) -> dict[str, str]:
        body = {"email": f"{kind}@example.com", "password": PASSWORD}
        answer = requests.post(f"{self.url}/api/auth/login", json=body, timeout=30)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_nothing_acknowledged_is_lost(busy_platform: RunningPlatform) -> None:
    """After kill -9 of each child under load it comes back, as the log says; promises are kept."""
    with Workers(busy_platform) as workers:
        for child in CHILDREN:
            before = len(workers.promised)
            _eventually(lambda enough=before + 5: len(workers.promised) >= enough)  # type: ignore[misc]
            victim = _child(busy_platform, child)
            begin = len(busy_platform.output)
            os.kill(victim, signal.SIGKILL)
            died = f"{child} has died (killed by SIGKILL)"
            _eventually(lambda died=died, begin=begin: died in busy_platform.output[begin:])  # type: ignore[misc]
            _eventually(lambda: _is_healthy(busy_platform.url))
    sys.stdout.write(f"{len(workers.promised)} writes promised, {workers.refused} refusals\n")
    told = [line for line in busy_platform.output.splitlines() if " 500 " in line or "rror" in line]
    assert workers.odd == [], "\n".join(told)
    assert [one for one in workers.promised if not workers.is_there(one)] == []


def _child(platform: RunningPlatform, name: str) -> int:
    marks = {"postgres": "/postgres -D ", "valkey": "-server "}
    mark = marks.get(name, f" serve {name} ")
    for pid, command in children_of(platform.process.pid).items():
        if mark in command:
            return pid
    raise AssertionError(f"{name} is no child: {children_of(platform.process.pid)}")


def _is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url.rstrip('/')}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + BACK_SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come back in time"
        time.sleep(0.1)
