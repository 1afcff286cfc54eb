"""Find the web applications in a folder by reading their code; nothing in it is run."""

import ast
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from gateline.local.stated_paths import callee, stated_paths

Kind = Literal["wsgi", "asgi"]

_WSGI: Final[Kind] = "wsgi"
_ASGI: Final[Kind] = "asgi"

_LEFT_OUT: Final = frozenset(
    {"build", "dist", "docs", "env", "migrations", "node_modules", "site-packages", "tests", "venv"}
)
_FACTORIES: Final = frozenset({"create_app", "make_app", "build_app"})
_NAMES: Final = frozenset({"app", "application", "api"})
_MADE_BY: Final[dict[str, Kind]] = {
    "Flask": "wsgi",
    "get_wsgi_application": "wsgi",
    "Bottle": "wsgi",
    "FastAPI": "asgi",
    "Starlette": "asgi",
    "Quart": "asgi",
    "get_asgi_application": "asgi",
}
_SERVERS: Final = frozenset({"gunicorn", "granian", "waitress-serve", "uvicorn", "hypercorn"})
_ASGI_SERVERS: Final = frozenset({"uvicorn", "hypercorn"})
_TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(\))?")
_MOST_FILES: Final = 500
_MOST_FOLDERS: Final = 100
_MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """An application: its target (`module:name`), where that is said, and which paths it answers.

    `paths` are those that its module states literally; none when it states none. Modules count
    from `directory`, which counts from the folder that was looked at.
    """

    target: str
    place: str
    kind: Kind = "wsgi"
    paths: tuple[str, ...] = ()
    directory: str = "."

    @property
    def module(self) -> str:
        """The module's whole name."""
        return self.target.partition(":")[0]


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    place: str
    tree: ast.Module


def applications(folder: Path) -> list[Found]:
    """Return the applications of a folder, the likeliest first.

    What a Procfile or `FLASK_APP` names leaves no doubt; else factories go first, then module-level
    objects. Of one module only one. Folders in it are looked at when it has none itself.
    """
    found = _in_folder(folder)
    if found:
        return found
    below = [
        replace(one, place=f"{inner}/{one.place}", directory=str(inner))
        for inner in _inner_folders(folder)
        for one in _in_folder(folder / inner)
    ]
    return sorted(below, key=lambda one: one.kind == _ASGI)


def _inner_folders(folder: Path) -> list[Path]:
    """Return the folders, two deep, whose modules may be an application's: `src` goes first."""
    inner = [
        path.relative_to(folder)
        for pattern in ("*/", "*/*/")
        for path in sorted(folder.glob(pattern))
        if not (path / "__init__.py").exists()
    ]
    kept = [path for path in inner if not any(_is_left_out(part) for part in path.parts)]
    return sorted(kept, key=lambda path: path.parts[0] != "src")[:_MOST_FOLDERS]


def _is_left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.startswith(".")


def _in_folder(folder: Path) -> list[Found]:
    """Return the applications of the modules and packages of a folder, the likeliest first."""
    modules = list(_modules(folder))
    trees = {module.name: module.tree for module in modules}
    named = [*_from_procfile(folder), *_from_flask_app(folder)]
    found: dict[str, Found] = {}
    for one in named or sorted(_from_modules(modules), key=_likelihood):
        found.setdefault(one.module, one)
    return [
        replace(one, paths=stated_paths(trees, one.module))
        for at, one in enumerate(found.values())
        if at == 0 or not _hands_on(one)
    ]


def _hands_on(found: Found) -> bool:
    """Tell whether a module is only the entrance to an application that another one makes."""
    return found.module.rpartition(".")[2] == "wsgi"


def _likelihood(found: Found) -> tuple[bool, bool, int, str]:
    name = found.target.partition(":")[2]
    return (found.kind == "asgi", name not in _FACTORIES, found.module.count("."), found.module)


def _modules(folder: Path) -> Iterator[_Module]:
    """Yield the modules of the folder and of its packages."""
    files = sorted(folder.glob("*.py"))
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        if not _is_left_out(package.name):
            files += sorted(package.glob("*.py"))
    for file in files[:_MOST_FILES]:
        if file.name.startswith("test_") or file.name == "conftest.py":
            continue
        tree = _parsed(file)
        if tree is not None:
            place = file.relative_to(folder)
            parts = place.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield _Module(name, str(place), tree)


def _parsed(file: Path) -> ast.Module | None:
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


def _from_modules(modules: Iterable[_Module]) -> Iterator[Found]:
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef) and _is_factory(node):
                kind = next(_kinds(node), _WSGI)
                yield Found(f"{module.name}:{node.name}", module.place, kind)
            elif (made := _made(node)) is not None:
                yield Found(f"{module.name}:{made[0]}", module.place, made[1])


def _is_factory(node: ast.FunctionDef) -> bool:
    """Tell whether a function of that name can be called without arguments."""
    arguments = node.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    keywords = sum(default is None for default in arguments.kw_defaults)
    return node.name in _FACTORIES and required == 0 and keywords == 0


def _kinds(node: ast.AST) -> Iterator[Kind]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and (kind := _MADE_BY.get(callee(call))):
            yield kind


def _made(node: ast.stmt) -> tuple[str, Kind] | None:
    """Return the name and kind of an application that a statement makes, None for any other."""
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets, value = [node.target], node.value
    else:
        return None
    if not isinstance(value, ast.Call) or not isinstance(targets[0], ast.Name):
        return None
    name, maker = targets[0].id, callee(value)
    if maker in _FACTORIES and name in _NAMES:
        return name, "wsgi"
    kind = _MADE_BY.get(maker)
    return (name, kind) if kind is not None else None


def _from_procfile(folder: Path) -> Iterator[Found]:
    for line in _lines(folder / "Procfile"):
        process, separator, command = line.partition(":")
        if not separator or process.strip() != "web":
            continue
        words = _words(command)
        server = next((word for word in words if Path(word).name in _SERVERS), None)
        if server is not None:
            kind: Kind = "asgi" if _is_asgi(Path(server).name, words) else "wsgi"
            for word in words:
                if _TARGET.fullmatch(word):
                    yield Found(word, "Procfile", kind)


def _is_asgi(server: str, words: list[str]) -> bool:
    return server in _ASGI_SERVERS or any("uvicorn" in word for word in words)


def _from_flask_app(folder: Path) -> Iterator[Found]:
    for name in (".flaskenv", ".env"):
        for line in _lines(folder / name):
            variable, _, value = line.removeprefix("export ").partition("=")
            target = value.strip().strip("'\"")
            if variable.strip() == "FLASK_APP" and _TARGET.fullmatch(target):
                yield Found(target, name)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
