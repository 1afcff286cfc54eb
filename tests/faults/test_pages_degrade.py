"""A service that is away takes its own part of a page with it, and nothing else."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

import pytest
import requests
from running_platform import RunningPlatform, children_of

SECONDS = 30

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


@pytest.fixture
def browser(platform: RunningPlatform) -> Iterator[requests.Session]:
    """Give a browser in which a doctor has logged in."""
    with requests.Session() as session:
        body = {
            "email": "doctor@example.com",
            "password": platform.accounts["doctor@example.com"],
        }
        url = f"{platform.url}/api/web/auth/doctor/login"
        assert session.post(url, json=body, timeout=SECONDS).status_code == 200
        yield session


@contextlib.contextmanager
def _frozen(platform: RunningPlatform, service: str) -> Iterator[None]:
    """Let a service hang: it still has its port, and answers nobody."""
    group = [
        process
        for pid, command in children_of(platform.process.pid).items()
        if f" serve {service} " in command
        for process in (pid, *children_of(pid))
    ]
    assert group
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(group):
            os.kill(pid, signal.SIGCONT)


def _page(platform: RunningPlatform, browser: requests.Session, path: str) -> tuple[int, str]:
    answer = browser.get(platform.url + path, timeout=SECONDS, allow_redirects=False)
    return answer.status_code, answer.text


def test_the_account_page_without_profiles(
    platform: RunningPlatform, browser: requests.Session
) -> None:
    """While api hangs the page says so of the profile, and still lists the sessions."""
    assert "cannot be shown" not in _page(platform, browser, "/account")[1]
    with _frozen(platform, "api"):
        status, text = _page(platform, browser, "/account")
    assert status == 200
    assert "The profile cannot be shown" in text
    assert "The list cannot be shown" not in text


def test_a_dashboard_without_its_service(
    platform: RunningPlatform, browser: requests.Session
) -> None:
    """While the clinic hangs the dashboard says so of everything; other pages are served."""
    assert _page(platform, browser, "/doctor/dashboard")[0] == 200
    with _frozen(platform, "clinic"):
        status, text = _page(platform, browser, "/doctor/dashboard")
        others = {path: _page(platform, browser, path)[0] for path in ("/", "/docs", "/account")}
    assert status == 503
    assert "Nothing can be shown" in text
    assert others == {"/": 200, "/docs": 200, "/account": 200}


def test_the_control_room_without_the_shop(platform: RunningPlatform) -> None:
    """While retail hangs the statistics leave out cameras and alerts, and say why."""
    with requests.Session() as session:
        body = {"username": "admin", "password": platform.accounts["admin@example.com"]}
        url = f"{platform.url}/admin/login"
        assert session.post(url, json=body, timeout=SECONDS).status_code == 200
        with _frozen(platform, "retail"):
            answer = session.get(f"{platform.url}/admin/dashboard/stats", timeout=SECONDS)
    assert answer.status_code == 200
    told = answer.json()
    assert told["users"]
    assert "retail" in told["errors"]
