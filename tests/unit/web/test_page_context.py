"""What every page knows."""

import pytest
from flask.testing import FlaskClient

from gateline.web.page_context import codes, prose, sentence


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], ""),
        (["is required"], "Is required."),
        (["is short", "is odd"], "Is short, is odd."),
        (["There is one already."], "There is one already."),
    ],
)
def test_sentence(found: list[str], text: str) -> None:
    """What is wrong with a field is said as one sentence."""
    assert sentence(found) == text


def test_codes_are_escaped() -> None:
    """Between backticks is code, and nothing of it is markup."""
    assert codes("a `<b>` c") == "a <code>&lt;b&gt;</code> c"


def test_prose_has_no_links_and_no_html() -> None:
    """What a service tells is formatted, but leads nowhere and holds nothing of its own."""
    shown = prose("* `a`: [b](https://example.com)\n* <img src=x> ![c](d.png)\n")
    assert "<code>a</code>" in shown
    assert "<span>b</span>" in shown
    assert "<img" not in shown
    assert "href" not in shown


@pytest.mark.parametrize("path", ["/", "/register", "/docs", "/docs/api", "/register/doctor"])
def test_pages_are_kept_by_no_cache(client: FlaskClient, path: str) -> None:
    """Pages show who is logged in, so no cache keeps them."""
    headers = client.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert "Cookie" in headers["Vary"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
