"""Telling browsers, mobile apps and programs apart."""

import pytest
from flask import Flask

from gateline.shared.client_type import client_type, current_client_type, prefers_html

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


@pytest.mark.parametrize(
    ("user_agent", "accept", "kind"),
    [
        (FIREFOX, "text/html,*/*;q=0.8", "browser"),
        (FIREFOX, "application/json", "browser"),
        (IPHONE, "text/html", "mobile"),
        ("Gateline/1.0 okhttp/5.1.0", "application/json", "mobile"),
        ("Clinic/3 CFNetwork/1568 Darwin/24.0.0", "*/*", "mobile"),
        ("curl/8.14.1", "*/*", "api"),
        ("python-requests/2.34.2", "*/*", "api"),
        ("", "", "api"),
        ("unknown", "text/html", "browser"),
    ],
)
def test_kinds(user_agent: str, accept: str, kind: str) -> None:
    """The User-Agent decides; without a known one, whoever wants HTML is a browser."""
    assert client_type(user_agent, accept) == kind


def test_the_current_request() -> None:
    """The headers of the current request are used, and may be missing."""
    app = Flask(__name__)
    with app.test_request_context(headers={"User-Agent": IPHONE}):
        assert current_client_type() == "mobile"
    with app.test_request_context():
        assert current_client_type() == "api"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json", False),
        ("*/*", False),
        ("text/html;q=0.5, application/json", False),
    ],
)
def test_pages_or_json(accept: str, html: bool) -> None:
    """Who takes anything gets JSON; who prefers pages gets a page."""
    with Flask(__name__).test_request_context(headers={"Accept": accept}):
        assert prefers_html() is html
