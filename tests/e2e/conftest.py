"""A browser before the running platform, and people who use it."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import ARGUMENTS, PASSWORD, Visit, browser_program
from playwright.sync_api import Browser, sync_playwright
from running_platform import RunningPlatform

Open = Callable[..., Visit]


# For one module, not the session: while it runs, its event loop belongs to this thread, and tests
# of others could start none of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the system's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_program(), args=[*ARGUMENTS])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Give the folder for screenshots, `GATELINE_SCREENSHOTS`; without one none are taken."""
    named = os.environ.get("GATELINE_SCREENSHOTS")
    if not named:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(platform: RunningPlatform, browser: Browser, screenshots: Path | None) -> Iterator[Open]:
    """Give a function that opens a browser, as a sample account when a kind is named.

    Whatever goes wrong in one of them fails the test at its end.
    """
    opened: list[Visit] = []

    def begin(kind: str = "", *, scripts: bool = True) -> Visit:
        opened.append(Visit.begin(browser, platform.url, screenshots, scripts=scripts))
        if kind:
            email = f"{kind}@example.com"
            opened[-1].log_in(kind, email, platform.accounts[email])
        return opened[-1]

    yield begin
    for one in opened:
        one.end()


@pytest.fixture
def newcomer(visit: Open) -> Visit:
    """Give the browser of a patient who has just registered, with the password `PASSWORD`."""
    one = visit()
    one.name = f"new-{uuid.uuid4().hex[:10]}@example.com"
    answer = one.context.request.post(
        "/api/web/auth/patient/register",
        data={
            "first_name": "Nora",
            "last_name": "Vidal",
            "email": one.name,
            "password": PASSWORD,
        },
    )
    assert answer.status == 201, answer.text()
    return one
