"""Gives a browser a new token before the one in its cookie ends, on use and without a login.

The edge knows no business: it asks the auth service, beside the forwarding of the request, and adds
the new cookie to the answer. When auth is away or refuses, the answer simply goes without one: the
token at hand is still good, and the next request asks again.
"""

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Final

from werkzeug.wrappers import Response

from gateline.edge.exchange import Exchange
from gateline.edge.upstream import Client, Pool, UpstreamError
from gateline.policy.headers import Headers
from gateline.shared.cookies import set_session_cookie

if TYPE_CHECKING:
    from collections.abc import Callable

_PATH: Final = b"/api/auth/sessions/renew"
_ASK_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class CookieRenewer:
    """Asks auth for the tokens that follow those near their end, once for all who use one.

    `within_seconds` is how near; `clock` gives epoch seconds. `auth` is whom it asks; assign
    another one when the gateway changes.
    """

    def __init__(
        self,
        client: Client,
        auth: Pool,
        service_key: str,
        *,
        within_seconds: float,
        clock: "Callable[[], float]",
    ) -> None:
        self._client = client
        self.auth = auth
        self._key = service_key.encode()
        self._within = within_seconds
        self._clock = clock
        self._asking: dict[str, asyncio.Task[Headers]] = {}
        self._not_before: dict[str, float] = {}

    def begin(self, exchange: Exchange) -> "asyncio.Task[Headers] | None":
        """Start renewing when the exchange's cookie is near its end; None when it is not."""
        identity, token = exchange.identity, exchange.cookie_token
        if identity is None or token is None:
            return None
        now = self._clock()
        if identity.expires_at - now > self._within:
            return None
        task = self._asking.get(token)
        if task is None:
            if self._not_before.get(token, 0.0) > now:
                return None
            task = asyncio.ensure_future(self._renew(token, secure=exchange.scheme == "https"))
            self._asking[token] = task
            task.add_done_callback(lambda _: self._asking.pop(token, None))
        return task

    async def _renew(self, token: str, *, secure: bool) -> Headers:
        self._pause(token)
        try:
            answer = await self._ask(token)
        except (UpstreamError, ValueError, KeyError, TypeError) as error:
            _log.warning("a cookie could not be renewed (%s)", type(error).__name__)
            return []
        response = Response()
        set_session_cookie(response, answer[0], answer[1], secure)
        return [(b"set-cookie", response.headers["Set-Cookie"].encode("latin-1"))]

    async def _ask(self, token: str) -> tuple[str, int]:
        body = json.dumps({"token": token}).encode()
        response = await self._client.send(
            self.auth,
            b"POST",
            _PATH,
            [(b"x-service-key", self._key), (b"content-type", b"application/json")],
            body,
            deadline=asyncio.get_running_loop().time() + _ASK_SECONDS,
            read_timeout=_ASK_SECONDS,
        )
        content = await response.read()
        if response.status != 200:
            msg = f"auth answered {response.status}"
            raise ValueError(msg)
        found = json.loads(content)
        return str(found["access_token"]), int(found["expires_in"])

    def _pause(self, token: str) -> None:
        """Ask for one token only every ten seconds, whatever came of it."""
        now = self._clock()
        if len(self._not_before) > 1000:
            self._not_before = {key: at for key, at in self._not_before.items() if at > now}
        self._not_before[token] = now + _PAUSE_SECONDS
