"""The manual and the reference of the API, for readers with a browser."""

import gzip
import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
)
from markupsafe import Markup

from gateline.policy.reasons import NOT_FOUND
from gateline.policy.routes import RouteTable
from gateline.shared.app import parts
from gateline.shared.declarations import HTML, answers, refuses, takes
from gateline.shared.errors import ApiError
from gateline.shared.middleware.rate_limiter import limit
from gateline.shared.openapi import document
from gateline.shared.openapi.merging import Part, merged
from gateline.shared.proxy_service import ProxyService
from gateline.shared.routing import platform_routes, platform_services
from gateline.shared.schemas.base import JsonObject
from gateline.web.form_schemas import SearchQuery
from gateline.web.manual import Manual, folder_of_manual, search
from gateline.web.manual.pages import PICTURES, ROOT
from gateline.web.manual.search import LONGEST_QUERY
from gateline.web.page_context import never_kept, visitor
from gateline.web.reference import Documents, Drawn, Operation
from gateline.web.reference.document import fetch_by, processes
from gateline.web.reference.schemas import Json

docs = Blueprint("docs", __name__, url_prefix=ROOT)
docs.after_request(never_kept)

_EXTENSION: Final = "gateline.manual"
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_OWN_SERVICE: Final = "web"
# A page of this size costs more than others, and a reader turns few of them.
_REFERENCE_LIMIT: Final = "60/minute"
_INDENTATION: Final = re.compile(r"(?<=\n) +<")


def init_docs(app: Flask, folder: Path | None = None) -> None:
    """Serve the manual that lies in `folder` and the reference of the services' APIs."""
    place = folder or folder_of_manual()
    app.extensions[_EXTENSION] = (place, _reader(app, place), _documents(app), [])
    app.register_blueprint(docs)


@docs.get("/search.json")
@answers(200, JsonObject, "Every section of the manual.")
def search_index() -> Response:
    """Answer with every section of the manual, for the search in the browser."""
    manual = _manual()
    found = [[part.address, part.page, part.heading, part.text] for part in manual.sections]
    response = jsonify(version=manual.version, sections=found)
    named = request.args.get("v") == manual.version
    response.headers["Cache-Control"] = _FOR_GOOD if named else _ASK_AGAIN
    return response


@docs.get("/search")
@takes(query=SearchQuery)
@answers(200, description="The page.", media_type=HTML)
def search_page() -> str:
    """Show what was found in the manual, for browsers without scripts."""
    query = request.args.get("q", "")[:LONGEST_QUERY].strip()
    manual = _manual()
    return render_template(
        "docs_search.html", manual=manual, query=query, found=search(manual.sections, query)
    )


@docs.get("/api")
@takes(query=SearchQuery)
@answers(200, description="The page.", media_type=HTML)
@limit(_REFERENCE_LIMIT)
def reference() -> Response:
    """Show the reference of all services' APIs; `q` narrows it down."""
    documents: Documents = current_app.extensions[_EXTENSION][2]
    query = request.args.get("q", "")[:LONGEST_QUERY].strip()
    drawn, silent = _drawn(documents.whole()), tuple(documents.silent)
    if query or visitor() is not None:
        return _packed(_Page(_reference(drawn, silent, query)))
    # Everybody who has not said who they are sees the same.
    state = (silent, _manual().version)
    return _packed(drawn.page(state, lambda: _Page(_reference(drawn, silent))))


@docs.get("", strict_slashes=False)
@docs.get("/<path:name>")
@answers(200, description="The page, or a picture of one.", media_type="*/*")
@answers(302, description="To the page's own address.")
@refuses(NOT_FOUND)
def page(name: str = "") -> Any:
    """Show a page of the manual, or a picture of one."""
    if name.endswith(PICTURES):
        return send_from_directory(current_app.extensions[_EXTENSION][0], name)
    manual = _manual()
    found = manual.pages.get(name.rstrip("/").removesuffix(".md"))
    if found is None and name:
        raise ApiError(reason=NOT_FOUND)
    if found is not None and found.address != request.path.rstrip("/"):
        return redirect(found.address)
    before, after = manual.neighbours(found) if found else (None, None)
    return render_template("docs_page.html", manual=manual, page=found, before=before, after=after)


def _manual() -> Manual:
    read: Callable[[], Manual] = current_app.extensions[_EXTENSION][1]
    return read()


def _reader(app: Flask, folder: Path) -> Callable[[], Manual]:
    """Return what gives the manual: read once, and in debug mode again whenever a file changes."""
    read: list[tuple[float, Manual]] = []

    def changed() -> float:
        return max((path.stat().st_mtime for path in folder.rglob("*")), default=0.0)

    def manual() -> Manual:
        if not read or (app.debug and read[-1][0] != changed()):
            read[:] = [(changed(), Manual.load(folder))]
        return read[-1][1]

    return manual


def _drawn(whole: Json) -> "Drawn[_Page]":
    """Return what was drawn for this state of the document; only the last one is kept."""
    kept: list[Drawn[_Page]] = current_app.extensions[_EXTENSION][3]
    for drawn in kept:
        if drawn.document is whole and not current_app.debug:
            return drawn
    kept[:] = [Drawn(whole, _operation)]
    return kept[0]


def _operation(operation: Operation) -> Markup:
    template = current_app.jinja_env.get_template("reference_operation.html")
    # Nearly half of so many nested lines would be their indentation.
    html = _INDENTATION.sub("<", template.render(op=operation))
    return Markup(html)  # noqa: S704 - a template has escaped it


def _reference(drawn: "Drawn[_Page]", silent: Collection[str], query: str = "") -> str:
    whole, found = drawn.document, drawn.chapters(query)
    return render_template(
        "reference.html",
        manual=_manual(),
        query=query,
        description=(whole.get("info") or {}).get("description") or "",
        told=bool(whole.get("paths")),
        chapters=found,
        drawn=drawn.operation,
        schemes=(whole.get("components") or {}).get("securitySchemes") or {},
        silent=silent,
    )


class _Page:
    """A page that is far larger than others, as it is and, once it is wanted so, compressed."""

    def __init__(self, html: str) -> None:
        self.plain = html.encode()

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.plain, compresslevel=5)


def _packed(page: _Page) -> Response:
    """Answer with the page, compressed for browsers that take it so."""
    smaller = bool(request.accept_encodings["gzip"])
    response = current_app.response_class(page.packed if smaller else page.plain, mimetype=HTML)
    response.vary.add("Accept-Encoding")
    if smaller:
        response.content_encoding = "gzip"
    return response


def _documents(app: Flask) -> Documents:
    with app.app_context():
        services = platform_services(parts().settings)
    # In-process: a service that calls itself may wait for its own only thread.
    others = processes({name: found for name, found in services.items() if name != _OWN_SERVICE})
    names = {name: found for name, (_, found) in others.items()}
    names[_OWN_SERVICE] = frozenset({_OWN_SERVICE})
    over_http = fetch_by(ProxyService({name: found for name, (found, _) in others.items()}))
    table = RouteTable(platform_routes())

    def fetch(name: str) -> Any:
        return document(app) if name == _OWN_SERVICE else over_http(name)

    def merge(told: Mapping[str, Json]) -> Json:
        return merged([Part(names[name], part) for name, part in told.items()], table, services)

    return Documents(names, fetch, merge)
