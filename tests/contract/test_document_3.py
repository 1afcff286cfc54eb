"""Document 3, the clinic gateway, statement by statement over HTTP.

What it says of forwarding, retries and time-outs, for the edge and for Flask alone, is in
`test_gateway.py`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from http.cookiejar import Cookie
from typing import Any

import pytest
import redis
import requests
from flask import Flask, g, jsonify
from running_platform import RunningPlatform

from gateline.local.engines import wait_until
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.middleware.auth import (
    is_authenticated,
    optional_session,
    require_auth,
    require_session,
)
from gateline.shared.proxy_service import EXTENSION, ProxyService, proxy_service
from gateline.shared.routing import platform_services

SECONDS = 15
COOKIE = "gateline_session"
KINDS = ("patient", "doctor", "institution")


class Browser:
    """Somebody at the platform's public address, keeping cookies; redirects are answers."""

    def __init__(self, platform: RunningPlatform) -> None:
        self._platform = platform
        self._url = platform.url.rstrip("/")
        self.session = requests.Session()

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request."""
        url = self._url + path
        return self.session.request(method, url, timeout=SECONDS, allow_redirects=False, **options)

    def log_in(self, kind: str, **changes: str) -> requests.Response:
        """Log in with the sample account of a kind, through the browser API."""
        email = f"{kind}@example.com"
        credentials = {"email": email, "password": self._platform.accounts[email], **changes}
        return self("POST", f"/api/web/auth/{kind}/login", json=credentials)

    @property
    def cookie(self) -> Cookie | None:
        """The session cookie."""
        return next((one for one in self.session.cookies if one.name == COOKIE), None)

    @property
    def token(self) -> str:
        """The token in the session cookie."""
        assert self.cookie is not None
        assert self.cookie.value
        return self.cookie.value


@pytest.fixture
def open_browser(platform: RunningPlatform) -> Iterator[Callable[[], Browser]]:
    """Give a function that opens browsers, closed at the end."""
    browsers: list[Browser] = []

    def open_one() -> Browser:
        browsers.append(Browser(platform))
        return browsers[-1]

    yield open_one
    for browser in browsers:
        browser.session.close()


@pytest.fixture
def browser(open_browser: Callable[[], Browser]) -> Browser:
    """Give a browser without a session."""
    return open_browser()


@pytest.fixture
def logged_in(open_browser: Callable[[], Browser]) -> Callable[[str], Browser]:
    """Give a function that returns a browser logged in as a kind of account."""

    def enter(kind: str) -> Browser:
        browser = open_browser()
        answer = browser.log_in(kind)
        assert answer.status_code == 200, answer.text
        return browser

    return enter


@pytest.fixture
def store(platform: RunningPlatform) -> Iterator[redis.Redis]:
    """Give the platform's session store."""
    client = redis.Redis.from_url(platform.env["REDIS_URL"], decode_responses=True)
    yield client
    client.close()


@pytest.fixture
def own_app(platform: RunningPlatform) -> Iterator[Flask]:
    """Give an app of a team's own, on the same settings as the platform."""
    settings = Settings.load(platform.env, folder=platform.folder, flask_env="testing")
    app = build_app("own", service="own", settings=settings)
    app.extensions[EXTENSION] = ProxyService(platform_services(settings))
    yield app
    app.extensions[EXTENSION].close()
    app.extensions["gateline"].kv.close()


def reason_of(response: requests.Response) -> str:
    """Return the stable reason of a refusal in the standard body."""
    body = response.json()
    assert set(body) == {"error", "message", "details"}
    return str(body["details"]["reason"])


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"Authorization": f"Bearer {token}"}


# API endpoints, authentication


def test_generic_login(platform: RunningPlatform, browser: Browser) -> None:
    """Document 3, `POST /api/v1/auth/login`: any account logs in; token in body and cookie."""
    email = "patient@example.com"
    answer = browser(
        "POST", "/api/v1/auth/login", json={"email": email, "password": platform.accounts[email]}
    )
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"
    assert browser.token == answer.json()["access_token"]


def test_generic_login_refused(browser: Browser) -> None:
    """Document 3, `POST /api/v1/auth/login`: a wrong password is 401 and sets no cookie."""
    answer = browser(
        "POST", "/api/v1/auth/login", json={"email": "patient@example.com", "password": "wrong"}
    )
    assert answer.status_code == 401
    assert reason_of(answer) == "credentials_invalid"
    assert browser.cookie is None


