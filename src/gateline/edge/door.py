"""At the door: is this a request at all, which other origins may read, who may come near.

What only few routes ask for is looked up once for a request (`Gateway.special`).
"""

from collections.abc import Mapping
from typing import Final

from gateline.edge import answers
from gateline.edge.exchange import Exchange, Refused, Scope
from gateline.edge.gateway import Door, Special
from gateline.policy.admission import refuse_host, refuse_method
from gateline.policy.clients import client_behind, is_trusted, refuse_address
from gateline.policy.cors import answer_headers, preflight_headers
from gateline.policy.headers import Headers
from gateline.policy.origins import is_cross_site
from gateline.policy.paths import PathRefused, canonical
from gateline.policy.reasons import (
    CROSS_SITE,
    HEADERS_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    NO_ROUTE,
    PATH_NOT_ALLOWED,
    Reason,
)
from gateline.policy.routes import Match, Route
from gateline.shared.cookies import SESSION_COOKIE_STARTS

_MOST_ADDRESSES: Final = 4096
_PROBES: Final = frozenset({"/health", "/livez", "/readyz"})


def admit(exchange: Exchange, scope: Scope, door: Door) -> None:
    """Check the head of a request and fill in host, path and whose it is; raises Refused."""
    head = exchange.head
    reason = refuse_method(exchange.method) or head.refusal
    if reason is not None:
        raise Refused(reason)
    if len(exchange.headers) > door.most_headers and _fields(exchange) > door.most_headers:
        raise Refused(HEADERS_TOO_LARGE)
    if door.trusted_proxies:
        _believe_proxy(exchange, door)
    exchange.host = head.host
    # Probes ask by address, so the edge's own state is told under any name.
    if door.allowed_hosts and scope["path"] not in _PROBES:
        reason = refuse_host(exchange.host, door.allowed_hosts)
        if reason is not None:
            raise Refused(reason)
    try:
        exchange.path = canonical(
            scope["raw_path"], encoded_slashes=door.slashes_in_segments
        ).decode("ascii")
    except PathRefused as error:
        raise Refused(PATH_NOT_ALLOWED, message=f"Not a path we take: {error}.") from error


def _fields(exchange: Exchange) -> int:
    """Count the header fields; HTTP/2 splits Cookie into many, which stand for one."""
    crumbs = sum(name == b"cookie" for name, _ in exchange.headers)
    return len(exchange.headers) - max(0, crumbs - 1)


def _believe_proxy(exchange: Exchange, door: Door) -> None:
    """Take address and scheme from a load balancer that is listed."""
    if not is_trusted(exchange.client, door.trusted_proxies):
        return
    client = client_behind(
        door.trusted_proxies,
        forwarded_for=_every(exchange, b"x-forwarded-for"),
        forwarded_proto=_every(exchange, b"x-forwarded-proto"),
        forwarded_host="",  # the Host header decides: it is the one that was checked
        forwarded=_every(exchange, b"forwarded"),
    )
    exchange.client = client.address or exchange.client
    exchange.scheme = client.scheme or exchange.scheme


async def answer_preflight(exchange: Exchange, route: Route | None) -> bool:
    """Answer a browser that asks whether it may ask; else note what the answer will carry.

    A preflight has no credentials by design, so it comes before anybody looks for a session.
    It is decided by the route of the request that it announces. An answer to who names no origin
    says too that it depends on one, or a cache would hand it to who does (Fetch standard, CORS
    protocol and HTTP caches).
    """
    fields, door = exchange.fields, exchange.gateway.door
    origin = _header(fields, b"origin") or ""
    method = _header(fields, b"access-control-request-method")
    asks = exchange.method == "OPTIONS" and method is not None
    if asks:
        route = door.routes.match(method or "", exchange.host, exchange.path, fields).route
    cors = door.cors if route is None or route.cors is None else route.cors
    if not cors.origins:
        return False  # then what the service says about other origins is passed on
    exchange.speaks_cors = True
    if asks:
        names = _header(fields, b"access-control-request-headers")
        granted = preflight_headers(cors, origin, method=method or "", names=names)
        if granted is not None:
            exchange.route = route
            await answers.send_whole(exchange, 204, _encoded(granted), b"")
            return True
    exchange.response_headers = _encoded(answer_headers(cors, origin))
    return False


