"""The browser's session cookie on answers of this service: set, renewed, cleared."""

from flask import Flask, g, request
from flask import Response as FlaskResponse
from werkzeug.wrappers import Response

from gateline.policy.identity import Identity
from gateline.shared.app import parts
from gateline.shared.cookies import clear_session_cookie, set_session_cookie
from gateline.web.service import Ticket, needs_renewal, renew


def give_cookie(response: Response, ticket: Ticket) -> None:
    """Let the browser keep the session for as long as its token lives."""
    life = ticket.seconds_left(parts().clock())
    set_session_cookie(response, ticket.token, max_age=life, secure=request.is_secure)
    g.cookie_decided = True


def take_cookie(response: Response) -> None:
    """Take the session from the browser."""
    clear_session_cookie(response, secure=request.is_secure)
    g.cookie_decided = True


def init_renewal(app: Flask) -> None:
    """Renew a session that came by cookie and whose token nears its end.

    Behind the edge sessions come as bearer tokens, and the edge renews them: here is for the
    deployment without one.
    """
    app.after_request(_renew_when_due)


def _renew_when_due(response: FlaskResponse) -> FlaskResponse:
    identity = g.get("identity")
    if not isinstance(identity, Identity) or g.get("cookie_decided") or response.status_code >= 400:
        return response
    here = parts()
    if needs_renewal(identity, here.clock(), here.settings.session_idle_seconds):
        ticket = renew(g.access_token)
        if ticket is not None:
            give_cookie(response, ticket)
    return response