@pytest.mark.parametrize("carried", ["bearer", "cookie"])
def test_validate_session(
    browser: Browser, logged_in: Callable[[str], Browser], carried: str
) -> None:
    """Document 3, `GET /api/v1/auth/validate`: says whose living session it is."""
    doctor = logged_in("doctor")
    if carried == "cookie":
        answer = doctor("GET", "/api/v1/auth/validate")
    else:
        answer = browser("GET", "/api/v1/auth/validate", headers=bearer(doctor.token))
    assert answer.status_code == 200
    assert answer.json()["valid"] is True
    assert answer.json()["user"]["user_type"] == "doctor"


def test_validate_without_session(browser: Browser) -> None:
    """Document 3, `GET /api/v1/auth/validate`: without a session it is 401."""
    assert browser("GET", "/api/v1/auth/validate").status_code == 401


# API endpoints, web controller


@pytest.mark.parametrize("kind", KINDS)
def test_login_of_a_kind(browser: Browser, kind: str) -> None:
    """Document 3, `POST /api/web/auth/{kind}/login`: opens a session for the browser."""
    answer = browser.log_in(kind)
    assert answer.status_code == 200
    assert answer.json()["user"]["user_type"] == kind
    assert answer.json()["redirect"] == f"/{kind}/dashboard"
    assert browser.token not in answer.text


@pytest.mark.parametrize(
    ("kind", "other"),
    [(kind, other) for kind in KINDS for other in (*KINDS, "admin", "customer") if kind != other],
)
def test_login_of_another_kind(
    platform: RunningPlatform, browser: Browser, kind: str, other: str
) -> None:
    """Document 3, web logins: a right password for another kind of account is refused (403)."""
    email = f"{other}@example.com"
    answer = browser.log_in(kind, email=email, password=platform.accounts[email])
    assert answer.status_code == 403
    assert reason_of(answer) == "wrong_user_type"
    assert browser.cookie is None


