"""The control room by mouse: who gets in, accounts, logs, sessions, and charts that live."""

import re
import uuid
from collections.abc import Callable

import pytest
import requests
from browsing import PASSWORD, PHONE, Visit
from playwright.sync_api import Locator, Page, expect
from running_platform import RunningPlatform
from tests.e2e.conftest import Open

TABS = ("logs", "accounts", "sessions", "audit")


@pytest.fixture
def room(visit: Open) -> Visit:
    """Give an administrator's browser in the control room, with its connection up."""
    one = visit("admin")
    page = one.see("/admin")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return one


@pytest.fixture
def made(room: Visit) -> Callable[[str], str]:
    """Give a function that makes an account of a kind and returns its user name."""

    def make(kind: str) -> str:
        name = f"room-{uuid.uuid4().hex[:10]}"
        body = {"username": name, "password": PASSWORD, "user_type": kind}
        assert room.context.request.post("/admin/users", data=body).status == 201
        return name

    return make


def _open(page: Page, tab: str, **filters: str) -> Locator:
    """Go to a tab and filter it; return its panel."""
    page.get_by_role("tab", name=tab.capitalize()).click()
    panel = page.get_by_role("tabpanel", name=tab.capitalize())
    for label, text in filters.items():
        panel.get_by_label(label.replace("_", " "), exact=False).fill(text)
    return panel


def _row(page: Page, name: str) -> Locator:
    """Find an account by its name."""
    panel = _open(page, "accounts")
    panel.get_by_label("Name or e-mail").fill(name)
    row = panel.get_by_role("listitem").filter(has_text=name)
    expect(row).to_have_count(1)
    return row


