"""Every form: right and wrong input, with scripts and without."""

import re
import uuid

import pytest
from browsing import PASSWORD, PHONE, Visit
from playwright.sync_api import Page, expect
from running_platform import RunningPlatform
from tests.e2e.conftest import Open

KINDS = ("patient", "doctor", "institution")


def _address() -> str:
    return f"form-{uuid.uuid4().hex[:10]}@example.com"


def _fill(page: Page, kind: str, email: str, password: str) -> None:
    if kind == "institution":
        page.get_by_label("Name of the institution").fill("Clínica del Puerto")
        page.get_by_label("City").fill("Valle Alto")
    else:
        page.get_by_label("First name").fill("Nora")
        page.get_by_label("Last name").fill("Vidal")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Telephone").fill("+34 600 000 000")
    page.get_by_label("Password", exact=True).fill(password)


@pytest.mark.parametrize("kind", KINDS)
def test_login_and_logout(visit: Open, platform: RunningPlatform, kind: str) -> None:
    """The dialog leads each kind to its dashboard; logging out ends that."""
    page = visit().see("/")
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Log in").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(kind.capitalize(), exact=True).click()
    dialog.get_by_label("E-mail address").fill(f"{kind}@example.com")
    dialog.get_by_label("Password", exact=True).fill(platform.accounts[f"{kind}@example.com"])
    dialog.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**/{kind}/dashboard")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/")
    page.goto(f"/{kind}/dashboard")
    assert "login=1" in page.url


