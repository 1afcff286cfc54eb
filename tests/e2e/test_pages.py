"""Every page as everybody sees it: desk and phone, light and dark, with nothing to complain of."""

import pytest
from browsing import PHONE
from tests.e2e.conftest import Open

PAGES = [
    ("", "/", "landing", 200),
    ("", "/?login=1&as=doctor", "login", 200),
    ("", "/?notice=other-kind", "notice", 200),
    ("", "/register", "register", 200),
    ("", "/register/patient", "register-patient", 200),
    ("", "/register/doctor", "register-doctor", 200),
    ("", "/register/institution", "register-institution", 200),
    ("", "/docs", "docs", 200),
    ("", "/docs/architecture", "architecture", 200),
    ("", "/docs/arquitectura", "arquitectura", 200),
    ("", "/docs/search?q=sesiones", "search", 200),
    ("", "/nowhere", "not-found", 404),
    ("", "/admin", "admin-login", 200),
    ("patient", "/", "landing", 200),
    ("patient", "/patient/dashboard", "dashboard", 200),
    ("patient", "/account", "account", 200),
    ("doctor", "/doctor/dashboard", "dashboard", 200),
    ("institution", "/institution/dashboard", "dashboard", 200),
    ("admin", "/admin", "control-room", 200),
    ("customer", "/account", "account", 200),
]


@pytest.mark.parametrize(("kind", "path", "name", "status"), PAGES)
def test_page(visit: Open, kind: str, path: str, name: str, status: int) -> None:
    """A page fits into desk and phone, in light and dark, without a finding of axe."""
    one = visit(kind)
    one.see(path, status=status)
    one.inspect(name)


def test_reference(visit: Open) -> None:
    """The reference of the API can be read with one operation open."""
    one = visit()
    page = one.see("/docs/api?q=api/orders#post-api-orders")
    page.locator("#post-api-orders").get_by_text("shipping_address.zip").first.wait_for()
    one.inspect("reference")
    one.see("/docs/api")
    one.picture("reference-whole")


def test_every_page_of_the_manual(visit: Open) -> None:
    """Each page of the manual fits a phone without a finding of axe."""
    one = visit()
    links = one.see("/docs").locator(".docs-nav a").all()
    addresses = [link.get_attribute("href") or "" for link in links]
    assert len(addresses) > 3
    for address in addresses:
        if address != "/docs/api":
            one.see(address)
            one.inspect(address, sizes=(PHONE,), schemes=("dark",), pictures=False)
