"""What a browser may do with our pages: nothing but show them with our own scripts and styles."""

from typing import Final

from flask import Flask, Response

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_ON_PAGES: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def init_security_headers(app: Flask) -> None:
    """Put the headers on every page; answers of other services keep what they came with."""
    app.after_request(_secure_pages)


def _secure_pages(response: Response) -> Response:
    if response.mimetype == "text/html":
        for name, value in _ON_PAGES.items():
            response.headers.setdefault(name, value)
    return response
