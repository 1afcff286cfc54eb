"""Every request that the five documents print, in their order, through the public address."""

import re
from typing import Any

import pytest
import requests
from running_platform import RunningPlatform

SECONDS = 15


class Walker:
    """Sends requests one after the other and remembers what later ones need."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.url = platform.url.rstrip("/")
        self.accounts = platform.accounts
        self.key = platform.service_key()
        self.tokens: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Send one request; redirects are answers."""
        return requests.request(
            method,
            self.url + path,
            json=body,
            headers=headers,
            timeout=SECONDS,
            allow_redirects=False,
        )

    def bearer(self, kind: str) -> dict[str, str]:
        """Return the header of a sample account, logged in at first use."""
        if kind not in self.tokens:
            email = f"{kind}@example.com"
            body = {"email": email, "password": self.accounts[email]}
            self.tokens[kind] = self.ask("POST", "/api/auth/login", body).json()["access_token"]
        return {"Authorization": f"Bearer {self.tokens[kind]}"}


@pytest.fixture(scope="module")
def walker(platform: RunningPlatform) -> Walker:
    """Give one visitor for all documents."""
    return Walker(platform)


def test_document_0(walker: Walker) -> None:
    """Document 0: token validation, session and user synchronisation, health, in this order."""
    key = {"Authorization": f"Bearer {walker.key}"}
    token = walker.bearer("customer")["Authorization"].removeprefix("Bearer ")
    validated = walker.ask("POST", "/api/auth/validate-token", {"token": token}, **key)
    assert validated.status_code == 200
    user = str(validated.json()["user_id"])
    session = {"expires_at": "2099-01-01T00:00:00Z", "is_active": True}
    body: dict[str, Any] = {"user_id": user, "session_data": session}
    assert walker.ask("POST", "/api/auth/sync-session", body, **key).json()["status"] == "success"
    person = {
        "id": user,
        "email": "customer@example.com",
        "first_name": "Casey",
        "last_name": "Customer",
        "is_active": True,
        "is_email_verified": True,
    }
    assert walker.ask("POST", "/api/auth/sync-user", person, **key).json()["status"] == "success"
    health = walker.ask("GET", "/health")
    assert health.status_code == 200
    told = health.json()
    assert (told["status"], told["database"], told["redis"]) == (
        "healthy",
        "connected",
        "connected",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["timestamp"])


