"""Static files under addresses that name their content, so that browsers may keep them for good.

One hash covers the whole tree: modules import each other by relative path and therefore always get
the files that belong together.
"""

import hashlib
from pathlib import Path
from typing import Final

from flask import Flask, Response, send_from_directory

FOLDER: Final = Path(__file__).parent / "static"

_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"


def tree_hash(folder: Path) -> str:
    """Return a short hash of every file's path and content below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def init_assets(app: Flask, folder: Path = FOLDER) -> None:
    """Serve `folder` below /static/ and give templates `asset(path)`, the address of a file."""
    at_start = tree_hash(folder)

    def current() -> str:
        # While somebody edits the files a restart should not be needed to see them.
        return tree_hash(folder) if app.debug else at_start

    def asset(path: str) -> str:
        return f"/static/{current()}/{path}"

    def static(version: str, filename: str) -> Response:
        response = send_from_directory(folder, filename)
        response.headers["Cache-Control"] = _FOR_GOOD if version == current() else _ASK_AGAIN
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.add_url_rule("/static/<version>/<path:filename>", "static", static)
    app.jinja_env.globals["asset"] = asset
