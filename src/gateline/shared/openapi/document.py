"""A service's whole OpenAPI document, and `/openapi.json`, which answers with it."""

import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Flask, Response, current_app, request

from gateline import __version__
from gateline.shared.cookies import session_cookie_name
from gateline.shared.declarations import answers
from gateline.shared.middleware.rate_limiter import exempt
from gateline.shared.openapi.components import ERROR, REF, Schemas, used_only
from gateline.shared.openapi.operations import Operation, described, models_of, operations
from gateline.shared.openapi.refusals import HEADERS
from gateline.shared.schemas.base import JsonObject

PATH: Final = "/openapi.json"
VERSION: Final = "3.1.0"

_EXTENSION: Final = "gateline.openapi"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

SECURITY_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token that a login gives.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": session_cookie_name(secure=False),
        "description": "A browser's session; under TLS the name is "
        f"`{session_cookie_name(secure=True)}`. Unsafe requests must come from our own pages.",
    },
    "serviceKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Service-Key",
        "description": "The key of a calling service.",
    },
    "serviceBearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The key of a calling service, as a bearer token.",
    },
}


class Described:
    """The document of one app, made once, at the first request for it.

    `as_page` tells of a path whether its errors come as pages to those who ask for pages.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.as_page: Callable[[str], bool] = _never
        self._text: bytes | None = None
        self._lock = threading.Lock()

    def text(self, app: Flask) -> bytes:
        """Return the document as JSON."""
        with self._lock:
            if self._text is None:
                made = document(app)
                self._text = json.dumps(made, separators=(",", ":")).encode()
            return self._text


def init_openapi(app: Flask, service: str) -> None:
    """Answer `/openapi.json` with the description of everything that the app answers."""
    app.extensions[_EXTENSION] = Described(service)
    app.add_url_rule(PATH, "openapi", _show)


def errors_as_pages(app: Flask, as_page: Callable[[str], bool]) -> None:
    """Say of which paths errors come as pages to those who ask for pages."""
    _described(app).as_page = as_page


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an app."""
    known = _described(app)
    found = list(operations(app, known.service))
    schemas = Schemas(item for operation in found for item in models_of(operation))
    responses: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for operation in found:
        path = operation.path
        said = described(operation, schemas, responses, as_page=known.as_page(path))
        paths.setdefault(path, {})[operation.method.lower()] = said
    title = f"Gateline: {known.service}"
    about = sys.modules[app.import_name].__doc__ or title
    return whole(
        title,
        about.partition("\n")[0],
        paths=paths,
        tags=_tags(found),
        schemas=schemas.by_name,
        responses=responses,
    )


def whole(
    title: str,
    description: str,
    *,
    paths: dict[str, Any],
    tags: list[dict[str, str]],
    schemas: dict[str, Any],
    responses: dict[str, Any],
) -> dict[str, Any]:
    """Return a document of these parts; schemas that nothing refers to are left out."""
    return {
        "openapi": VERSION,
        "info": {"title": title, "description": description, "version": __version__},
        "jsonSchemaDialect": _DIALECT,
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": used_only(schemas, [paths, responses, {"$ref": f"{REF}{ERROR}"}]),
            "responses": dict(sorted(responses.items())),
            "headers": dict(HEADERS),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


@exempt
@answers(200, JsonObject, "The OpenAPI 3.1 document.")
def _show() -> Response:
    """Describe every address of this service."""
    app = current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - Flask's documented way
    response = Response(_described(app).text(app), mimetype="application/json")
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)  # type: ignore[return-value] # returns itself


def _tags(found: Iterable[Operation]) -> list[dict[str, str]]:
    """Return the groups with what the docstring of their module says first."""
    texts: dict[str, str] = {}
    for operation in found:
        module = inspect.getmodule(inspect.unwrap(operation.view))
        said = (inspect.getdoc(module) or "").partition("\n")[0] if module else ""
        texts.setdefault(operation.tag, said)
    return [{"name": name, "description": text} for name, text in sorted(texts.items())]


def _described(app: Flask) -> Described:
    known = app.extensions[_EXTENSION]
    assert isinstance(known, Described)  # noqa: S101 # tells the type checker what init_openapi put
    return known


def _never(_: str) -> bool:
    return False
