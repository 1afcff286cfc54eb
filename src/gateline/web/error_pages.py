"""Errors as pages: what went wrong is decided in one place for all, here it only gets a face."""

from typing import Final

from flask import Flask, Response, g, render_template, request

from gateline.shared.openapi import errors_as_pages

_API_PREFIXES: Final = ("/api/", "/.well-known/", "/static/")

_TITLES: Final = {
    400: "That request makes no sense here",
    401: "Please log in first",
    403: "This gate stays shut for you",
    404: "There is no such page",
    405: "This page cannot do that",
    413: "That was too much at once",
    429: "Too many requests",
    500: "Something went wrong on our side",
    502: "A service behind the gate does not answer",
    503: "The service is not available just now",
    504: "A service behind the gate takes too long",
}


_SENTENCES: Final = {404: "The address may be mistyped, or what was here has moved."}


def init_error_pages(app: Flask) -> None:
    """Show the standard error body as a page to whoever asks for pages.

    It runs last of all, on the finished answer, so it covers every refusal: routing, limits,
    sessions, crashes.
    """
    app.after_request(_as_page)
    errors_as_pages(app, lambda path: not path.startswith(_API_PREFIXES))


def wants_page() -> bool:
    """Tell whether the current request comes from somebody who looks at pages.

    Only a client that names text/html does; `*/*` (curl, scripts) gets JSON.
    """
    if request.path.startswith(_API_PREFIXES):
        return False
    named = any(value.startswith("text/html") for value, _ in request.accept_mimetypes)
    return (
        named
        and request.accept_mimetypes.best_match(("text/html", "application/json")) == "text/html"
    )


def _as_page(response: Response) -> Response:
    if response.status_code < 400 or response.mimetype != "application/json" or not wants_page():
        return response
    body = response.get_json(silent=True)
    status = response.status_code
    said = body.get("message", "") if isinstance(body, dict) else ""
    page = render_template(
        "error.html",
        status=status,
        title=_TITLES.get(status, "That did not work"),
        sentence=_SENTENCES.get(status, said),
        request_id=g.get("request_id"),
    )
    response.set_data(page)
    response.mimetype = "text/html"
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response
