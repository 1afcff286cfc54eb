"""Static files under addresses that name their content."""

from pathlib import Path

import pytest
from flask import Flask, render_template_string

from gateline.web.assets import FOLDER, init_assets, tree_hash


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one script in it."""
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("export {};")
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Flask:
    """Give an app that serves the folder."""
    app = Flask(__name__, static_folder=None)
    init_assets(app, folder)
    return app


def address(app: Flask, path: str) -> str:
    """Return the address of a file as a template would write it."""
    with app.app_context():
        return render_template_string("{{ asset(path) }}", path=path)


def test_hash_follows_content_and_names(folder: Path) -> None:
    """A changed file, and a renamed one, change every address."""
    first = tree_hash(folder)
    (folder / "js" / "a.js").write_text("export {}; ")
    second = tree_hash(folder)
    (folder / "js" / "a.js").rename(folder / "js" / "b.js")
    assert len({first, second, tree_hash(folder)}) == 3


def test_files_are_kept_for_good(app: Flask) -> None:
    """The address of today's content may be cached for a year and is never asked for again."""
    response = app.test_client().get(address(app, "js/a.js"), buffered=True)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.mimetype == "text/javascript"
    assert response.headers["ETag"]


def test_an_old_address_is_not_kept(app: Flask) -> None:
    """A page from before a new version still finds the file, but must not keep it for good."""
    response = app.test_client().get("/static/0123456789abcdef/js/a.js", buffered=True)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["js/none.js", "../test_assets.py", "..%2f..%2fetc/passwd", ""])
def test_nothing_else_is_served(app: Flask, path: str) -> None:
    """Files that are not there, or lie outside the folder, are not found."""
    version = address(app, "")
    assert app.test_client().get(version + path).status_code == 404


def test_debug_follows_edits(folder: Path) -> None:
    """While debugging an edited file gets a new address without a restart."""
    app = Flask(__name__, static_folder=None)
    app.debug = True
    init_assets(app, folder)
    before = address(app, "js/a.js")
    (folder / "js" / "a.js").write_text("// edited")
    assert address(app, "js/a.js") != before


def test_nothing_inline_and_nothing_foreign() -> None:
    """Templates hold no inline script or style and name no other host, as the CSP demands."""
    for template in (FOLDER.parent / "templates").iterdir():
        text = template.read_text()
        assert "style=" not in text, template.name
        assert "<style" not in text, template.name
        assert "onclick" not in text, template.name
        assert "://" not in text, template.name
        assert text.count("<script") == text.count('<script type="module" src="'), template.name
