"""The manual and the reference as pages."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.unit.web.conftest import Stub
from tests.unit.web.test_routes_pages import page_of

from gateline.web import routes_docs
from gateline.web.routes_docs import _reader

OPENAPI: dict[str, Any] = {
    "info": {"title": "Stub"},
    "paths": {
        "/api/orders": {
            "post": {
                "tags": ["things"],
                "summary": "Make `one` <thing>.",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {"size": {"type": "integer", "minimum": 3}},
                            }
                        }
                    }
                },
                "responses": {"201": {"description": "Made."}, "400": {"description": "No."}},
            }
        }
    },
}


@pytest.mark.parametrize(
    ("path", "language", "words"),
    [
        ("/docs/architecture", None, "A request, step by step"),
        ("/docs/arquitectura", "es", "Una petición, paso a paso"),
    ],
)
def test_architecture(client: FlaskClient, path: str, language: str | None, words: str) -> None:
    """Both pages about the architecture are there, with drawings, in their language."""
    response = client.get(path)
    page = page_of(response)
    assert response.status_code == 200
    assert words in page.text
    assert page.all("article")[0].get("lang") == language
    assert len([tag for tag in page.all("svg") if tag.get("role") == "img"]) == 2
    assert "<style" not in response.text


def test_first_page(client: FlaskClient) -> None:
    """The first page leads to every other, with or without a slash behind it."""
    links = {tag.get("href") for tag in page_of(client.get("/docs")).all("a")}
    assert {"/docs/architecture", "/docs/arquitectura", "/docs/api"} <= links
    assert client.get("/docs/").status_code == 200


def test_name_of_the_file(client: FlaskClient) -> None:
    """The name that a page has in the repository leads to its address."""
    assert client.get("/docs/architecture.md").location == "/docs/architecture"


@pytest.mark.parametrize(
    "path",
    ["/docs/nowhere", "/docs/../README", "/docs/img/nothing.svg", "/docs/img/..%2f..%2fx.svg"],
)
def test_what_is_not_there(client: FlaskClient, path: str) -> None:
    """No file outside the manual is served, nor one that does not exist."""
    assert client.get(path, headers={"Accept": "text/html"}).status_code == 404


def test_picture(client: FlaskClient) -> None:
    """Pictures of the manual are served as such."""
    response = client.get("/docs/img/platform.svg")
    assert response.mimetype == "image/svg+xml"
    response.close()


def test_search_index(client: FlaskClient) -> None:
    """The index holds every section and may be kept for good under its version."""
    index = client.get("/docs/search.json").get_json()
    assert ["/docs/architecture#sessions", "Architecture", "Sessions"] in [
        section[:3] for section in index["sections"]
    ]
    named = client.get(f"/docs/search.json?v={index['version']}")
    assert "immutable" in named.headers["Cache-Control"]
    other = client.get("/docs/search.json?v=old")
    assert other.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("revocada", "una sesión revocada se rechaza"),
        ("xyzzy", "Nothing was found"),
        ("", "Type a word"),
        ("<script>", "Found for"),
    ],
)
def test_search_page(client: FlaskClient, query: str, words: str) -> None:
    """The search answers without scripts, and shows what was typed as text."""
    response = client.get("/docs/search", query_string={"q": query})
    assert words in page_of(response).text
    assert "<script>" not in response.text


def test_reference(client: FlaskClient, stub: Stub) -> None:
    """The reference shows what each service tells, with fields and answers, as text."""
    stub.put("GET /openapi.json", OPENAPI)
    response = client.get("/docs/api")
    page = page_of(response)
    assert "size" in page.text
    assert "≥ 3" in page.text
    assert "<thing>" not in response.text
    assert "post-api-orders" in [tag.get("id") for tag in page.all("details")]
    assert len([asked for asked in stub.asked if asked.path == "/openapi.json"]) == 1


def test_the_reference_is_not_drawn_for_each_reader(
    client: FlaskClient, browse: Any, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One who has not logged in costs no template, a query draws no operation; users see a name."""
    stub.put("GET /openapi.json", OPENAPI)
    first = client.get("/docs/api").data
    with monkeypatch.context() as without_templates:
        without_templates.setattr(routes_docs, "render_template", None)
        assert client.get("/docs/api").data == first
    monkeypatch.setattr(routes_docs, "_operation", None)
    assert b"post-api-orders" in client.get("/docs/api?q=orders").data
    named = browse("patient").get("/docs/api")
    assert "Ana Gil" in named.text
    assert client.get("/docs/api").data == first


def test_the_reference_has_a_limit_of_its_own(client: FlaskClient, stub: Stub) -> None:
    """It is tighter than that of pages that cost less."""
    stub.put("GET /openapi.json", OPENAPI)
    assert client.get("/docs/api").headers["X-RateLimit-Limit"] == "60"


def test_reference_is_compressed(client: FlaskClient, stub: Stub) -> None:
    """The one large page travels compressed to whoever takes it so."""
    stub.put("GET /openapi.json", OPENAPI)
    plain = client.get("/docs/api")
    packed = client.get("/docs/api", headers={"Accept-Encoding": "gzip"})
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3


def test_reference_is_narrowed_down_without_scripts(client: FlaskClient, stub: Stub) -> None:
    """The filter is a form, too."""
    stub.put("GET /openapi.json", OPENAPI)
    found = page_of(client.get("/docs/api?q=POST+orders"))
    assert [tag["id"] for tag in found.all("details") if tag.get("class") == "op"] == [
        "post-api-orders"
    ]
    assert "Nothing fits" in page_of(client.get("/docs/api?q=xyzzy")).text


def test_reference_without_the_services(client: FlaskClient) -> None:
    """Services that are away are named; our own part is there."""
    page = page_of(client.get("/docs/api"))
    assert "the service is away: auth" in page.text
    ids = [tag.get("id") for tag in page.all("details")]
    assert "post-api-web-auth-logout" in ids


def test_pages_are_read_again_while_somebody_writes(app: Flask, tmp_path: Path) -> None:
    """In debug mode a changed page is seen without a restart, otherwise not."""
    page = tmp_path / "a.md"
    page.write_text("# One")
    read = _reader(app, tmp_path)
    assert read().pages["a"].title == "One"
    page.write_text("# Two")
    assert read().pages["a"].title == "One"
    app.debug = True
    page.touch()
    assert read().pages["a"].title == "Two"