def test_login_refused(visit: Open, platform: RunningPlatform) -> None:
    """What is missing is said at its field; what is wrong in the dialog, which stays open."""
    one = visit()
    one.refusals |= {400, 401, 403}
    page = one.see("/?login=1&as=patient")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Log in").click()
    expect(page.locator("#email-wrong")).to_have_text("Please fill this in.")
    expect(page.locator("#password-wrong")).to_have_text("Please fill this in.")
    one.inspect("login-empty", sizes=(PHONE,))
    dialog.get_by_label("E-mail address").fill("patient@example.com")
    dialog.get_by_label("Password", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    one.inspect("login-wrong", sizes=(PHONE,))
    dialog.get_by_text("Doctor", exact=True).click()
    dialog.get_by_label("Password", exact=True).fill(platform.accounts["patient@example.com"])
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("account")


def test_login_by_keyboard(visit: Open) -> None:
    """The dialog opens, is walked through and closes by keyboard, and the focus comes back."""
    page = visit().see("/")
    opener = page.get_by_role("navigation", name="Account").get_by_role("link", name="Log in")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()


@pytest.mark.parametrize("kind", KINDS)
def test_registration(visit: Open, kind: str) -> None:
    """Each kind registers and stands on its dashboard, which knows what was told."""
    one = visit()
    one.name = f"new-{kind}"
    page = one.see("/register")
    page.locator(f'a[href="/register/{kind}"]').click()
    _fill(page, kind, _address(), PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url(f"**/{kind}/dashboard?notice=welcome")
    expect(page.get_by_text("Your account is ready")).to_be_visible()
    expect(page.get_by_text("+34 600 000 000")).to_be_visible()
    one.inspect("dashboard-new", schemes=("light",))


def test_registration_refused(visit: Open) -> None:
    """What is wrong is said at each field, by the browser's checks and by the services."""
    one = visit()
    one.refusals |= {400, 409}
    page = one.see("/register/doctor")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#first_name-wrong")).to_have_text("Please fill this in.")
    expect(page.get_by_label("First name")).to_be_focused()
    _fill(page, "doctor", "doctor@example.com", "short")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#password-wrong")).to_contain_text("at least 8 characters")
    one.inspect("register-refused")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#email-wrong")).to_contain_text("already")
    page.get_by_label("E-mail address").fill("nonsense")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#email-wrong")).to_contain_text("e-mail address")


def test_without_scripts(visit: Open) -> None:
    """Registration, account and logout work in a browser without scripts, right and wrong."""
    one = visit(scripts=False)
    page = one.see("/register/patient")
    email = _address()
    one.refusals.add(400)
    _fill(page, "patient", email, "12345678")
    page.get_by_label("Telephone").fill("not a number")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#phone-wrong")).to_contain_text("telephone number")
    expect(page.get_by_label("First name")).to_have_value("Nora")
    _fill(page, "patient", email, PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Your account is ready")).to_be_visible()
    page.goto("/account")
    page.get_by_role("button", name="Log out").first.click()
    page.goto("/login?as=patient")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    assert page.url.endswith("/patient/dashboard")
    page.goto("/docs/search?q=revoked+session")
    expect(page.get_by_role("link", name=re.compile("^Architecture .* Sessions$"))).to_be_visible()


def test_profile(newcomer: Visit) -> None:
    """Name and telephone are changed on the account page; what makes no sense is refused there."""
    newcomer.refusals.add(400)
    page = newcomer.see("/account")
    page.get_by_label("Telephone").fill("no number")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#phone-wrong")).not_to_be_empty()
    expect(page.get_by_label("Telephone")).to_have_value("no number")
    newcomer.name = "patient"
    newcomer.inspect("account-refused", sizes=(PHONE,))
    page.get_by_label("Name", exact=True).fill("Nora Vidal Ruiz")
    page.get_by_label("Telephone").fill("+34 611 222 333")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your profile is changed.")
    page.goto("/account")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Nora Vidal Ruiz")
    expect(page.get_by_label("Telephone")).to_have_value("+34 611 222 333")


def test_password(newcomer: Visit) -> None:
    """The password is changed with the current one only."""
    newcomer.refusals.add(400)
    page = newcomer.see("/account")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("#new_password-wrong")).to_have_text("Please fill this in.")
    page.get_by_label("Current password").fill("not this one")
    page.get_by_label("New password").fill("another good sentence")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("#current_password-wrong")).to_have_text("This is not your password.")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("another good sentence")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is changed.")


def test_sessions(newcomer: Visit, visit: Open) -> None:
    """A session that is ended on the account page ends in the other browser; all others too."""
    email = newcomer.name
    other, third = (visit().log_in("patient", email, PASSWORD) for _ in range(2))
    page = newcomer.see("/account")
    ends = page.get_by_role("button", name=re.compile("^End the session"))
    expect(ends).to_have_count(2)
    newcomer.name = "patient"
    newcomer.inspect("account-sessions")
    ends.first.click()
    expect(page.get_by_role("status")).to_have_text("That session has ended.")
    expect(ends).to_have_count(1)
    page.get_by_role("button", name="End all others").click()
    expect(page.get_by_role("status")).to_have_text("Every other session has ended.")
    expect(ends).to_have_count(0)
    for ended in (other, third):
        assert "login=1" in ended.see("/account").url


def test_search_of_the_manual(visit: Open) -> None:
    """Typing finds sections, the arrows walk through them, Enter leads there, Escape closes."""
    one = visit()
    page = one.see("/docs")
    page.keyboard.press("/")
    page.keyboard.type("sesion")
    hits = page.locator(".docs-found a")
    expect(hits.first).to_be_visible()
    expect(hits.first.locator("mark").first).to_be_visible()
    one.inspect("search-open")
    page.get_by_label("Search the docs").focus()
    page.keyboard.press("ArrowDown")
    expect(hits.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".docs-found")).to_be_hidden()
    page.keyboard.type(" xyzzy")
    expect(page.locator(".docs-found")).to_have_text("Nothing was found.")


def test_filter_of_the_reference(visit: Open) -> None:
    """The reference is narrowed down while typing, and says how many are left."""
    page = visit().see("/docs/api")
    page.get_by_label("Narrow down").fill("DELETE sessions")
    expect(page.locator(".ops-filter [data-count]")).to_have_text(re.compile(r"^\d+ found$"))
    shown = page.locator(".op:visible")
    assert 0 < shown.count() < 10
    assert all("DELETE" in text for text in shown.all_inner_texts())
