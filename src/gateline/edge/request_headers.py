"""What a service is told with a request: the client's headers that may pass, and our own.

What survives of a client's headers is decided by `policy.headers`. Most of it is the same when the
same headers come again, so it is kept with them (`heads`), checked and written.
"""

from typing import Final

from gateline.edge.addressing import address_headers, prefix_of
from gateline.edge.exchange import Exchange
from gateline.edge.upstream import PreparedHeaders
from gateline.policy.headers import Headers, change, forward_request_headers
from gateline.policy.routes import Route
from gateline.policy.services import Service
from gateline.shared.cookies import SESSION_COOKIE_STARTS

DEADLINE: Final = b"x-gateline-deadline"
"""Until when an answer is of use: epoch milliseconds, all attempts included."""

_CREDENTIALS: Final = frozenset({b"authorization", b"cookie"})
_AUTHORIZATION: Final = frozenset({b"authorization"})
_COOKIE: Final = frozenset({b"cookie"})
_TRACE: Final = frozenset({b"traceparent", b"tracestate"})
_NOTHING: Final[frozenset[bytes]] = frozenset()


def outgoing_headers(
    exchange: Exchange, route: Route, service: Service, path: str, until: int | None
) -> Headers | PreparedHeaders:
    """Return the headers with which a service is asked for `path`: all but those that frame.

    `until` is when the answer is of no use any more, in epoch milliseconds; None: nobody knows.
    """
    head = exchange.head
    if (
        route.request_headers is not None
        or exchange.headers is not head.headers
        or b"traceparent" in head.fields
    ):
        headers = service_headers(exchange, route, service, path)
        if until is not None:
            headers.append((DEADLINE, b"%d" % until))
        return headers
    passed_on = head.passed_on
    if passed_on is None or not passed_on.suits(exchange, route, service):
        passed_on = head.passed_on = PassedOn(exchange, route, service)
    lines = f"x-request-id: {exchange.request_id}\r\ntraceparent: {exchange.traceparent()}\r\n"
    count = 2
    if until is not None:
        lines += f"x-gateline-deadline: {until}\r\n"
        count += 1
    if path is not exchange.path and (prefix := prefix_of(exchange, path)):
        lines += f"x-forwarded-prefix: {prefix}\r\n"
        count += 1
    return passed_on.headers.with_lines(lines.encode("ascii"), count)


def service_headers(exchange: Exchange, route: Route, service: Service, path: str) -> Headers:
    """Return the same as pairs, without the deadline."""
    return request_headers(exchange, route) + address_headers(exchange, service, path)


class PassedOn:
    """What of a request's headers goes to a service, and is the same when they come again."""

    __slots__ = ("_client", "_identity_headers", "_route", "_scheme", "_service", "headers")

    def __init__(self, exchange: Exchange, route: Route, service: Service) -> None:
        self._route = route
        self._service = service
        self._identity_headers = exchange.identity_headers
        self._client = exchange.client
        self._scheme = exchange.scheme
        steady = _steady_headers(exchange, route)
        if service.preserve_host:
            steady.append((b"host", exchange.fields[b"host"]))
        self.headers = PreparedHeaders(steady)

    def suits(self, exchange: Exchange, route: Route, service: Service) -> bool:
        """Tell whether a request with the same headers would pass on the same."""
        return (
            self._identity_headers is exchange.identity_headers
            and self._route is route
            and self._service is service
            and self._client == exchange.client
            and self._scheme == exchange.scheme
        )


def request_headers(exchange: Exchange, route: Route) -> Headers:
    """Return the headers for any service: the client's that may pass, our own, then the route's.

    The session cookie is a credential for all services: without `share_cookie` it stays here, on
    routes too that do not ask who somebody is.
    """
    headers = _steady_headers(exchange, route)
    headers.append((b"x-request-id", exchange.request_id.encode("ascii")))
    if b"traceparent" not in exchange.fields:
        headers.append((b"traceparent", exchange.traceparent().encode("ascii")))
    elif not exchange.continues_trace(headers):
        headers = [pair for pair in headers if pair[0] not in _TRACE]
        headers.append((b"traceparent", exchange.traceparent().encode("ascii")))
    # Last, so that what the file says is what goes out, whoever asks.
    return headers if route.request_headers is None else change(headers, route.request_headers)


def _steady_headers(exchange: Exchange, route: Route) -> Headers:
    """Return the headers for the service but for those that are new with every request."""
    fields = exchange.fields
    known = exchange.identity is not None
    if b"cookie" in fields:
        drop = _CREDENTIALS if known else _COOKIE
    else:
        drop = _AUTHORIZATION if known else _NOTHING
    headers = forward_request_headers(
        exchange.headers,
        connection=_connection(exchange) if b"connection" in fields else None,
        drop=drop,
    )
    if b"cookie" in fields:
        headers += _cookies(exchange, keep_session=route.share_cookie)
    headers += exchange.identity_headers
    headers += (
        (b"x-forwarded-for", exchange.client.encode("ascii")),
        (b"x-forwarded-proto", exchange.scheme.encode("ascii")),
        (b"x-forwarded-host", fields[b"host"]),
    )
    return headers


def _connection(exchange: Exchange) -> bytes:
    """Return the options of every Connection header: a client may send several."""
    return b",".join(value for name, value in exchange.headers if name == b"connection")


def _cookies(exchange: Exchange, *, keep_session: bool) -> Headers:
    """Return the client's cookies, without that of the session unless the service may see it.

    HTTP/2 may carry them in several fields; a service expects one (RFC 9113, section 8.2.3).
    """
    pairs = [
        pair.strip()
        for name, value in exchange.headers
        if name == b"cookie"
        for pair in value.split(b";")
        if keep_session or not pair.lstrip().startswith(SESSION_COOKIE_STARTS)
    ]
    joined = b"; ".join(filter(None, pairs))
    return [(b"cookie", joined)] if joined else []
