"""Calls to the platform's services from Flask code, and a gateway in a single view.

`proxy_service.proxy_get("doctors", "/doctors/")` asks a service in the name of the current
request: with its bearer token, identity, request id and trace. `forward_current_request` passes
the whole request on. Both are thin shells around `upstream` and the policies.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Final, cast
from urllib.parse import quote, urlencode

from flask import Response, current_app, g, has_request_context, request
from urllib3.util import SKIP_HEADER
from werkzeug.exceptions import HTTPException

from gateline.policy.headers import (
    HeaderChanges,
    Headers,
    connection_options,
    forward_request_headers,
    forward_response_headers,
)
from gateline.policy.identity import Identity, identity_headers
from gateline.policy.paths import PathRefused, canonical, prefix_before, with_prefix
from gateline.policy.reasons import BAD_REQUEST, LENGTH_REQUIRED, NO_ROUTE, PATH_NOT_ALLOWED
from gateline.policy.retries import is_repeatable
from gateline.policy.services import Service
from gateline.shared.cookies import SECURE_SESSION_COOKIE, SESSION_COOKIE
from gateline.shared.errors import ApiError
from gateline.shared.routing import platform_services
from gateline.shared.upstream import Answer, Call, Upstream

EXTENSION: Final = "gateline.proxy"
BUFFERED_BYTES: Final = 1024 * 1024
"""Bodies up to this size are held: requests may then be repeated, answers are known to be whole."""

Data = Mapping[str, Any] | list[Any] | bytes | str | None
Params = Mapping[str, Any] | list[tuple[str, Any]] | None

_BLOCK: Final = 64 * 1024
# The WSGI server writes its own.
_SERVER_HEADERS: Final = frozenset({b"date", b"server"})
_NO_CONTENT_LENGTH: Final = frozenset({204, 304})
_DEFAULT_HEADERS: Final = {"Accept": "application/json", "User-Agent": "gateline"}
_TRACE_HEADERS: Final = ("traceparent", "tracestate")
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~"
_QUERY_CHARACTERS: Final = f"{_PATH_CHARACTERS}?%[]"


class ProxyService:
    """The services that an app calls, with the connections to them."""

    def __init__(
        self,
        services: Mapping[str, Service],
        *,
        upstream: Callable[[Service], Upstream] = Upstream,
    ) -> None:
        made = {service.name: upstream(service) for service in services.values()}
        self._upstreams = {name: made[service.name] for name, service in services.items()}

    def request(
        self,
        method: str,
        service: str,
        path: str,
        *,
        data: Data = None,
        params: Params = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Ask a service in the name of the current request, if there is one; return its answer.

        `path` is in its encoded form and may have a query. The answer is whole, whatever its
        status. Raises ApiError: 404 for an unknown service, 400 for a path without canonical form,
        502, 503 or 504 when the service gave no answer.
        """
        upstream = self._upstream(service)
        body, content_type = _encoded(data)
        sent = {**_DEFAULT_HEADERS, **_own_headers(), **content_type}
        merged = _merged(sent, headers or {})
        call = Call(
            method=method.upper(),
            target=_target(path, params, upstream.service.prefix),
            headers=tuple(merged.items()),
            body=body,
            repeatable=is_repeatable(
                method.upper(), any(name.lower() == "idempotency-key" for name in merged)
            ),
        )
        return _response(upstream.call(call, timeout=timeout))

    def forward(
        self,
        service: str,
        path: str | None = None,
        *,
        encoded_path: str | None = None,
        share_cookie: bool = False,
        timeout: float | None = None,
        changes: HeaderChanges | None = None,
    ) -> Response:
        """Pass the current request on to a service and its answer back, streaming what is large.

        `path` replaces that of the request (decoded, as in `request.path`); `encoded_path` does so
        exactly as it goes upstream. Hop-by-hop headers and the client's own identity headers do
        not pass; those of the session do. Without `share_cookie` the session cookie stays here.
        `timeout` (seconds) takes the place of the service's, `changes` are made to the headers.
        """
        upstream = self._upstream(service)
        quoted = quote(request.path if path is None else path, safe=_PATH_CHARACTERS)
        target = _target(encoded_path or quoted, None, upstream.service.prefix)
        query = quote(request.query_string, safe=_QUERY_CHARACTERS)
        body, framing = _incoming_body()
        headers = (
            *_changed(_incoming_headers(share_cookie=share_cookie), changes),
            *_of_service(upstream.service, target),
        )
        call = Call(
            method=request.method,
            target=f"{target}?{query}" if query else target,
            headers=(*headers, *framing),
            body=body,
            repeatable=is_repeatable(request.method, "Idempotency-Key" in request.headers),
        )
        return _response(upstream.call(call, timeout=timeout, stream_above=BUFFERED_BYTES))

    def close(self) -> None:
        """Close the idle connections."""
        for upstream in self._upstreams.values():
            upstream.close()

    def _upstream(self, service: str) -> Upstream:
        upstream = self._upstreams.get(service)
        if upstream is None:
            raise ApiError(reason=NO_ROUTE, details={"service": service})
        return upstream


