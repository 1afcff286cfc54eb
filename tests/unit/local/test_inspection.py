"""Finding the web applications of a folder without running anything."""

from pathlib import Path

import pytest

from gateline.local.inspection import applications

FACTORY = "from flask import Flask\n\ndef create_app(name='x'):\n    return Flask(name)\n"


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "targets"),
    [
        ({"shop.py": FACTORY}, ["shop:create_app"]),
        ({"shop.py": "import flask\napp = flask.Flask(__name__)\n"}, ["shop:app"]),
        ({"shop.py": "app: Flask = Flask(__name__)\n"}, ["shop:app"]),
        ({"app/__init__.py": FACTORY}, ["app:create_app"]),
        ({"app/__init__.py": "", "app/factory.py": FACTORY}, ["app.factory:create_app"]),
        (
            {"shop/__init__.py": FACTORY, "wsgi.py": "import shop\napp = shop.create_app()\n"},
            ["shop:create_app"],
        ),
        (
            {"wsgi.py": "from x import create_app\napplication = create_app()\n"},
            ["wsgi:application"],
        ),
        ({"a.py": "app = Flask('a')\n", "b.py": FACTORY}, ["b:create_app", "a:app"]),
        ({"shop.py": "def create_app(settings):\n    ...\n"}, []),
        ({"test_shop.py": FACTORY, "tests/__init__.py": FACTORY, "notes.py": "x = 1\n"}, []),
        ({"broken.py": "def (:\n", "shop.py": FACTORY}, ["shop:create_app"]),
        (
            {"Procfile": "web: gunicorn -w 4 'desk:make()'\nworker: run x:y\n", "shop.py": FACTORY},
            ["desk:make()"],
        ),
        ({"Procfile": "web: npm start\n", "shop.py": FACTORY}, ["shop:create_app"]),
        ({".flaskenv": "export FLASK_APP='desk:app'\n"}, ["desk:app"]),
        ({}, []),
    ],
)
def test_what_is_found(tmp_path: Path, files: dict[str, str], targets: list[str]) -> None:
    """What a person named leaves no doubt, a factory goes before an object, tests do not count."""
    _write(tmp_path, files)

    assert [one.target for one in applications(tmp_path)] == targets


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"backend/app.py": FACTORY}, [("app:create_app", "backend")]),
        ({"src/shop/__init__.py": FACTORY, "setup.py": ""}, [("shop:create_app", "src")]),
        (
            {"services/stock/app.py": FACTORY, "services/cart/app.py": FACTORY},
            [("app:create_app", "services/cart"), ("app:create_app", "services/stock")],
        ),
        (
            {"client/app.py": FACTORY, "src/shop.py": FACTORY},
            [("shop:create_app", "src"), ("app:create_app", "client")],
        ),
        ({"backend/app.py": FACTORY, "shop.py": FACTORY}, [("shop:create_app", ".")]),
        ({"backend/Procfile": "web: gunicorn desk:app\n"}, [("desk:app", "backend")]),
        ({"venv/lib/shop.py": FACTORY, ".old/shop.py": FACTORY, "tests/shop.py": FACTORY}, []),
    ],
)
def test_folders_are_looked_at_where_there_is_nothing_else(
    tmp_path: Path, files: dict[str, str], found: list[tuple[str, str]]
) -> None:
    """A service often lives in a folder of its repository; `src` goes first."""
    _write(tmp_path, files)

    assert [(one.target, one.directory) for one in applications(tmp_path)] == found
    for one in applications(tmp_path):
        assert one.place.startswith("" if one.directory == "." else f"{one.directory}/")


@pytest.mark.parametrize(
    "files",
    [
        {"shop.py": "from fastapi import FastAPI\napp = FastAPI()\n"},
        {"shop.py": "def create_app():\n    return Starlette()\n"},
        {"Procfile": "web: uvicorn shop:app\n"},
        {"Procfile": "web: gunicorn -k uvicorn.workers.UvicornWorker shop:app\n"},
    ],
)
def test_asgi_is_told_apart(tmp_path: Path, files: dict[str, str]) -> None:
    """It cannot be served as WSGI."""
    _write(tmp_path, files)

    assert [one.kind for one in applications(tmp_path)] == ["asgi"]


def test_nothing_is_run(tmp_path: Path) -> None:
    """Code that would end the world when it is imported is only read."""
    _write(tmp_path, {"shop.py": f"raise SystemExit\n{FACTORY}"})

    assert [one.place for one in applications(tmp_path)] == ["shop.py"]


def test_each_knows_the_paths_of_its_own_views(tmp_path: Path) -> None:
    """Not those of another application in the same folder."""
    shop = FACTORY.replace("return", "@x.get('/api/shop')\n    def y(): ...\n    return")
    _write(tmp_path, {"shop.py": shop, "desk.py": FACTORY})

    assert {one.target: one.paths for one in applications(tmp_path)} == {
        "desk:create_app": (),
        "shop:create_app": ("/api/shop",),
    }
