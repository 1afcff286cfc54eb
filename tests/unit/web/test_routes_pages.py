"""Pages: the landing page, its login, and the dashboards."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.unit.web.conftest import Open, Stub, refusal
from tests.unit.web.test_registration import FORMS as REGISTRATIONS
from werkzeug import Request, Response

from gateline.shared.app import Parts
from gateline.shared.cookies import SESSION_COOKIE

FORM = {"user_type": "patient", "email": "patient@example.com", "password": "right"}


class Page(HTMLParser):
    """What a page consists of: its tags with their attributes, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        """Everything that can be read."""
        return " ".join(filter(None, self.words))


def page_of(response: Any) -> Page:
    """Read a page."""
    assert response.mimetype == "text/html"
    return Page(response.text)


@pytest.fixture
def auth(stub: Stub, open_session: Open) -> Stub:
    """Let the stand-in log everybody in as a patient."""
    stub.put("POST /api/v1/auth/login", {"access_token": open_session("patient"), "user": {}})
    stub.put("POST /api/v1/auth/logout", {"message": "Logged out"})
    return stub


def test_landing(client: FlaskClient) -> None:
    """The landing page offers a login for each kind of account in a dialog that is closed."""
    response = client.get("/")
    page = page_of(response)
    assert response.status_code == 200
    assert page.all("h1")
    dialog = page.all("dialog")[0]
    assert "open" not in dialog
    radios = [tag["value"] for tag in page.all("input") if tag.get("type") == "radio"]
    assert radios == ["patient", "doctor", "institution"]
    assert page.all("html")[0]["lang"] == "en"


def test_landing_needs_no_other_host(client: FlaskClient) -> None:
    """Scripts, styles and pictures come from here, nothing is inline, and the CSP says so."""
    response = client.get("/")
    page = page_of(response)
    addresses = [tag.get("src") for tag in page.all("script")]
    addresses += [tag.get("href") for tag in page.all("link")]
    assert addresses
    assert all(address and address.startswith("/static/") for address in addresses)
    assert not page.all("style")
    assert all("style" not in attributes for _, attributes in page.tags)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_assets_of_the_landing_page_are_there(client: FlaskClient) -> None:
    """Every file that the page names is served, to be kept for good."""
    page = page_of(client.get("/"))
    for address in [tag["src"] for tag in page.all("script")] + [
        tag["href"] for tag in page.all("link")
    ]:
        assert address is not None
        response = client.get(address, buffered=True)
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/?login=1"])
def test_security_headers(client: FlaskClient, path: str) -> None:
    """Every page, an error page too, carries the headers that keep browsers strict."""
    headers = client.get(path, headers={"Accept": "text/html"}).headers
    assert headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-ID"]


def test_login_leads_to_the_dialog(client: FlaskClient) -> None:
    """/login redirects to the landing page with the dialog open, kind and target filled in."""
    response = client.get("/login?as=doctor&next=/doctor/dashboard")
    assert response.status_code == 302
    page = page_of(client.get(response.location))
    assert "open" in page.all("dialog")[0]
    checked = [tag["value"] for tag in page.all("input") if "checked" in tag]
    assert checked == ["doctor"]
    targets = [tag["value"] for tag in page.all("input") if tag.get("name") == "next"]
    assert targets == ["/doctor/dashboard"]


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_next_stays_here(client: FlaskClient, auth: Stub, target: str) -> None:
    """No login sends a browser to another site (open redirect)."""
    assert "evil" not in client.get("/login", query_string={"next": target}).location
    assert "evil" not in client.get("/", query_string={"login": "1", "next": target}).text
    assert client.post("/login", data=FORM | {"next": target}).location == "/patient/dashboard"


def test_text_is_escaped(client: FlaskClient) -> None:
    """What comes with an address is text on the page, never markup."""
    page = client.get("/", query_string={"login": "1", "next": '/"><script>x</script>'}).text
    assert "<script>x" not in page


def test_form_login(client: FlaskClient, auth: Stub) -> None:
    """Without scripts the dialog's form logs in and leads on."""
    response = client.post("/login", data=FORM | {"next": "/docs"})
    assert response.status_code == 303
    assert response.location == "/docs"
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    assert cookie.http_only
    assert json.loads(auth.asked[-1].get_data())["user_type"] == "patient"


