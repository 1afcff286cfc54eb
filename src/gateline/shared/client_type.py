"""What kind of client is asking: a browser, a mobile app, or a program.

It only chooses how an answer looks (a page or JSON), never what is allowed.
"""

import re
from typing import Final, Literal

from flask import request

ClientType = Literal["browser", "mobile", "api"]

_MOBILE: Final = re.compile(
    r"\b(Mobile|Android|iPhone|iPad|iPod|okhttp|CFNetwork|Dart)\b", re.IGNORECASE
)
_BROWSER: Final = re.compile(r"\b(Mozilla|Opera)/", re.IGNORECASE)


def client_type(user_agent: str, accept: str = "") -> ClientType:
    """Tell the kind of client from its User-Agent and Accept headers.

    >>> client_type("curl/8.14.1", "*/*")
    'api'
    """
    if _MOBILE.search(user_agent):
        return "mobile"
    if _BROWSER.search(user_agent) or "text/html" in accept.lower():
        return "browser"
    return "api"


def current_client_type() -> ClientType:
    """Tell the kind of client of the current request."""
    return client_type(request.headers.get("User-Agent", ""), request.headers.get("Accept", ""))


def prefers_html() -> bool:
    """Tell whether the current request would rather have a page than JSON."""
    best = request.accept_mimetypes.best_match(("application/json", "text/html"))
    return best == "text/html"
