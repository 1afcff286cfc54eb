"""One request on its way through the edge, and what becomes known of it."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Final

from gateline.edge.heads import Head
from gateline.policy.headers import Headers
from gateline.policy.identity import Identity
from gateline.policy.reasons import Reason
from gateline.policy.routes import Route

if TYPE_CHECKING:
    from gateline.edge.caching import Asking
    from gateline.edge.gateway import Gateway
    from gateline.edge.tracing import Trace

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
NOBODY: Final[Headers] = []
"""The identity headers of who is not known."""

_bits: Final = random.Random().getrandbits  # noqa: S311 - ids, not secrets


class Refused(Exception):
    """The edge itself answers this request: `reason` says why, `headers` go with the answer.

    `details` are added to those of the body.
    """

    def __init__(
        self,
        reason: Reason,
        headers: Headers | None = None,
        message: str | None = None,
        details: Mapping[str, int | str] | None = None,
    ) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.headers = headers or []
        self.message = message
        self.details = details or {}


class ClientGone(Exception):
    """The client left before its answer was complete; there is nobody to answer."""


class AnswerBroken(Exception):
    """The upstream broke off after the answer had begun: the client must see that it is torn.

    An application that returns without ending its answer makes the server close the connection,
    so the body stays visibly incomplete (RFC 9112, section 8).
    """


class Exchange:
    """A request and its answer so far; filled in phase by phase.

    `since` and `deadline` are seconds of `clock`, the event loop's, which ticks in milliseconds;
    `started` is one of `time.perf_counter`, for durations. `cancelled_for` tells the cancelled
    task why; None means that the server itself is stopping. `gateway` is the version that decides
    everything about this request, from its beginning to its end.

    `upstream_seconds` and `client_seconds` is what was spent waiting for the one and the other;
    the rest is the edge's own. `cache` tells what the cache did, empty where it was not asked.
    `security_headers` tells whether those that a service does not say are added to the answer,
    `logged` whether the request gets a line in the access log. `span_id` is empty when the client
    named the request itself.
    """

    __slots__ = (
        "answered",
        "attempts",
        "body_done",
        "cache",
        "cancelled_for",
        "client",
        "client_seconds",
        "clock",
        "cookie_token",
        "deadline",
        "fields",
        "filling",
        "gateway",
        "head",
        "headers",
        "host",
        "identity",
        "identity_headers",
        "is_http2",
        "is_socket",
        "logged",
        "method",
        "path",
        "query",
        "reason",
        "receive",
        "received_bytes",
        "request_id",
        "response_headers",
        "route",
        "scheme",
        "security_headers",
        "send",
        "sent_bytes",
        "service",
        "since",
        "span_id",
        "speaks_cors",
        "started",
        "status",
        "target",
        "task",
        "tells_timing",
        "trace",
        "trace_id",
        "upstream_seconds",
        "watcher",
    )

    gateway: "Gateway"

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, since: float, head: Head | None = None
    ) -> None:
        if head is None:
            head = Head(scope["headers"])
        self.head = head
        self.receive = receive
        self.send = send
        self.since = since
        self.clock: Callable[[], float] = monotonic
        self.started = perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.scheme: str = scope["scheme"]
        self.client: str = scope["client"][0] if scope["client"] else ""
        self.headers = head.headers
        self.fields: Mapping[bytes, bytes] = head.fields
        self.host = ""
        self.request_id = self.span_id = ""
        self.route: Route | None = None
        self.identity: Identity | None = None
        self.identity_headers: Headers = NOBODY
        self.cookie_token: str | None = None
        self.response_headers: Headers = []
        self.security_headers = False
        self.logged = True
        self.speaks_cors = False
        self.is_socket: bool = scope.get("type") == "websocket"
        self.is_http2: bool = scope.get("http_version") == "2"
        self.service = ""
        self.target = ""
        self.attempts = 0
        self.status = 0
        self.reason: Reason | None = None
        self.answered = False
        self.sent_bytes = 0
        self.received_bytes = 0
        self.upstream_seconds = 0.0
        self.client_seconds = 0.0
        self.cache = ""
        self.filling: Asking | None = None
        self.tells_timing = False
        self.trace: Trace | None = None
        self.trace_id = ""
        # In HTTP/2 the frames tell: without a length nobody knows until the first is read.
        self.body_done = not head.announces_body and (head.has_length or not self.is_http2)
        self.deadline: float | None = None
        self.task: asyncio.Task[Any] | None = None
        self.watcher: asyncio.Future[None] | None = None
        self.cancelled_for: type[Exception] | None = None

    def take_name(self) -> None:
        """Take the client's id for the request, or make one up, and one for its span with it."""
        if self.head.offered_id is not None:
            self.request_id = self.head.offered_id
            return
        made = f"{_bits(192) | 1:048x}"
        self.request_id = made[:32]
        self.span_id = made[32:]

    def own_seconds(self, seconds: float) -> float:
        """Return how much of these seconds, the whole time so far, was spent in the edge itself."""
        return max(0.0, seconds - self.upstream_seconds - self.client_seconds)

    def continues_trace(self, headers: Headers) -> bool:
        """Tell whether exactly one of the headers is a trace context, and then belong to its trace.

        What cannot be read must not be passed on (W3C Trace Context, sections 3.2.2 and 4.2).
        """
        told = [value for name, value in headers if name == b"traceparent"]
        match = _TRACEPARENT.fullmatch(told[0]) if len(told) == 1 else None
        if match is None or (match[1] == b"00" and match[3] is not None):
            return False
        self.trace_id = match[2].decode("ascii")
        return True

    def traceparent(self) -> str:
        """Return the trace context for the service (W3C Trace Context, section 3.2).

        Without a tracer the trace starts here. Its id is the request id where that has its form,
        so one search finds both.
        """
        if self.trace is not None:
            return self.trace.traceparent()
        trace, span = self.request_id, self.span_id
        if not span:
            span = f"{_bits(64) | 1:016x}"
            if not _TRACE_ID.fullmatch(trace):
                trace = f"{_bits(128) | 1:032x}"
        self.trace_id = trace
        return f"00-{trace}-{span}-00"
