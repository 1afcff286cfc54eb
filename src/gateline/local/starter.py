"""The gateway file that somebody starts from, made for the applications of a folder."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateline.local.inspection import Found
from gateline.shared.routing import PLATFORM_SERVICES

_UNTELLING: Final = frozenset(
    {"api", "app", "application", "asgi", "main", "run", "server", "src", "web", "wsgi"}
)
_UNUSABLE: Final = re.compile(r"[^a-z0-9-]+")
_HEAD: Final = """\
#:schema {schema}
# The gateway of this folder. `gateline check` checks this file, `gateline up` serves it, and a
# running gateway follows every change of it. Every setting: `gateline up`, then /docs/gateway-file
"""
_COMMENT_COLUMN: Final = 36


def service_name(found: Found, folder: Path) -> str:
    """Return a name for the service: the module's where it tells anything, else its folder's.

    >>> service_name(Found("shop.wsgi:app", "shop/wsgi.py"), Path("/srv/code"))
    'shop'
    """
    inner = reversed(Path(found.directory).parts)
    words = [word for word in (*found.module.split("."), *inner) if word not in _UNTELLING]
    for word in (*words, folder.absolute().name):
        name = _UNUSABLE.sub("-", word.lower()).strip("-")
        if name and not name[0].isdigit():
            return f"my-{name}" if name in PLATFORM_SERVICES else name
    return "app"


def route_path(found: Found, name: str) -> tuple[str, str | None]:
    """Return the route's path, and with what the app knows it to begin; None: with the same.

    >>> route_path(Found("a:b", "a.py", paths=("/api/shop/items", "/api/shop/<id>")), "shop")
    ('/api/shop/*', None)
    >>> route_path(Found("a:b", "a.py", paths=("/", "/items")), "shop")
    ('/api/shop/*', '')
    """
    paths = [path for path in found.paths if path not in ("/health", "/livez", "/readyz")]
    shared = _shared_segments(paths)
    if len(shared) > 1 or (shared and shared[0] != "api"):
        return f"/{'/'.join(shared)}/*", None
    if not paths:
        return f"/api/{name}/*", None
    return f"/api/{name}/*", "/api" if shared else ""


def starter(found: Sequence[Found], folder: Path, schema: str) -> str:
    """Return the text of the file for the first application; the others are mentioned."""
    first = found[0] if found else Found("", "")
    name = service_name(first, folder)
    lines = [*_service(first, name), "", *_route(first, name)]
    for one in found[1:]:
        other = service_name(one, folder)
        other = f"{other}-2" if other == name else other
        lines += ["", f"# Found as well, in {one.place}:", f"# [services.{other}]"]
        lines += [f"# {line}" for line in (_line(one), *_directory(one))]
    return _HEAD.format(schema=schema) + "\n" + "\n".join(lines) + "\n"


def _service(found: Found, name: str) -> list[str]:
    return [
        f"[services.{name}]",
        *_address(found),
        _said('# timeout = "10s"', "for one request, all attempts included"),
        _said('# health_check = { path = "/health" }', "leave out a target that fails it"),
    ]


def _route(found: Found, name: str) -> list[str]:
    path, known = route_path(found, name)
    lines = ["[[routes]]", f'path = "{path}"', f'service = "{name}"']
    if known is not None:
        prefix = f'rewrite_prefix = "{known}"' if known else "strip_prefix = true"
        lines.append(_said(prefix, f"{path.removesuffix('*')}items is {known}/items to the app"))
    return [
        *lines,
        _said('auth = "session"', "none: anybody; optional: anybody, known if logged in"),
        _said('# roles = ["customer"]', "only these kinds of account"),
        _said('rate_limit = "600/minute"', "of one client address"),
    ]


def _address(found: Found) -> list[str]:
    if not found.target:
        return [
            _said('url = "http://127.0.0.1:5000"', "no Flask app was found in this folder"),
            _said('# app = "module:create_app"', "instead of url: `gateline up` serves it"),
        ]
    if found.kind == "asgi":
        why = f"{found.target} ({found.place}) is ASGI: serve it there by yourself"
        return [_said(_line(found), why)]
    return [
        _said(_line(found), f"found in {found.place}; `gateline up` serves it"),
        *_directory(found),
        _said('# url = "http://127.0.0.1:5000"', "instead of app: it runs elsewhere"),
    ]


def _directory(found: Found) -> list[str]:
    """Return where modules count from, for an application that can be served there."""
    if found.kind == "asgi" or found.directory == ".":
        return []
    return [f"directory = {json.dumps(found.directory)}"]


def _said(line: str, comment: str) -> str:
    return (
        f"{line:<{_COMMENT_COLUMN}}# {comment}"
        if len(line) < _COMMENT_COLUMN
        else (f"{line}  # {comment}")
    )


def _line(found: Found) -> str:
    if found.kind == "asgi":
        return 'url = "http://127.0.0.1:5000"'
    return f'app = "{found.target.removesuffix("()")}"'


def _shared_segments(paths: Sequence[str]) -> list[str]:
    """Return the literal segments with which all paths begin."""
    several = [_literal(path) for path in paths]
    shared: list[str] = []
    for segments in zip(*several, strict=False):
        if len(set(segments)) != 1:
            break
        shared.append(segments[0])
    return shared


def _literal(path: str) -> list[str]:
    segments = []
    for segment in path.strip("/").split("/"):
        if not re.fullmatch(r"[A-Za-z0-9._~-]+", segment):
            break
        segments.append(segment)
    return segments
