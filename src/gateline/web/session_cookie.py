"""Between browser and session: who asks, and its cookie on answers: set, renewed, cleared."""

import threading
from collections import OrderedDict
from http import HTTPStatus
from typing import Final

from flask import Flask, g, request
from flask import Response as FlaskResponse
from werkzeug.wrappers import Response

from gateline.policy.identity import Identity
from gateline.shared.app import parts
from gateline.shared.cookies import clear_session_cookie, set_session_cookie
from gateline.web.service import Ticket, Visitor, needs_renewal, renew

PAUSE_SECONDS: Final = 10.0
_REMEMBERED: Final = 1000


def visitor() -> Visitor:
    """Return whose browser sent the current request."""
    return Visitor(request.remote_addr or "", request.user_agent.string)


def give_cookie(response: Response, ticket: Ticket) -> None:
    """Let the browser keep the session for as long as its token lives."""
    life = ticket.seconds_left(parts().clock())
    set_session_cookie(response, ticket.token, max_age=life, secure=request.is_secure)
    g.cookie_decided = True


def take_cookie(response: Response) -> None:
    """Take the session from the browser."""
    clear_session_cookie(response, secure=request.is_secure)
    g.cookie_decided = True


class Renewals:
    """Which tokens this process asked a successor for lately; each is asked for once in a while.

    So neither the many requests of one page nor an auth service that hangs make every answer wait.
    """

    def __init__(self) -> None:
        self._not_before: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def claim(self, token: str, now: float) -> bool:
        """Tell whether to ask for this token's successor now; `now` in epoch seconds."""
        with self._lock:
            if self._not_before.get(token, 0.0) > now:
                return False
            self._not_before[token] = now + PAUSE_SECONDS
            self._not_before.move_to_end(token)
            while len(self._not_before) > _REMEMBERED:
                self._not_before.popitem(last=False)
            return True


def init_renewal(app: Flask) -> None:
    """Renew a session that came by cookie and whose token nears its end.

    Behind the edge sessions come as bearer tokens, and the edge renews them: here is for the
    deployment without one.
    """
    renewals = Renewals()

    def renew_when_due(response: FlaskResponse) -> FlaskResponse:
        identity = g.get("identity")
        if isinstance(identity, Identity) and _is_open(response):
            _renew(response, identity, renewals)
        return response

    app.after_request(renew_when_due)


def _is_open(response: FlaskResponse) -> bool:
    """Tell that this answer neither refuses nor has already said what becomes of the cookie."""
    return response.status_code < HTTPStatus.BAD_REQUEST and not g.get("cookie_decided")


def _renew(response: FlaskResponse, identity: Identity, renewals: Renewals) -> None:
    here = parts()
    now = here.clock()
    if not needs_renewal(identity, now, here.settings.session_idle_seconds):
        return
    if renewals.claim(g.access_token, now):
        ticket = renew(g.access_token)
        if ticket is not None:
            give_cookie(response, ticket)
