"""What every page knows: who looks at it, and that no cache may keep it."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from flask import Flask, Response
from markupsafe import Markup, escape

from gateline import __version__
from gateline.policy.identity import Identity
from gateline.shared.errors import ApiError
from gateline.shared.middleware.auth import current_identity
from gateline.web.manual.markdown import Surroundings, render
from gateline.web.navigation import home_of

_CODE: Final = re.compile(r"`([^`]+)`")
_NOWHERE: Final = Surroundings(link=lambda _: None, picture=lambda _, alt: str(escape(alt)))


def init_page_context(app: Flask) -> None:
    """Give templates what all of them use."""
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.tests["moment"] = lambda value: isinstance(value, datetime)
    app.jinja_env.tests["day"] = lambda value: isinstance(value, date)
    app.jinja_env.globals["version"] = __version__
    app.jinja_env.filters["sentence"] = sentence
    app.jinja_env.filters["codes"] = codes
    app.jinja_env.filters["prose"] = prose
    app.context_processor(_visitor)


def never_kept(response: Response) -> Response:
    """Keep a page out of caches.

    Pages differ with the cookie, and the back button must not show them after a logout.
    """
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-store")
        response.vary.add("Cookie")
    return response


def sentence(found: Iterable[str]) -> str:
    """Return what is wrong with a field as one sentence.

    >>> sentence(["is too short", "is no address"])
    'Is too short, is no address.'
    """
    text = ", ".join(found)
    stop = "" if not text or text.endswith((".", "!", "?")) else "."
    return text[:1].upper() + text[1:] + stop


def codes(text: str) -> Markup:
    """Return one line in which what stands between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def prose(text: str) -> Markup:
    """Return the HTML of Markdown that a service told, without links, pictures and raw HTML."""
    return Markup(render(text, _NOWHERE).html)  # noqa: S704 - the renderer escapes


def visitor() -> Identity | None:
    """Return who looks at the page; while the session store is away, nobody is known."""
    try:
        return current_identity()
    except ApiError:
        return None


def _visitor() -> dict[str, Any]:
    identity = visitor()
    return {"user": identity, "home_of_user": home_of(identity.user_type) if identity else None}