async def answer_special(exchange: Exchange, special: Special, match: Match) -> bool:
    """Do what few routes ask for at the door; tell whether the request is answered by it."""
    route = special.route
    if special.guards_addresses:
        verdicts, client = special.verdicts, exchange.client
        reason = verdicts[client] if client in verdicts else _judge(client, special)
        if reason is not None:
            raise Refused(reason)
    if special.lends_session:
        _refuse_borrowed_session(exchange)
    if route.redirect is None:
        return False
    query = exchange.query.decode("latin-1")
    location = route.redirect.location(match, query).encode("latin-1")
    headers = [(b"location", location)]
    await answers.send_whole(exchange, route.redirect.status, headers, b"")
    return True


def _judge(client: str, special: Special) -> Reason | None:
    """Return why an address is refused, and remember it."""
    verdicts, route = special.verdicts, special.route
    if len(verdicts) >= _MOST_ADDRESSES:
        verdicts.clear()
    reason = refuse_address(client, allow=route.allow_ips, deny=route.deny_ips)
    verdicts[client] = reason
    return reason


def comes_from_elsewhere(exchange: Exchange, method: str) -> bool:
    """Tell whether another site made a browser send this, as a request with that method."""
    fields = exchange.fields
    return is_cross_site(
        method,
        sec_fetch_site=_header(fields, b"sec-fetch-site"),
        origin=_header(fields, b"origin"),
        host=fields[b"host"].decode("ascii"),
        scheme=exchange.scheme,
        trusted=exchange.gateway.trusted_origins(exchange.route),
    )


def _refuse_borrowed_session(exchange: Exchange) -> None:
    """Refuse what another site made a browser send with our session's cookie, for a service to see.

    Where a route asks for nobody, what the cookie says is judged by the service alone. A handshake
    is judged as what changes something: browsers let every page open a socket.
    """
    method = "POST" if exchange.is_socket else exchange.method
    if _brings_session(exchange.headers) and comes_from_elsewhere(exchange, method):
        raise Refused(CROSS_SITE)


def _brings_session(headers: Headers) -> bool:
    """Tell whether one of the cookies is that of a session."""
    return any(
        pair.lstrip().startswith(SESSION_COOKIE_STARTS)
        for name, value in headers
        if name == b"cookie"
        for pair in value.split(b";")
    )


def unmatched(match: Match) -> Refused:
    """Return the refusal of a request that no route takes: 404, or 405 with what would be taken."""
    if not match.allow:
        return Refused(NO_ROUTE)
    return Refused(METHOD_NOT_ALLOWED, [(b"allow", ", ".join(sorted(match.allow)).encode())])


def refuse_hidden_slashes(exchange: Exchange, route: Route) -> None:
    """Refuse `%2F` where the route does not take it, or where it hides that another one decides.

    A service that decodes before it looks would serve `/admin%2Fusers` as `/admin/users`; so the
    decoded path must lead to the same route.
    """
    if route.encoded_slashes:
        plain = exchange.path.replace("%2F", "/")
        routes = exchange.gateway.door.routes
        match = routes.match(exchange.method, exchange.host, plain, exchange.fields)
        if match.route is route:
            return
    raise Refused(PATH_NOT_ALLOWED)


def _encoded(headers: list[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _every(exchange: Exchange, name: bytes) -> str:
    """Return the values of all fields of a name as the one list that they are (RFC 9110, 5.3)."""
    if name not in exchange.fields:
        return ""
    values = [value for key, value in exchange.headers if key == name]
    return b",".join(values).decode("latin-1")


def _header(fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode("latin-1")