class ProxyFacade:
    """The documented names; holds nothing, works on the services of the current app."""

    def proxy_request(
        self,
        method: str,
        service: str,
        path: str,
        data: Data = None,
        params: Params = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Ask a service with any method; see `ProxyService.request`."""
        return current_proxy().request(
            method, service, path, data=data, params=params, headers=headers, timeout=timeout
        )

    def proxy_get(self, service: str, path: str, **options: Any) -> Response:
        """Ask with GET; options as in `proxy_request`."""
        return self.proxy_request("GET", service, path, **options)

    def proxy_post(self, service: str, path: str, data: Data = None, **options: Any) -> Response:
        """Ask with POST; `data` is sent as JSON unless it is bytes."""
        return self.proxy_request("POST", service, path, data, **options)

    def proxy_put(self, service: str, path: str, data: Data = None, **options: Any) -> Response:
        """Ask with PUT; `data` is sent as JSON unless it is bytes."""
        return self.proxy_request("PUT", service, path, data, **options)

    def proxy_patch(self, service: str, path: str, data: Data = None, **options: Any) -> Response:
        """Ask with PATCH; `data` is sent as JSON unless it is bytes."""
        return self.proxy_request("PATCH", service, path, data, **options)

    def proxy_delete(self, service: str, path: str, **options: Any) -> Response:
        """Ask with DELETE; options as in `proxy_request`."""
        return self.proxy_request("DELETE", service, path, **options)

    def call_doctors_service(self, method: str, path: str, data: Data = None) -> Response:
        """Ask the doctors service."""
        return self.proxy_request(method, "doctors", path, data)

    def call_patients_service(self, method: str, path: str, data: Data = None) -> Response:
        """Ask the patients service."""
        return self.proxy_request(method, "patients", path, data)

    def call_institutions_service(self, method: str, path: str, data: Data = None) -> Response:
        """Ask the institutions service."""
        return self.proxy_request(method, "institutions", path, data)

    def call_admins_service(self, method: str, path: str, data: Data = None) -> Response:
        """Ask the admins service."""
        return self.proxy_request(method, "admins", path, data)

    def call_jwt_service(self, method: str, path: str, data: Data = None) -> Response:
        """Ask the auth service."""
        return self.proxy_request(method, "jwt", path, data)

    def forward_current_request(
        self, service: str, path: str | None = None, **options: Any
    ) -> Response:
        """Pass the current request on; options as in `ProxyService.forward`."""
        return current_proxy().forward(service, path, **options)


proxy_service: Final = ProxyFacade()


def current_proxy() -> ProxyService:
    """Return the services of the current app, connected to on first use.

    An app that has its own puts a ProxyService into `app.extensions["gateline.proxy"]`.
    """
    proxy = current_app.extensions.get(EXTENSION)
    if proxy is None:
        settings = current_app.extensions["gateline"].settings
        # Two threads may both get here: the one that loses closes nothing, it had no connection.
        proxy = current_app.extensions.setdefault(
            EXTENSION, ProxyService(platform_services(settings))
        )
    return cast("ProxyService", proxy)


def _target(path: str, params: Params, prefix: str) -> str:
    bare, _, query = path.partition("?")
    try:
        raw = canonical(bare.encode("ascii"))
    except (PathRefused, UnicodeEncodeError) as error:
        raise ApiError(reason=PATH_NOT_ALLOWED) from error
    parts = [quote(query, safe=_QUERY_CHARACTERS), urlencode(params, doseq=True) if params else ""]
    joined = "&".join(filter(None, parts))
    target = with_prefix(raw.decode("ascii"), prefix)
    return f"{target}?{joined}" if joined else target


def _encoded(data: Data) -> tuple[bytes | None, dict[str, str]]:
    if data is None:
        return None, {}
    if isinstance(data, bytes):
        return data, {"Content-Type": "application/octet-stream"}
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return text.encode(), {"Content-Type": "application/json"}


def _merged(own: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return both, where the caller's own headers win in any spelling."""
    names = {name.lower() for name in given}
    return {**{name: own[name] for name in own if name.lower() not in names}, **given}


def _own_headers() -> dict[str, str]:
    """Return what a service is told about the current request: who, which, and its trace."""
    if not has_request_context():
        return {}
    trace = {name: request.headers[name] for name in _TRACE_HEADERS if name in request.headers}
    return {**dict(_identity_headers()), **dict(_request_id()), **trace}


def _identity_headers() -> list[tuple[str, str]]:
    token: str | None = g.get("access_token")
    identity: Identity | None = g.get("identity")
    if token is None or identity is None:
        return []
    return [("Authorization", f"Bearer {token}"), *identity_headers(identity)]


def _request_id() -> list[tuple[str, str]]:
    request_id: str | None = g.get("request_id")
    return [("X-Request-ID", request_id)] if request_id else []


def _incoming_headers(*, share_cookie: bool) -> Iterator[tuple[str, str]]:
    """Yield the client's headers as they may pass, then what only the gateway says."""
    identity = _identity_headers()
    drop = {b"cookie"}
    if identity:
        drop.add(b"authorization")
    connection = request.headers.get("Connection")
    kept = forward_request_headers(
        (
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
        ),
        connection=None if connection is None else connection.encode("latin-1"),
        drop=frozenset(drop),
    )
    for name, value in kept:
        yield name.decode("latin-1"), value.decode("latin-1")
    if "User-Agent" not in request.headers:
        yield "User-Agent", SKIP_HEADER
    cookie = _cookie(share_cookie=share_cookie)
    if cookie and b"cookie" not in connection_options((connection or "").encode("latin-1")):
        yield "Cookie", cookie
    yield from identity
    yield from _request_id()
    yield "X-Forwarded-For", request.remote_addr or ""
    yield "X-Forwarded-Proto", request.scheme
    yield "X-Forwarded-Host", request.host


def _of_service(service: Service, target: str) -> Iterator[tuple[str, str]]:
    """Yield what depends on who is asked: the part of the path left out, and the client's Host."""
    prefix = prefix_before(quote(request.path, safe=_PATH_CHARACTERS), target)
    if prefix:
        yield "X-Forwarded-Prefix", prefix
    if service.preserve_host:
        yield "Host", request.host


def _changed(
    headers: Iterable[tuple[str, str]], changes: HeaderChanges | None
) -> Iterable[tuple[str, str]]:
    """Return the headers with a route's changes made to them."""
    if changes is None:
        return headers
    gone = {name.decode("latin-1") for name in changes.remove | dict(changes.set).keys()}
    more = (
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in changes.set + changes.add
    )
    return (*(pair for pair in headers if pair[0].lower() not in gone), *more)


def _cookie(*, share_cookie: bool) -> str | None:
    """Return the Cookie header, without our session where that stays here."""
    value = request.headers.get("Cookie")
    if value is None or share_cookie:
        return value
    own = {SESSION_COOKIE, SECURE_SESSION_COOKIE}
    pairs = (pair.strip() for pair in value.split(";"))
    return "; ".join(pair for pair in pairs if pair.partition("=")[0].strip() not in own) or None


def _incoming_body() -> tuple[bytes | Iterator[bytes] | None, list[tuple[str, str]]]:
    """Return the client's body and the header that frames it: held when small, else a stream."""
    length = request.content_length
    if length is None:
        if not _is_chunked():
            return None, []
        if not request.environ.get("wsgi.input_terminated"):
            # This server does not tell where a chunked body ends.
            raise ApiError(reason=LENGTH_REQUIRED)
        return _blocks(request.stream), [("Transfer-Encoding", "chunked")]
    if length > BUFFERED_BYTES:
        return _blocks(request.stream), [("Content-Length", str(length))]
    body = b"".join(_blocks(request.stream))
    return body, [("Content-Length", str(len(body)))]


def _is_chunked() -> bool:
    return request.headers.get("Transfer-Encoding", "").lower() == "chunked"


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Read what the client sends; one that breaks off ends the request, not as the upstream's."""
    try:
        while block := stream.read(_BLOCK):
            yield block
    except HTTPException:
        raise
    except OSError as error:
        raise ApiError("The body broke off.", reason=BAD_REQUEST) from error


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status)
    response.headers.clear()
    for name, value in _outgoing(answer.headers):
        response.headers.add(name, value)
    head = has_request_context() and request.method == "HEAD"
    if isinstance(answer.body, bytes) and not head:
        length: int | None = len(answer.body)
    else:
        length = answer.length
    if length is not None and answer.status not in _NO_CONTENT_LENGTH:
        response.content_length = length
    return response


def _outgoing(headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in forward_response_headers(headers):
        if name not in _SERVER_HEADERS:
            yield name.decode("latin-1").title(), value.decode("latin-1")
