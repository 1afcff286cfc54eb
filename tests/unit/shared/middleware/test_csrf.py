"""The origin check for browser endpoints."""

from collections.abc import Callable

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from gateline.shared.middleware import csrf


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    """Give a client of an app with one protected blueprint and one open view."""
    app = make_app(CORS_ORIGINS="https://app.example")
    pages = Blueprint("pages", __name__)
    csrf.protect(pages)

    @pages.route("/login", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def login() -> str:
        return "in"

    @app.post("/api")
    def api() -> str:
        return "open"

    app.register_blueprint(pages)
    return app.test_client(use_cookies=False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_site_cannot_log_a_browser_in(client: FlaskClient, method: str) -> None:
    """Login CSRF: refused although there is no session yet."""
    answer = client.open("/login", method=method, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["details"]["reason"] == "cross_site"


def test_reading_is_free(client: FlaskClient) -> None:
    """Links from other sites work."""
    assert client.get("/login", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "https://app.example"},
        {},
    ],
)
def test_our_own_pages_may_post(client: FlaskClient, headers: dict[str, str]) -> None:
    """Our own origin, a listed one, and what no browser sent pass."""
    assert client.post("/login", headers=headers).status_code == 200


def test_what_is_not_protected_is_open(client: FlaskClient) -> None:
    """The check covers the blueprint that it was asked for."""
    assert client.post("/api", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
