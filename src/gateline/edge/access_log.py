"""One line per request, written when some have gathered, at the latest after a tenth of a second.

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
_LINES_AT_ONCE: Final = 48
_MOST_PARTS: Final = 1024
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_log = logging.getLogger(__name__)

_Usual = tuple[str, int, str, str, int, str, str | None]
"""Method, status, service, target, attempts, cache and reason: many lines share them.

The route is none of them: there may be more routes than parts of lines are worth keeping.
"""

_Parts = tuple[str, ...]
"""What stands before, between and after what is new in a line."""


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
        self._line = _json_line if as_json else _text_line
        self._parts_of = _json_parts if as_json else _text_parts
        self._parts: dict[_Usual, _Parts] = {}
        self._lines: list[str] = []
        self._failing = False
        self.lost = 0

    def add(self, exchange: Exchange, seconds: float) -> None:
        """Note a finished exchange that took this long."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = _json_second(second) if self._as_json else _text_second(second)
        reason = exchange.reason
        usual = (
            exchange.method,
            exchange.status,
            exchange.service,
            exchange.target,
            exchange.attempts,
            exchange.cache,
            None if reason is None else reason.code,
        )
        parts = self._parts.get(usual)
        if parts is None:
            parts = self._learn(usual)
        self._lines.append(self._line(parts, self._stamp, now - second, exchange, seconds))
        if len(self._lines) >= _LINES_AT_ONCE:
            self.flush()

    def _learn(self, usual: "_Usual") -> "_Parts":
        """Return what lines with this in common are made of, and remember it."""
        if len(self._parts) >= _MOST_PARTS:
            self._parts.clear()
        parts = self._parts[usual] = self._parts_of(usual)
        return parts

    def flush(self) -> None:
        """Write what has gathered; what cannot be written is counted in `lost`."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._write("".join(lines))
        except (OSError, ValueError) as error:
            if not self._failing:
                _log.warning("access lines are lost: %s", error)
            self._failing = True
            self.lost += len(lines)
        else:
            self._failing = False

    async def run(self) -> None:
        """Flush now and then until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_SECONDS)
                self.flush()
        finally:
            self.flush()


def _text_second(second: int) -> str:
    """Return local time, as `logging` writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


def _json_second(second: int) -> str:
    """Return UTC as in ISO 8601, as every other JSON line has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _text_parts(usual: _Usual) -> _Parts:
    method, status, service, target, attempts, cache, reason = usual
    return (
        f" - {_NAME} - INFO - ",
        f" {_safe(method)} ",
        f" {status} ",
        "ms route=",
        f" service={service or '-'} target={target or '-'} attempts={attempts} upstream=",
        "ms own=",
        f"ms cache={cache or '-'} in=",
        " out=",
        " user=",
        f" reason={reason or '-'} request_id=",
    )


def _text_line(
    parts: _Parts, stamp: str, fraction: float, exchange: Exchange, seconds: float
) -> str:
    name, verb, status, took, served, own, cache, out, user, reason = parts
    route = exchange.route
    waited = exchange.upstream_seconds
    identity = exchange.identity
    trace = exchange.trace_id or _told_trace_id(exchange) or "-"
    return (
        f"{stamp},{int(fraction * 1000):03d}{name}{exchange.client}{verb}{_safe(exchange.path)}"
        f"{status}{seconds * 1000:.1f}{took}{'-' if route is None else route.name}"
        f"{served}{waited * 1000:.1f}{own}{exchange.own_seconds(seconds) * 1000:.1f}"
        f"{cache}{exchange.received_bytes}{out}{exchange.sent_bytes}"
        f"{user}{'-' if identity is None else _user(identity)}"
        f"{reason}{exchange.request_id} trace_id={trace}\n"
    )


def _json_parts(usual: _Usual) -> _Parts:
    method, status, service, target, attempts, cache, reason = usual
    verb = _quoted(method)
    return (
        f'Z","logger":"{_NAME}","level":"info","service":"edge","message":"{verb[1:-1]} ',
        f' {status}","client":',
        f',"method":{verb},"path":"',
        f'","status":{status},"duration_ms":',
        ',"route":',
        f',"upstream":{_or_null(service)},"target":{_or_null(target)},"attempts":{attempts}'
        ',"upstream_ms":',
        ',"own_ms":',
        f',"cache":{_or_null(cache)},"bytes_in":',
        ',"bytes_out":',
        ',"user_id":',
        f',"reason":{_or_null(reason)},"request_id":',
    )


def _json_line(
    parts: _Parts, stamp: str, fraction: float, exchange: Exchange, seconds: float
) -> str:
    name, client, verb, status, took, served, own, cache, out, user, reason = parts
    route = exchange.route
    path = _quoted(exchange.path)[1:-1]
    waited = exchange.upstream_seconds
    ours = seconds - waited - exchange.client_seconds
    identity = exchange.identity
    trace = exchange.trace_id or _told_trace_id(exchange)
    # Ids are quoted as they are: only those are taken of which every character is harmless.
    return (
        f'{{"timestamp":"{stamp}.{int(fraction * 1_000_000):06d}{name}{path}'
        f"{client}{_quoted(exchange.client)}{verb}{path}{status}{seconds * 1000:.3f}"
        f"{took}{'null' if route is None else _quoted(route.name)}"
        f"{served}{waited * 1000:.3f}{own}{ours * 1000 if ours > 0.0 else 0.0:.3f}"
        f"{cache}{exchange.received_bytes}{out}{exchange.sent_bytes}"
        f"{user}{'null' if identity is None else _user_json(identity)}"
        f'{reason}"{exchange.request_id}","trace_id":{_string(trace)}}}\n'
    )


def _string(text: str | None) -> str:
    return f'"{text}"' if text else "null"


def _or_null(text: str | None) -> str:
    return _quoted(text) if text else "null"


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