@pytest.mark.parametrize("kind", KINDS)
def test_login_with_a_wrong_password(browser: Browser, kind: str) -> None:
    """Document 3, web logins: a wrong password is 401, whatever the kind."""
    answer = browser.log_in(kind, password="wrong")
    assert answer.status_code == 401
    assert reason_of(answer) == "credentials_invalid"


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        ({}, {"email", "password"}),
        ({"email": "no address", "password": "x"}, {"email"}),
        ({"email": "a@example.com", "password": "x", "extra": 1}, {"extra"}),
    ],
)
def test_login_input_is_validated(browser: Browser, payload: Any, fields: set[str]) -> None:
    """Document 3, API protection, input validation: each wrong field is named (400)."""
    answer = browser("POST", "/api/web/auth/patient/login", json=payload)
    assert answer.status_code == 400
    assert set(answer.json()["details"]["fields"]) == fields


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("patient", ("profile", "figures", "appointments", "care_team")),
        ("doctor", ("profile", "figures", "today", "appointments", "patients")),
        ("institution", ("profile", "figures", "appointments", "doctors", "patients")),
    ],
)
def test_dashboard_data(
    logged_in: Callable[[str], Browser], kind: str, parts: tuple[str, ...]
) -> None:
    """Document 3, `GET /api/web/{kind}/dashboard`: what the services know, in one answer."""
    answer = logged_in(kind)("GET", f"/api/web/{kind}/dashboard")
    assert answer.status_code == 200
    body = answer.json()
    assert body["complete"] is True
    assert body["errors"] == {}
    assert all(body[part] is not None for part in parts)
    assert body["profile"]["email"] == f"{kind}@example.com"
    assert any(body["figures"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_dashboard_data_is_protected(
    browser: Browser, logged_in: Callable[[str], Browser], kind: str
) -> None:
    """Document 3, authorization: dashboards need a session (401) of their kind (403)."""
    assert browser("GET", f"/api/web/{kind}/dashboard").status_code == 401
    other = logged_in(KINDS[(KINDS.index(kind) + 1) % 3])
    answer = other("GET", f"/api/web/{kind}/dashboard")
    assert answer.status_code == 403
    assert reason_of(answer) == "role_missing"


# API endpoints, gateway


@pytest.mark.parametrize("path", ["/api/v1/doctors/", "/api/v1/patients/", "/api/v1/institutions/"])
def test_gateway_lists(logged_in: Callable[[str], Browser], path: str) -> None:
    """Document 3, `GET /api/v1/{doctors,patients,institutions}/*`: proxied to their services."""
    answer = logged_in("doctor")("GET", path)
    assert answer.status_code == 200
    assert answer.json()["items"]


def test_gateway_creates(logged_in: Callable[[str], Browser]) -> None:
    """Document 3, `POST /api/v1/patients/*`: created by the service, found again, removed."""
    institution = logged_in("institution")
    made = institution("POST", "/api/v1/patients/", json={"name": "Document Three"})
    assert made.status_code == 201, made.text
    place = made.headers["Location"]
    assert institution("GET", place).json()["name"] == "Document Three"
    assert institution("DELETE", place).status_code == 204
    assert institution("GET", place).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_gateway_by_user_type(logged_in: Callable[[str], Browser], kind: str) -> None:
    """Document 3, automatic service detection by user type: `/api/v1/me` is one's own record."""
    answer = logged_in(kind)("GET", "/api/v1/me")
    assert answer.status_code == 200
    assert answer.json()["email"] == f"{kind}@example.com"


@pytest.mark.parametrize("path", ["/api/v1/nurses", "/api/v1/", "/api/nothing"])
def test_gateway_without_service(browser: Browser, path: str) -> None:
    """Document 3, gateway: a service that is not there is 404 `no_route`."""
    answer = browser("GET", path)
    assert answer.status_code == 404
    assert reason_of(answer) == "no_route"


# Web pages


def test_landing_page(browser: Browser) -> None:
    """Document 3, `GET /`: the landing page, for everybody."""
    answer = browser("GET", "/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<dialog" in answer.text


def test_static_files(browser: Browser) -> None:
    """Document 3, web server: static files are served, under addresses that name their content."""
    page = browser("GET", "/").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = browser("GET", address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]


def test_login_page(browser: Browser) -> None:
    """Document 3, `GET /login`: redirects to the landing page with the dialog open."""
    answer = browser("GET", "/login")
    assert answer.status_code == 302
    target = answer.headers["Location"]
    assert target.startswith("/?")
    assert "open>" in browser("GET", target).text.split("<dialog")[1].split("\n")[0]


@pytest.mark.parametrize("kind", KINDS)
def test_dashboard_pages(logged_in: Callable[[str], Browser], kind: str) -> None:
    """Document 3, `GET /{kind}/dashboard`: the page of whoever is logged in."""
    browser = logged_in(kind)
    profile = browser("GET", "/api/v1/me").json()
    answer = browser("GET", f"/{kind}/dashboard")
    assert answer.status_code == 200
    assert profile["name"] in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", KINDS)
def test_dashboard_pages_are_protected(
    browser: Browser, logged_in: Callable[[str], Browser], kind: str
) -> None:
    """Document 3, protected pages: without session or with another kind, to the landing page."""
    stranger = browser("GET", f"/{kind}/dashboard")
    assert stranger.status_code == 302
    assert stranger.headers["Location"].startswith("/?")
    other = logged_in(KINDS[(KINDS.index(kind) + 1) % 3])("GET", f"/{kind}/dashboard")
    assert other.status_code == 302
    assert other.headers["Location"].startswith("/?")


# Health


@pytest.mark.parametrize(("path", "service"), [("/health", "edge"), ("/api/v1/health", "web")])
def test_health(browser: Browser, path: str, service: str) -> None:
    """Document 3, health: `GET /health` and `GET /api/v1/health` answer with the state."""
    answer = browser("GET", path)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["service"]) == ("healthy", service)
    assert (body["database"], body["redis"]) == ("connected", "connected")
    assert body["timestamp"].endswith("Z")
    assert body["version"]


# JWT authentication and session storage


def test_session_storage(logged_in: Callable[[str], Browser], store: redis.Redis) -> None:
    """Document 3, session storage: `access_token:{jwt_token}`, 15 minutes by default."""
    token = logged_in("patient").token
    record = json.loads(str(store.get(f"access_token:{token}")))
    assert record["email"] == "patient@example.com"
    assert record["user_type"] == "patient"
    life = store.ttl(f"access_token:{token}")
    assert isinstance(life, int)
    assert 880 <= life <= 900


def test_renewal_on_use(logged_in: Callable[[str], Browser], store: redis.Redis) -> None:
    """Document 3, automatic token renewal on usage: use gives an entry its 15 minutes back."""
    browser = logged_in("doctor")
    key = f"access_token:{browser.token}"
    assert store.expire(key, 60)

    def renewed() -> bool:
        assert browser("GET", "/api/v1/doctors/me").status_code == 200
        life = store.ttl(key)
        return isinstance(life, int) and life > 600

    assert wait_until(renewed, seconds=10.0)


def test_validation_against_the_store(
    logged_in: Callable[[str], Browser], store: redis.Redis
) -> None:
    """Document 3, token validation against Redis: a genuine token without entry is refused."""
    browser = logged_in("doctor")
    assert browser("GET", "/api/v1/doctors/me").status_code == 200
    store.delete(f"access_token:{browser.token}")
    assert wait_until(lambda: browser("GET", "/api/v1/doctors/me").status_code == 401, seconds=5.0)
    assert browser("GET", "/doctor/dashboard").status_code == 302
    assert browser("GET", "/api/v1/auth/validate").status_code == 401


def test_token_can_be_checked_by_hand(
    platform: RunningPlatform, logged_in: Callable[[str], Browser]
) -> None:
    """Document 3, JWT_ALGORITHM HS256 and JWT issues: the secret key verifies the signature."""
    head, claims, signature = logged_in("patient").token.split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] == "HS256"
    secret = platform.env.get("JWT_SECRET_KEY") or platform.env["SECRET_KEY"]
    digest = hmac.new(secret.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == signature
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["user_type"] == "patient"


def test_cookie_attributes(browser: Browser) -> None:
    """Document 3, secure cookies: HttpOnly, SameSite and a path; Secure only where TLS is."""
    header = browser.log_in("patient").headers["Set-Cookie"]
    attributes = {part.strip().split("=")[0].lower() for part in header.split(";")[1:]}
    assert header.startswith(f"{COOKIE}=")
    assert {"httponly", "samesite", "path", "max-age"} <= attributes
    assert "SameSite=Lax" in header
    assert not {"secure", "domain"} & attributes


def test_cookie_under_tls(platform: RunningPlatform) -> None:
    """Document 3, secure cookies: behind an edge that speaks TLS, Secure with `__Host-`."""
    email = "patient@example.com"
    answer = requests.post(
        f"{platform.env['WEB_SERVICE_URL']}/api/web/auth/patient/login",
        json={"email": email, "password": platform.accounts[email]},
        headers={"X-Forwarded-Proto": "https"},
        timeout=SECONDS,
    )
    header = answer.headers["Set-Cookie"]
    assert header.startswith("__Host-gateline_session=")
    assert "Secure" in header
    assert "Domain" not in header


def test_logout(
    logged_in: Callable[[str], Browser], open_browser: Callable[[], Browser], store: redis.Redis
) -> None:
    """Document 3, secure logout with Redis token removal: the token is worth nothing after it."""
    browser = logged_in("patient")
    token = browser.token
    assert browser("POST", "/api/web/auth/logout").status_code == 200
    assert browser.cookie is None
    assert store.get(f"access_token:{token}") is None
    thief = open_browser()
    assert wait_until(
        lambda: thief("GET", "/api/v1/me", headers=bearer(token)).status_code == 401, seconds=5.0
    )


def test_logout_of_another_browser(logged_in: Callable[[str], Browser]) -> None:
    """Document 3, secure session management: logging out ends this session and no other."""
    here, there = logged_in("patient"), logged_in("patient")
    here("POST", "/api/web/auth/logout")
    assert there("GET", "/api/v1/me").status_code == 200


# API protection


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"]
)
@pytest.mark.parametrize(
    "path", ["/api/web/auth/patient/login", "/api/web/auth/logout", "/login", "/logout"]
)
def test_csrf(logged_in: Callable[[str], Browser], path: str, origin: str) -> None:
    """Document 3, API protection, CSRF: another site makes no browser post, not even a login."""
    browser = logged_in("patient")
    answer = browser("POST", path, headers={"Origin": origin}, json={})
    assert answer.status_code == 403
    assert reason_of(answer) == "cross_site"
    assert browser("GET", "/api/v1/me").status_code == 200


def test_own_origin(platform: RunningPlatform, browser: Browser) -> None:
    """Document 3, API protection, CSRF: our own pages may post."""
    email = "patient@example.com"
    answer = browser(
        "POST",
        "/api/web/auth/patient/login",
        json={"email": email, "password": platform.accounts[email]},
        headers={"Origin": platform.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/health", "/api/web/patient/dashboard", "/api/v1/doctors"]
)
def test_cors(browser: Browser, path: str) -> None:
    """Document 3, CORS with restrictive origins: one that is not listed is allowed nothing."""
    answer = browser("GET", path, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_are_strict(browser: Browser) -> None:
    """Document 3, web server: pages load nothing from elsewhere and are not framed."""
    headers = browser("GET", "/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"]
    assert headers["Permissions-Policy"]


# Proxy service and decorators, in an app of one's own


def test_proxy_service_usage(own_app: Flask, logged_in: Callable[[str], Browser]) -> None:
    """Document 3, proxy service usage: the documented calls, with the caller's bearer token."""

    @own_app.get("/doctors")
    @require_session
    def doctors() -> Any:
        return proxy_service.proxy_get("doctors", "/api/v1/doctors/")

    @own_app.post("/patients")
    @require_session
    def patients() -> Any:
        return proxy_service.proxy_post("patients", "/api/v1/patients/", data={"name": "John"})

    @own_app.get("/specific")
    @require_session
    def specific() -> Any:
        made = proxy_service.call_patients_service("POST", "/api/v1/patients/", {"name": "Jim"})
        listed = proxy_service.call_doctors_service("GET", "/api/v1/doctors/")
        return {"made": made.status_code, "listed": listed.status_code}

    client = own_app.test_client()
    headers = bearer(logged_in("doctor").token)
    assert client.get("/doctors", headers=headers).json["items"]  # type: ignore[index] # JSON
    made = client.post("/patients", headers=headers)
    assert made.status_code == 201
    assert made.json is not None
    assert made.json["name"] == "John"
    assert client.get("/specific", headers=headers).json == {"made": 201, "listed": 200}


@pytest.mark.parametrize("path", ["/doctors/", "/api/v1/doctors/"])
def test_prefix_handling(own_app: Flask, logged_in: Callable[[str], Browser], path: str) -> None:
    """Document 3, automatic `/api/v1` prefix handling: added for domain services where missing."""

    @own_app.get("/doctors")
    @require_session
    def doctors() -> Any:
        return proxy_service.proxy_get("doctors", path)

    answer = own_app.test_client().get("/doctors", headers=bearer(logged_in("doctor").token))
    assert answer.status_code == 200


def test_decorators(own_app: Flask, logged_in: Callable[[str], Browser]) -> None:
    """Document 3, decorators: `require_session`, `require_auth`, `optional_session`."""

    @own_app.get("/protected")
    @require_session
    def protected_route() -> Any:
        return jsonify(g.current_user)

    @own_app.get("/doctor")
    @require_auth(required_user_type="doctor")
    def doctor_only_route() -> Any:
        return jsonify({"message": "Doctor access"})

    @own_app.get("/public")
    @optional_session
    def public_route() -> Any:
        if is_authenticated():
            return jsonify(g.current_user)
        return jsonify({"message": "Public"})

    client = own_app.test_client()
    doctor, patient = bearer(logged_in("doctor").token), bearer(logged_in("patient").token)
    user = client.get("/protected", headers=doctor).json
    assert user is not None
    assert (user["email"], user["user_type"]) == ("doctor@example.com", "doctor")
    assert client.get("/protected").status_code == 401
    assert client.get("/doctor", headers=doctor).json == {"message": "Doctor access"}
    assert client.get("/doctor", headers=patient).status_code == 403
    assert client.get("/doctor").status_code == 401
    assert client.get("/public").json == {"message": "Public"}
    assert client.get("/public", headers=patient).json["email"] == "patient@example.com"  # type: ignore[index] # JSON