def test_document_1(walker: Walker) -> None:
    """Document 1: the four endpoints with its payloads, and its errors, in this order."""
    key = {"X-Service-Key": walker.key}
    token = walker.bearer("customer")["Authorization"].removeprefix("Bearer ")
    answer = walker.ask("POST", "/api/auth/validate-token", {"token": token}, **key)
    claims = answer.json()
    assert {"user_id", "exp", "iat", "type"} <= set(claims)
    assert claims["type"] == "access"
    assert answer.headers["X-RateLimit-Limit"] == "100"
    wrong = walker.ask("POST", "/api/auth/validate-token", {"token": "jwt-token-string"}, **key)
    assert (wrong.status_code, wrong.json()["error"]) == (401, "Invalid token")
    session = {
        "session_id": "5c5a1f2e-6f0e-4a39-8d4c-0c8f2f4ad001",
        "device_info": {"device_type": "mobile", "browser": "chrome"},
        "expires_at": "2099-01-01T00:00:00Z",
    }
    body = {
        "user_id": claims["user_id"],
        "token": token,
        "session_data": session,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    assert walker.ask("POST", "/api/auth/sync-session", body, **key).json()["status"] == "success"
    bad = walker.ask("POST", "/api/auth/sync-session", {"user_id": "nobody"}, **key)
    assert (bad.status_code, bad.json()["error"]) == (400, "Failed to sync session")
    person = {
        "id": claims["user_id"],
        "email": "customer@example.com",
        "is_active": True,
        "is_email_verified": True,
        "first_name": "Casey",
        "last_name": "Customer",
        "profile_picture": "https://example.com/casey.png",
        "last_sync": "2026-01-01T00:00:00Z",
    }
    assert walker.ask("POST", "/api/auth/sync-user", person, **key).json()["status"] == "success"
    bad = walker.ask("POST", "/api/auth/sync-user", {"id": "x"}, **key)
    assert (bad.status_code, bad.json()["error"]) == (400, "Failed to sync user data")
    revoke = {
        "user_id": claims["user_id"],
        "reason": "user_requested",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    answer = walker.ask("POST", "/api/auth/revoke-user-sessions", revoke, **key)
    assert answer.json()["status"] == "success"
    assert walker.ask("GET", "/api/users/me", **walker.bearer("customer")).status_code == 401
    bad = walker.ask("POST", "/api/auth/revoke-user-sessions", {"user_id": "x"}, **key)
    assert (bad.status_code, bad.json()["error"]) == (400, "Failed to revoke sessions")
    keyless = walker.ask("POST", "/api/auth/revoke-user-sessions", revoke)
    assert (keyless.status_code, keyless.json()["error"]) == (403, "Invalid service key")
    del walker.tokens["customer"]


def test_document_2(walker: Walker) -> None:
    """Document 2: login, refresh, profile, order, health, in this order."""
    email = "customer@example.com"
    body: dict[str, Any] = {"email": email, "password": walker.accounts[email]}
    pair = walker.ask("POST", "/api/auth/login", body).json()
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 1800)
    fresh = walker.ask("POST", "/api/auth/refresh", {"refresh_token": pair["refresh_token"]}).json()
    assert (fresh["token_type"], fresh["expires_in"]) == ("bearer", 1800)
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    me = walker.ask("GET", "/api/users/me", **bearer).json()
    assert {"id", "email", "name", "created_at"} <= set(me)
    assert isinstance(me["id"], str)
    change = {"name": "Jane Doe", "phone": "+1234567890"}
    changed = walker.ask("PATCH", "/api/users/me", change, **bearer)
    assert (changed.status_code, changed.json()["name"]) == (200, "Jane Doe")
    order = {
        "items": [{"product_id": "abc", "quantity": 2}, {"product_id": "def", "quantity": 1}],
        "shipping_address": {
            "street": "123 Main St",
            "city": "San Francisco",
            "state": "CA",
            "zip": "94102",
        },
    }
    made = walker.ask("POST", "/api/orders", order, **bearer)
    assert made.status_code == 201
    read = walker.ask("GET", f"/api/orders/{made.json()['id']}", **bearer).json()
    assert read["id"].startswith("order_")
    assert read["user_id"].startswith("user_")
    assert (len(read["items"]), read["status"]) == (2, "pending")
    health = walker.ask("GET", "/api/health").json()
    assert health["status"] == "healthy"
    assert {"timestamp", "version"} <= set(health)


def test_document_3(walker: Walker) -> None:
    """Document 3: accounts, browser API, gateway, pages, health, in this order."""
    email = "patient@example.com"
    body = {"email": email, "password": walker.accounts[email]}
    login = walker.ask("POST", "/api/v1/auth/login", body)
    assert login.status_code == 200
    assert "HttpOnly" in login.headers["Set-Cookie"]
    bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
    assert walker.ask("GET", "/api/v1/auth/validate", **bearer).json()["valid"] is True
    for kind in ("patient", "doctor", "institution"):
        email = f"{kind}@example.com"
        body = {"email": email, "password": walker.accounts[email]}
        entered = walker.ask("POST", f"/api/web/auth/{kind}/login", body)
        assert entered.status_code == 200
        cookie = entered.headers["Set-Cookie"].partition(";")[0]
        assert walker.ask("GET", f"/api/web/{kind}/dashboard", Cookie=cookie).status_code == 200
        assert walker.ask("GET", f"/{kind}/dashboard", Cookie=cookie).status_code == 200
    for collection in ("doctors", "patients", "institutions"):
        path = f"/api/v1/{collection}/"
        assert walker.ask("GET", path, **walker.bearer("admin")).status_code == 200
    made = walker.ask("POST", "/api/v1/patients/", {"name": "John"}, **walker.bearer("doctor"))
    assert (made.status_code, made.json()["name"]) == (201, "John")
    for page in ("/", "/docs", "/docs/arquitectura"):
        assert walker.ask("GET", page).status_code == 200
    assert walker.ask("GET", "/login").status_code in (302, 303)
    for kind in ("patient", "doctor", "institution"):
        assert walker.ask("GET", f"/{kind}/dashboard").status_code in (302, 303)
    assert walker.ask("GET", "/health").json()["status"] == "healthy"
    assert walker.ask("GET", "/api/v1/health").json()["status"] == "healthy"
    assert walker.ask("HEAD", "/api/v1/health").status_code == 200


def test_document_4(walker: Walker) -> None:
    """Document 4: administrators, dashboard, the shop's public API, in this order."""
    body: dict[str, Any] = {
        "username": "admin",
        "password": walker.accounts["admin@example.com"],
    }
    login = walker.ask("POST", "/admin/login", body)
    assert login.status_code == 200
    bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
    names = [one["username"] for one in walker.ask("GET", "/admin/users", **bearer).json()["items"]]
    assert "admin" in names
    person = {"username": "second-admin", "password": "a long enough pass phrase"}
    assert walker.ask("POST", "/admin/users", person, **bearer).status_code == 201
    assert walker.ask("DELETE", "/admin/users/second-admin", **bearer).status_code in (200, 204)
    assert walker.ask("GET", "/admin/dashboard/stats", **bearer).status_code == 200
    assert walker.ask("GET", "/admin/logs", **bearer).status_code == 200
    shopper = {
        "email": "in-order@example.com",
        "password": "a long enough pass phrase",
        "name": "In Order",
    }
    assert walker.ask("POST", "/register", shopper).status_code == 201
    assert walker.ask("GET", "/cameras").json()["items"]
    assert walker.ask("GET", "/logs").json()["items"]
    assert walker.ask("GET", "/alerts/count").json()["count"] >= 0
    assert walker.ask("POST", "/admin/logout", **bearer).status_code == 200
    assert walker.ask("GET", "/admin/users", **bearer).status_code == 401
