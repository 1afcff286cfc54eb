"""Cross-site request forgery: no other site may make a browser post to ours.

The rule is the origin check of `gateline.policy.origins`. It needs no token in any form and also
covers what happens before there is a session (login CSRF).
"""

from collections.abc import Collection

from flask import Blueprint, Flask

from gateline.policy.reasons import CROSS_SITE
from gateline.shared.errors import ApiError
from gateline.shared.middleware.auth import request_is_cross_site


class CrossSiteRefused(ApiError):
    """An unsafe request that another site made a browser send (403)."""

    def __init__(self) -> None:
        super().__init__(reason=CROSS_SITE)


def protect(scaffold: Flask | Blueprint) -> None:
    """Check the origin of every unsafe request to an app, or to the views of a blueprint."""
    scaffold.before_request(_refuse_cross_site)


def is_protected(app: Flask, blueprints: Collection[str]) -> bool:
    """Tell whether views of these blueprints of an app are behind the check."""
    checks = app.before_request_funcs
    return any(_refuse_cross_site in checks.get(name, ()) for name in (None, *blueprints))


def _refuse_cross_site() -> None:
    if request_is_cross_site():
        raise CrossSiteRefused