def test_form_login_refused(client: FlaskClient, stub: Stub) -> None:
    """A refused login shows the dialog again with what is wrong, and never the password."""
    stub.refuse("POST /api/v1/auth/login", 401, "credentials_invalid", "Wrong password.")
    response = client.post("/login", data=FORM)
    page = page_of(response)
    assert response.status_code == 401
    assert "open" in page.all("dialog")[0]
    assert "Wrong password." in page.text
    values = {tag.get("name"): tag.get("value") for tag in page.all("input")}
    assert values["email"] == "patient@example.com"
    assert values["password"] is None


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("POST /api/v1/auth/login", "/login"),
        ("POST /api/v1/auth/login", "/admin"),
        ("POST /api/auth/register", "/register/doctor"),
    ],
)
def test_forms_say_when_to_come_back(
    client: FlaskClient, stub: Stub, asked: str, path: str
) -> None:
    """A spent limit is answered by a page with the same Retry-After as elsewhere."""

    def spent(_: Request) -> Response:
        response = refusal(429, "limit_spent")
        response.headers["Retry-After"] = "17"
        return response

    stub.answers[asked] = spent
    form = FORM | {"username": "olga"} | REGISTRATIONS["doctor"]
    response = client.post(path, data=form, headers={"Origin": "http://localhost"})
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "17"
    assert response.mimetype == "text/html"


@pytest.mark.parametrize(
    "form", [{}, FORM | {"email": "nobody"}, FORM | {"password": ""}, FORM | {"user_type": "king"}]
)
def test_form_login_incomplete(client: FlaskClient, stub: Stub, form: dict[str, str]) -> None:
    """An incomplete form is said to be so, without asking auth."""
    response = client.post("/login", data=form)
    assert response.status_code == 400
    assert "open" in page_of(response).all("dialog")[0]
    assert stub.asked == []


