"""Finding a team's own application by its name."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateline.local.applications import ApplicationError, load_application

MODULE = """
from flask import Flask

class Callable:
    def __call__(self, environ, start_response):
        return []

app = Flask(__name__)
number = 7
holder = type("Holder", (), {"inner": Callable()})
kind = Callable
made = 0

def create_app(name="shop"):
    global made
    made += 1
    return Flask(name)

def plain(environ, start_response):
    return []

def needs(settings, more):
    return Flask(__name__)

def makes_nothing():
    return None

async def asynchronous(scope, receive, send):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give a folder with the module `shop`, and leave the process as it was."""
    (tmp_path / "shop.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import no_such_thing\n")
    (tmp_path / "bare.py").write_text("x = 1\n")
    (tmp_path / "named.py").write_text("from shop import plain as application\n")
    path, before, known = list(sys.path), Path.cwd(), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    os.chdir(before)
    for name in set(sys.modules) - known:
        if name in {"shop", "broken", "bare", "named"}:
            del sys.modules[name]


@pytest.mark.parametrize("name", ["app", "create_app", "create_app()", "plain", "holder.inner"])
def test_an_application_or_what_makes_one(folder: Path, name: str) -> None:
    """A factory is called, an application is taken as it is."""
    assert callable(load_application(f"shop:{name}", folder))
    assert Path.cwd() == folder
    assert sys.modules["shop"].made == name.startswith("create_app")


@pytest.mark.parametrize(("module", "made"), [("shop", 1), ("named", 0)])
def test_a_module_alone_is_looked_through(folder: Path, module: str, made: int) -> None:
    """The usual names are tried in their order."""
    assert callable(load_application(module, folder))
    assert sys.modules["shop"].made == made


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("shop:creat_app", "has no 'creat_app'"),
        ("stop:create_app", "no module 'stop'"),
        ("shop.inner:app", "no module 'shop.inner'"),
        ("bare", "none of create_app, make_app, app, application: name the application"),
        ("shop:number", "no WSGI application but a int"),
        ("shop:kind", "no WSGI application but a type"),
        ("shop:makes_nothing", "no WSGI application but a NoneType"),
        ("shop:asynchronous", "is an ASGI application"),
    ],
)
def test_what_is_missing_is_named(folder: Path, target: str, missing: str) -> None:
    """The message is for whoever wrote the target."""
    with pytest.raises(ApplicationError, match=missing.replace(".", r"\.")):
        load_application(target, folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A wrong `directory` is no import error."""
    with pytest.raises(ApplicationError, match="there is no folder"):
        load_application("shop:app", tmp_path / "nowhere")


def test_what_the_module_itself_lacks_is_its_own_affair(folder: Path) -> None:
    """The traceback of the import says more than we could."""
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        load_application("broken:app", folder)
