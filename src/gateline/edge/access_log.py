"""One line per request, gathered and written a few times a second.

Formatting with the logging module costs a third of what forwarding a request costs, so lines are
built by hand in the documented format (or as JSON) and written in one go. Nothing that a client
sent stands in a line unescaped, and no query string, header or token stands in it at all.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final

from gateline.edge.exchange import Exchange
from gateline.policy.identity import Identity

_NAME: Final = "gateline.edge.access"
_FLUSH_SECONDS: Final = 0.1
_MOST_LINES: Final = 20_000
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_log = logging.getLogger(__name__)


class AccessLog:
    """Builds and writes access lines; `write` takes whole lines, `as_json` chooses the form."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        as_json: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._write = write
        self._as_json = as_json
        self._line = _json_line if as_json else _text_line
        self._clock = clock
        self._second = 0
        self._stamp = ""
        self._lines: list[str] = []
        self.lost = 0

    def add(self, exchange: Exchange, seconds: float) -> None:
        """Note a finished exchange that took this long."""
        if len(self._lines) >= _MOST_LINES:
            self.lost += 1
            return
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = _json_second(second) if self._as_json else _text_second(second)
        if self._as_json:
            stamp = f"{self._stamp}.{int((now - second) * 1_000_000):06d}Z"
        else:
            stamp = f"{self._stamp},{int((now - second) * 1000):03d}"
        self._lines.append(self._line(stamp, exchange, seconds))

    def flush(self) -> None:
        """Write what has gathered."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._write("".join(lines))

    async def run(self) -> None:
        """Flush now and then until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_SECONDS)
                try:
                    self.flush()
                except (OSError, ValueError) as error:
                    _log.warning("access lines were lost: %s", error)
        finally:
            self.flush()


def _text_second(second: int) -> str:
    """Return local time, as `logging` writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


def _json_second(second: int) -> str:
    """Return UTC as in ISO 8601, as every other JSON line has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _text_line(stamp: str, exchange: Exchange, seconds: float) -> str:
    route = exchange.route
    identity = exchange.identity
    reason = exchange.reason
    return (
        f"{stamp} - {_NAME} - INFO - {exchange.client} {_safe(exchange.method)}"
        f" {_safe(exchange.path)} {exchange.status} {seconds * 1000:.1f}ms"
        f" route={route.name if route else '-'} service={exchange.service or '-'}"
        f" target={exchange.target or '-'} attempts={exchange.attempts}"
        f" upstream={exchange.upstream_seconds * 1000:.1f}ms"
        f" own={exchange.own_seconds(seconds) * 1000:.1f}ms cache={exchange.cache or '-'}"
        f" in={exchange.received_bytes} out={exchange.sent_bytes}"
        f" user={_user(identity) if identity else '-'} reason={reason.code if reason else '-'}"
        f" request_id={exchange.request_id} trace_id={_trace_id(exchange) or '-'}\n"
    )


def _json_line(stamp: str, exchange: Exchange, seconds: float) -> str:
    route = exchange.route
    identity = exchange.identity
    reason = exchange.reason
    method, path = exchange.method, _quoted(exchange.path)
    return (
        f'{{"timestamp":"{stamp}","logger":"{_NAME}","level":"info","service":"edge"'
        f',"message":"{_quoted(method)[1:-1]} {path[1:-1]} {exchange.status}"'
        f',"client":{_quoted(exchange.client)},"method":{_quoted(method)},"path":{path}'
        f',"status":{exchange.status},"duration_ms":{seconds * 1000:.3f}'
        f',"route":{_quoted(route.name) if route else "null"}'
        f',"upstream":{_quoted(exchange.service) if exchange.service else "null"}'
        f',"target":{_quoted(exchange.target) if exchange.target else "null"}'
        f',"attempts":{exchange.attempts},"upstream_ms":{exchange.upstream_seconds * 1000:.3f}'
        f',"own_ms":{exchange.own_seconds(seconds) * 1000:.3f}'
        f',"cache":{_quoted(exchange.cache) if exchange.cache else "null"}'
        f',"bytes_in":{exchange.received_bytes},"bytes_out":{exchange.sent_bytes}'
        f',"user_id":{_user_json(identity) if identity else "null"}'
        f',"reason":{_quoted(reason.code) if reason else "null"}'
        f',"request_id":{_quoted(exchange.request_id)}'
        f',"trace_id":{_quoted(trace) if (trace := _trace_id(exchange)) else "null"}}}\n'
    )


def _user(identity: Identity) -> str:
    """Return who asked: our account's number; of others whose word it is, and the name."""
    user_id = identity.user_id
    if isinstance(user_id, int):
        return str(user_id)
    return _safe(f"{identity.issuer or 'key'}:{user_id}")


def _user_json(identity: Identity) -> str:
    user_id = identity.user_id
    if isinstance(user_id, int):
        return str(user_id)
    return f'{_quoted(user_id)},"issuer":{_quoted(identity.issuer or "key")}'


def _trace_id(exchange: Exchange) -> str | None:
    """Return the id of the trace that the request belongs to: ours, else the client's."""
    if exchange.trace_id:
        return exchange.trace_id
    told = exchange.fields.get(b"traceparent")
    match = _TRACEPARENT.match(told) if told is not None else None
    return match[1].decode("ascii") if match is not None else None


def _safe(text: str) -> str:
    """Return text that cannot break or fake a line; only refused requests hold any other."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    return text.encode("unicode_escape").replace(b" ", b"\\x20").decode("ascii")[:2048]