def test_login(visit: Open, platform: RunningPlatform) -> None:
    """A wrong password and another kind of account are told; the right one leads inside."""
    one = visit()
    one.refusals |= {401, 403}
    page = one.see("/admin")
    doctor = "doctor@example.com"
    for name, password in (("admin", "wrong password"), (doctor, platform.accounts[doctor])):
        page.get_by_label("User name or e-mail address").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).not_to_be_empty()
    one.inspect("admin-login-wrong", sizes=(PHONE,))
    page.get_by_label("User name or e-mail address").fill("admin")
    page.get_by_label("Password").fill(platform.accounts["admin@example.com"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/admin*")
    expect(page.get_by_label("User name or e-mail address")).to_be_visible()


def test_every_tab_in_every_look(room: Visit) -> None:
    """Desk and phone, light and dark: nothing sticks out, axe finds nothing."""
    for tab in TABS:
        panel = _open(room.page, tab)
        expect(panel.get_by_role("listitem").first).to_be_visible()
        if tab == "logs":
            panel.get_by_role("button", name="Following").click()
        room.inspect(f"control-room-{tab}")


def test_an_account_is_made(room: Visit, visit: Open) -> None:
    """What is wrong is told at its field and nothing is made; what is right can log in."""
    page, name = room.page, f"new-{uuid.uuid4().hex[:10]}"
    panel = _open(page, "accounts")
    panel.get_by_role("button", name="New account").click()
    dialog = page.get_by_role("dialog", name="New account")
    dialog.get_by_role("button", name="Make account").click()
    expect(page.locator("#dialog-username-wrong")).to_contain_text("user name or an e-mail")
    dialog.get_by_label("User name").fill(name)
    dialog.get_by_label("Password").fill("weak")
    dialog.get_by_role("button", name="Make account").click()
    expect(page.locator("#dialog-password-wrong")).to_have_text("Use at least 8 characters.")
    room.inspect("new-account-wrong", sizes=(PHONE,))
    assert room.context.request.get(f"/admin/users?q={name}").json()["items"] == []
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Make account").click()
    expect(dialog).to_be_hidden()
    expect(_row(page, name)).to_contain_text("never logged in")
    visit().log_in("admin", name, PASSWORD)

    room.refusals.add(409)
    panel.get_by_role("button", name="New account").click()
    dialog.get_by_label("User name").fill(name)
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Make account").click()
    expect(dialog.get_by_role("alert").or_(page.locator("#dialog-username-wrong"))).to_contain_text(
        re.compile(r"\w")
    )
    dialog.get_by_role("button", name="Cancel").click()


def test_an_account_gets_a_password(room: Visit, made: Callable[[str], str], visit: Open) -> None:
    """The new one opens the account, the old one no more."""
    name, page = made("admin"), room.page
    other = visit()
    _row(page, name).get_by_role("button", name="Set password").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("New password").fill("short")
    dialog.get_by_role("button", name="Set password").click()
    expect(page.locator("#dialog-password-wrong")).to_have_text("Use at least 8 characters.")
    dialog.get_by_label("New password").fill(f"{PASSWORD} anew")
    dialog.get_by_role("button", name="Set password").click()
    expect(dialog).to_be_hidden()
    refused = other.context.request.post(
        "/admin/login", data={"username": name, "password": PASSWORD}
    )
    assert refused.status == 401
    other.log_in("admin", name, f"{PASSWORD} anew")


def test_an_account_is_shut_opened_and_deleted(
    room: Visit, made: Callable[[str], str], visit: Open
) -> None:
    """Each asks before it is done; shutting ends the sessions, deleting leaves nothing."""
    name, page = made("admin"), room.page
    inside = visit().log_in("admin", name, PASSWORD).context.request
    row = _row(page, name)
    row.get_by_role("button", name="Shut").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert inside.get("/admin/users").ok
    row.get_by_role("button", name="Shut").click()
    page.get_by_role("dialog").get_by_role("button", name="Shut account").click()
    expect(row.get_by_text("shut", exact=True)).to_be_visible()
    assert inside.get("/admin/users").status == 401
    row.get_by_role("button", name="Open").click()
    expect(row.get_by_text("shut", exact=True)).to_be_hidden()
    row.get_by_role("button", name="Delete").click()
    room.inspect("delete-account", sizes=(PHONE,))
    page.get_by_role("dialog").get_by_role("button", name="Delete account").click()
    expect(row).to_have_count(0)


def test_the_last_administrator_stays(room: Visit) -> None:
    """One's own account has no such buttons, and the refusal behind them is the server's."""
    own = _row(room.page, "admin@example.com")
    expect(own.get_by_text("you", exact=True)).to_be_visible()
    for action in ("Delete", "Shut", "Set password"):
        expect(own.get_by_role("button", name=action)).to_have_count(0)
    assert room.context.request.delete("/admin/users/admin").status == 409
    assert room.context.request.patch("/admin/users/admin", data={"is_active": False}).status == 409


def test_logs_are_filtered_and_followed(room: Visit, platform: RunningPlatform) -> None:
    """By level, service and text; a request is followed by its id; new lines come by themselves."""
    page, mark = room.page, uuid.uuid4().hex

    def ask(path: str) -> None:
        requests.get(f"{platform.url}{path}", headers={"X-Request-ID": mark}, timeout=10)

    ask(f"/api/v1/doctors/{mark}")
    panel = _open(page, "logs")
    lines = panel.get_by_role("list").get_by_role("listitem")
    panel.get_by_label("Text").fill(mark)
    expect(lines.first).to_contain_text(mark)
    panel.get_by_role("button", name=mark[:8]).first.click()
    expect(panel.get_by_label("Request id")).to_have_value(mark)
    expect(lines.filter(has_not_text=mark[:8])).to_have_count(0)
    before = lines.count()
    ask("/api/health")  # the edge's line and the service's come to an open page
    expect(lines.filter(has_text="/api/health").first).to_be_visible()
    assert lines.count() > before
    panel.get_by_label("Service").select_option("edge")
    expect(lines.locator(".service").filter(has_not_text="edge")).to_have_count(0)
    panel.get_by_label("At least").select_option("critical")
    expect(panel.get_by_text("No entry matches.")).to_be_visible()


def test_a_session_is_ended(room: Visit, made: Callable[[str], str], visit: Open) -> None:
    """By the account's name; whoever used it is out at once."""
    name, page = made("admin"), room.page
    inside = visit().log_in("admin", name, PASSWORD).context.request
    panel = _open(page, "sessions")
    panel.get_by_label("User name or e-mail").fill(name)
    panel.get_by_role("button", name="Show").click()
    row = panel.get_by_role("listitem").filter(has_text=name)
    expect(row).to_have_count(1)
    row.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End session").click()
    expect(row).to_have_count(0)
    assert inside.get("/admin/users").status == 401


def test_charts_move_with_the_traffic(room: Visit, platform: RunningPlatform) -> None:
    """What goes through the gate shows within seconds, without a reload."""
    chart = room.page.locator("[data-chart=requests]")
    before = chart.inner_html()
    for _ in range(20):
        requests.get(f"{platform.url}/api/health", timeout=10)
    expect(room.page.locator("[data-passing]")).to_contain_text("/api/health")
    moved = "before => document.querySelector('[data-chart=requests]').innerHTML !== before"
    room.page.wait_for_function(moved, arg=before)
    expect(chart).to_have_attribute("aria-label", re.compile(r"Requests a second: [1-9]"))
