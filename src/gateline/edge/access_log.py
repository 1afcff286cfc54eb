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
_MOST_TEMPLATES: Final = 1024
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_log = logging.getLogger(__name__)

_Usual = tuple[str, int, str | None, str, str, int, str, str | None]
"""Method, status, route, service, target, attempts, cache and reason: many lines share them."""


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
        self._clock = clock
        self._second = 0
        self._stamp = ""
        self._templates: dict[_Usual, str] = {}
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
        route, reason = exchange.route, exchange.reason
        usual = (
            exchange.method,
            exchange.status,
            None if route is None else route.name,
            exchange.service,
            exchange.target,
            exchange.attempts,
            exchange.cache,
            None if reason is None else reason.code,
        )
        template = self._templates.get(usual)
        if template is None:
            template = self._learn(usual)
        values = _json_values if self._as_json else _text_values
        self._lines.append(template % values(self._stamp, now - second, exchange, seconds))

    def _learn(self, usual: "_Usual") -> str:
        """Return the template for lines that have this in common, and remember it."""
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        template = (_json_template if self._as_json else _text_template)(*usual)
        self._templates[usual] = template
        return template

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


def _text_template(
    method: str,
    status: int,
    route: str | None,
    service: str,
    target: str,
    attempts: int,
    cache: str,
    reason: str | None,
) -> str:
    start = f" - {_NAME} - INFO - "
    told = f" route={route or '-'} service={service or '-'} target={target or '-'}"
    return (
        f"%s,%03d{start}%s {_literal(_safe(method))} %s {status} %.1fms{_literal(told)}"
        f" attempts={attempts} upstream=%.1fms own=%.1fms cache={cache or '-'} in=%d out=%d"
        f" user=%s reason={reason or '-'} request_id=%s trace_id=%s\n"
    )


def _text_values(
    stamp: str, fraction: float, exchange: Exchange, seconds: float
) -> tuple[object, ...]:
    identity = exchange.identity
    upstream = exchange.upstream_seconds
    return (
        stamp,
        int(fraction * 1000),
        exchange.client,
        _safe(exchange.path),
        seconds * 1000,
        upstream * 1000,
        exchange.own_seconds(seconds) * 1000,
        exchange.received_bytes,
        exchange.sent_bytes,
        "-" if identity is None else _user(identity),
        exchange.request_id,
        exchange.trace_id or _told_trace_id(exchange) or "-",
    )


def _json_template(
    method: str,
    status: int,
    route: str | None,
    service: str,
    target: str,
    attempts: int,
    cache: str,
    reason: str | None,
) -> str:
    verb = _literal(_quoted(method))
    told = (
        f',"route":{_or_null(route)},"upstream":{_or_null(service)}'
        f',"target":{_or_null(target)},"attempts":{attempts}'
    )
    return (
        f'{{"timestamp":"%s.%06dZ","logger":"{_NAME}","level":"info","service":"edge"'
        f',"message":"{verb[1:-1]} %s {status}","client":%s,"method":{verb},"path":"%s"'
        f',"status":{status},"duration_ms":%.3f{_literal(told)},"upstream_ms":%.3f'
        f',"own_ms":%.3f,"cache":{_or_null(cache)},"bytes_in":%d,"bytes_out":%d,"user_id":%s'
        f',"reason":{_or_null(reason)},"request_id":%s,"trace_id":%s}}\n'
    )


def _json_values(
    stamp: str, fraction: float, exchange: Exchange, seconds: float
) -> tuple[object, ...]:
    identity = exchange.identity
    upstream = exchange.upstream_seconds
    path = _quoted(exchange.path)[1:-1]
    return (
        stamp,
        int(fraction * 1_000_000),
        path,
        _quoted(exchange.client),
        path,
        seconds * 1000,
        upstream * 1000,
        exchange.own_seconds(seconds) * 1000,
        exchange.received_bytes,
        exchange.sent_bytes,
        "null" if identity is None else _user_json(identity),
        _quoted(exchange.request_id),
        _or_null(exchange.trace_id or _told_trace_id(exchange)),
    )


def _or_null(text: str | None) -> str:
    return _quoted(text) if text else "null"


def _literal(text: str) -> str:
    """Return text as it stands in a template."""
    return text.replace("%", "%%")


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


def _told_trace_id(exchange: Exchange) -> str | None:
    """Return the id of the client's trace."""
    told = exchange.fields.get(b"traceparent")
    match = _TRACEPARENT.match(told) if told is not None else None
    return match[1].decode("ascii") if match is not None else None


def _safe(text: str) -> str:
    """Return text that cannot break or fake a line; only refused requests hold any other."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    return text.encode("unicode_escape").replace(b" ", b"\\x20").decode("ascii")[:2048]