def test_form_login_from_another_site(client: FlaskClient, stub: Stub) -> None:
    """Another site's form cannot log a browser in (login CSRF)."""
    response = client.post("/login", data=FORM, headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert stub.asked == []


def test_form_logout(browse: Callable[..., FlaskClient], auth: Stub) -> None:
    """The log-out button ends the session and leads to the landing page."""
    client = browse("patient")
    response = client.post("/logout")
    assert (response.status_code, response.location) == (303, "/")
    assert auth.asked[-1].path == "/api/v1/auth/logout"
    assert client.get_cookie(SESSION_COOKIE) is None


def test_landing_knows_its_visitor(browse: Callable[..., FlaskClient]) -> None:
    """Somebody who is logged in finds the dashboard instead of a login."""
    page = page_of(browse("doctor").get("/"))
    assert "Ana Gil" in page.text
    assert not page.all("dialog")
    assert "/doctor/dashboard" in [tag.get("href") for tag in page.all("a")]


@pytest.mark.parametrize("kind", ["patient", "doctor", "institution"])
def test_dashboard_without_session(client: FlaskClient, kind: str) -> None:
    """Without a session a dashboard leads to the landing page, and back after the login."""
    response = client.get(f"/{kind}/dashboard")
    assert response.status_code == 302
    assert response.location == f"/?login=1&as={kind}&next=/{kind}/dashboard"


@pytest.mark.parametrize(("mine", "other"), [("patient", "doctor"), ("admin", "institution")])
def test_dashboard_of_another_kind(
    browse: Callable[..., FlaskClient], stub: Stub, mine: str, other: str
) -> None:
    """With the wrong kind of account a dashboard leads to the landing page, which says why."""
    client = browse(mine)
    response = client.get(f"/{other}/dashboard")
    assert response.status_code == 302
    assert response.location == "/?notice=other-kind"
    assert "another kind of account" in page_of(client.get(response.location)).text
    assert stub.asked == []


def test_dashboard_with_a_dead_session(
    browse: Callable[..., FlaskClient], clinic: Stub, here: Parts
) -> None:
    """A revoked session is none."""
    client = browse("patient")
    here.sessions.drop_user(7)
    assert client.get("/patient/dashboard").location.startswith("/?login=1")


@pytest.mark.parametrize("kind", ["patient", "doctor", "institution"])
def test_dashboard(browse: Callable[..., FlaskClient], clinic: Stub, kind: str) -> None:
    """A dashboard shows who it is, the figures and what comes next."""
    page = page_of(browse(kind).get(f"/{kind}/dashboard"))
    assert "Ana Gil" in page.text
    assert "Visits" in page.text
    assert "31" in page.text
    assert "Check-up" in page.text
    moments = [tag["datetime"] for tag in page.all("time")]
    assert "2031-05-06T07:08:00+00:00" in moments


def test_dashboard_with_a_part_missing(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """A part whose call fails is said to be missing; the others are shown."""
    clinic.refuse("GET /api/v1/patients", 403, "role_missing", "You may not.")
    response = browse("doctor").get("/doctor/dashboard")
    page = page_of(response)
    assert response.status_code == 200
    assert "Some parts cannot be shown" in page.text
    assert "You may not." in page.text
    assert "31" in page.text


def test_dashboard_with_nothing(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """When nothing can be shown the page says so, and that it is a failure (503)."""
    clinic.answers.clear()
    response = browse("patient").get("/patient/dashboard")
    assert response.status_code == 503
    assert "Nothing can be shown" in page_of(response).text


def test_dashboard_with_a_session_that_ends(
    browse: Callable[..., FlaskClient], clinic: Stub
) -> None:
    """A session that a service no longer knows leads to the login."""
    clinic.refuse("GET /api/v1/patients/me", 401, "session_revoked")
    assert browse("patient").get("/patient/dashboard").location.startswith("/?login=1")


def test_names_are_escaped(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """What services say is text on the page, never markup."""
    clinic.put("GET /api/v1/patients/me", {"name": "<script>x</script>"})
    assert "<script>x" not in browse("patient").get("/patient/dashboard").text


def test_pages_are_nobody_elses(browse: Callable[..., FlaskClient], clinic: Stub) -> None:
    """Pages are kept by no cache: not by a shared one, nor for the back button after a logout."""
    headers = browse("patient").get("/patient/dashboard").headers
    assert headers["Cache-Control"] == "no-store"
    assert "Cookie" in headers["Vary"]


def test_unknown_page(client: FlaskClient) -> None:
    """A browser gets a page for what is not there."""
    response = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    page = page_of(response)
    assert response.status_code == 404
    assert "no such page" in page.text
    assert response.headers["X-Request-ID"] in page.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_unknown_page_for_programs(client: FlaskClient, accept: str) -> None:
    """A program gets the standard error body for what is not there."""
    response = client.get("/nowhere", headers={"Accept": accept})
    assert response.status_code == 404
    assert json.loads(response.data)["details"]["reason"] == "not_found"


def test_api_errors_stay_json(client: FlaskClient) -> None:
    """Within the API even a browser gets the standard error body."""
    response = client.get("/api/web/nowhere", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert json.loads(response.data)["details"]["reason"] == "no_route"


def test_a_crash_is_a_page(
    browse: Callable[..., FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash is a page with the request id and without any detail of it."""

    def crash(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("gateline.web.routes_pages.compose", crash)
    client = browse("patient")
    client.application.testing = False
    response = client.get("/patient/dashboard", headers={"Accept": "text/html"})
    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert response.headers["X-Request-ID"] in page_of(response).text


def test_without_session_store(build: Callable[..., Flask], open_session: Open) -> None:
    """While the session store is away the landing page is there; a dashboard says what is wrong."""
    client = build(redis_url="redis://127.0.0.1:1/0", redis_timeout=0.2).test_client()
    client.set_cookie(SESSION_COOKIE, open_session("patient"), domain="localhost")
    assert client.get("/").status_code == 200
    response = client.get("/patient/dashboard", headers={"Accept": "text/html"})
    page = page_of(response)
    assert response.status_code == 503
    assert "session store" in page.text


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_health(client: FlaskClient, path: str) -> None:
    """Both health addresses say what the service needs and whether it is there."""
    answer = json.loads(client.get(path).data)
    assert answer["status"] == "healthy"
    assert answer["service"] == "web"
    assert (answer["database"], answer["redis"]) == ("connected", "connected")
