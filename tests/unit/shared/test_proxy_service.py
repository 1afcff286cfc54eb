"""Calls to services from views, and a gateway in one view, over real sockets."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.serving import BaseWSGIServer, make_server

from gateline.policy.retries import RetryPolicy
from gateline.policy.services import Service, endpoints_at
from gateline.shared.errors import ApiError
from gateline.shared.middleware.auth import optional_session, require_session
from gateline.shared.proxy_service import EXTENSION, ProxyService, current_proxy, proxy_service
from gateline.shared.routing import platform_services
from gateline.shared.upstream import Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Start = Callable[..., Any]
Login = Callable[..., str]


class Gateway:
    """An app whose services are all one raw server."""

    def __init__(self, app: Flask, server: Any) -> None:
        self.app = app
        self.server = server
        self.client: FlaskClient = app.test_client(use_cookies=False)

    def sent(self, number: int = -1) -> tuple[str, dict[str, str], bytes]:
        """Return request line, headers (lower case) and body that the service got."""
        head, _, body = self.server.requests[number].partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        pairs = (header.partition(": ")[::2] for header in headers)
        return line, {name.lower(): value for name, value in pairs}, body


@pytest.fixture
def make_gateway(make_app: Callable[..., Flask], raw_server: Start) -> Iterator[Callable[..., Any]]:
    """Give a function that makes a gateway before a service which answers as told."""
    proxies: list[ProxyService] = []

    def make(script: Any = OK, timeout: float = 5.0, **more: Any) -> Gateway:
        server = raw_server(script)
        names = ("JWT", "DOCTOR", "PATIENT", "INSTITUTION", "ADMIN")
        app = make_app(**{f"{name}_SERVICE_URL": server.url for name in names})
        services = {
            name: replace(service, timeout=timeout, **more)
            for name, service in platform_services(app.extensions["gateline"].settings).items()
        }

        def upstream(service: Service) -> Upstream:
            return Upstream(service, sleep=lambda _: None, chance=lambda: 0.0)

        proxies.append(ProxyService(services, upstream=upstream))
        app.extensions[EXTENSION] = proxies[-1]
        add_views(app)
        return Gateway(app, server)

    yield make
    for proxy in proxies:
        proxy.close()


def add_views(app: Flask) -> None:
    """Add a gateway and some views that call services."""

    @app.route("/api/v1/doctors", methods=METHODS)
    @app.route("/api/v1/doctors/<path:rest>", methods=METHODS)
    @optional_session
    def gateway(rest: str = "") -> Response:
        return proxy_service.forward_current_request("doctors")

    @app.route("/shared", methods=["GET"])
    def shared() -> Response:
        return proxy_service.forward_current_request("jwt", "/api/v1/auth", share_cookie=True)

    @app.route("/mounted/<path:rest>")
    def mounted(rest: str) -> Response:
        return proxy_service.forward_current_request("jwt", f"/{rest}")

    @app.get("/call")
    @require_session
    def call() -> Response:
        return proxy_service.proxy_get(
            "doctors", "/doctors/", params={"page": 2, "tag": ["a", "b"]}
        )


@pytest.mark.parametrize("preserves", [True, False])
def test_a_service_learns_under_what_it_is_mounted(
    make_gateway: Callable[..., Gateway], preserves: bool
) -> None:
    """The part of the path that was left out, and where it wants that the client's Host."""
    gateway = make_gateway(preserve_host=preserves)
    gateway.client.get("/mounted/a%20b/c", headers={"X-Forwarded-Prefix": "/evil"})
    line, headers, _ = gateway.sent()
    assert line == "GET /a%20b/c HTTP/1.1"
    assert headers["x-forwarded-prefix"] == "/mounted"
    assert (headers["host"] == "localhost") is preserves
    gateway.client.get("/shared")
    assert "x-forwarded-prefix" not in gateway.sent()[1]


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Give a gateway before a service that answers with an empty object."""
    return make_gateway()


def reason(answer: Any) -> str:
    """Return the stable reason of a refusal."""
    return str(json.loads(answer.data)["details"]["reason"])


# Calls from views


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("GET", lambda: proxy_service.proxy_get("doctors", "/x")),
        ("POST", lambda: proxy_service.proxy_post("doctors", "/x", data={"a": "é"})),
        ("PUT", lambda: proxy_service.proxy_put("doctors", "/x", data={"a": "é"})),
        ("PATCH", lambda: proxy_service.proxy_patch("doctors", "/x", data={"a": "é"})),
        ("DELETE", lambda: proxy_service.proxy_delete("doctors", "/x")),
        ("GET", lambda: proxy_service.call_doctors_service("get", "/x")),
        ("POST", lambda: proxy_service.call_patients_service("POST", "/x", {"a": "é"})),
        ("GET", lambda: proxy_service.call_institutions_service("GET", "/x")),
        ("GET", lambda: proxy_service.call_admins_service("GET", "/x")),
    ],
)
def test_the_documented_calls(gateway: Gateway, method: str, call: Callable[[], Response]) -> None:
    """Each sends its method to its service, with the prefix that domain services want."""
    with gateway.app.app_context():
        answer = call()

    line, headers, body = gateway.sent()
    assert line == f"{method} /api/v1/x HTTP/1.1"
    assert answer.json == {}
    assert headers["accept"] == "application/json"
    if method in {"POST", "PUT", "PATCH"}:
        assert headers["content-type"] == "application/json"
        assert json.loads(body) == {"a": "é"}


def test_the_auth_service_gets_no_prefix(gateway: Gateway) -> None:
    """Only domain services have one."""
    with gateway.app.app_context():
        proxy_service.call_jwt_service("POST", "/auth/login", {})

    assert gateway.sent()[0] == "POST /auth/login HTTP/1.1"


def test_a_present_prefix_is_not_doubled(gateway: Gateway) -> None:
    """A path that has the prefix stays as it is."""
    with gateway.app.app_context():
        proxy_service.proxy_get("doctors", "/api/v1/doctors/?a=b", params={"c": "d e"})

    assert gateway.sent()[0] == "GET /api/v1/doctors/?a=b&c=d+e HTTP/1.1"


def test_a_view_speaks_for_its_user(gateway: Gateway, login: Login) -> None:
    """Token, identity, request id and trace of the current request go along."""
    token = login(gateway.app, "doctor")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    answer = gateway.client.get(
        "/call",
        headers={
            "Authorization": f"Bearer {token}",
            "X-Request-ID": "request-id-1",
            "traceparent": trace,
            "X-User-ID": "999",
            "Cookie": "a=b",
        },
    )

    line, headers, _ = gateway.sent()
    assert answer.status_code == 200
    assert line == "GET /api/v1/doctors/?page=2&tag=a&tag=b HTTP/1.1"
    assert headers["authorization"] == f"Bearer {token}"
    assert headers["x-user-id"] == "7"
    assert headers["x-user-type"] == "doctor"
    assert headers["x-user-email"] == "doctor@example.com"
    assert headers["x-request-id"] == "request-id-1"
    assert headers["traceparent"] == trace
    assert "cookie" not in headers


def test_given_headers_win(gateway: Gateway, login: Login) -> None:
    """What a view sets itself replaces what would be injected, in any spelling."""
    token = login(gateway.app)
    with gateway.app.test_request_context(headers={"Authorization": f"Bearer {token}"}):
        optional_session(lambda: None)()
        proxy_service.proxy_get("doctors", "/x", headers={"authorization": "Bearer other"})

    assert gateway.server.requests[-1].lower().count(b"authorization:") == 1
    assert gateway.sent()[1]["authorization"] == "Bearer other"


def test_data_may_be_bytes_or_text(gateway: Gateway) -> None:
    """Bytes are sent as they are, text as the JSON that it is taken for."""
    with gateway.app.app_context():
        proxy_service.proxy_post("doctors", "/x", b"\x00\x01")
        assert gateway.sent()[1]["content-type"] == "application/octet-stream"
        assert gateway.sent()[2] == b"\x00\x01"
        proxy_service.proxy_post("doctors", "/x", "[1]")
        assert gateway.sent()[1]["content-type"] == "application/json"
        assert gateway.sent()[2] == b"[1]"


def test_an_unknown_service(gateway: Gateway) -> None:
    """A service that nobody knows is `no_route`."""
    with gateway.app.app_context(), pytest.raises(ApiError) as refused:
        proxy_service.proxy_get("unknown", "/")

    assert (refused.value.status, refused.value.reason.code) == (404, "no_route")


@pytest.mark.parametrize(
    "path", ["/a/../b", "/a/%2e%2e/b", "/a%2fb", "/a b", "/a\r\nX: y", "/a\\b", "/é", "/a/..;/b"]
)
def test_paths_are_not_talked_past(gateway: Gateway, path: str) -> None:
    """A path without one canonical form never reaches a service."""
    with gateway.app.app_context(), pytest.raises(ApiError) as refused:
        proxy_service.proxy_get("doctors", path)

    assert refused.value.reason.code == "path_not_allowed"
    assert gateway.server.requests == []


def test_three_attempts_for_reading_one_for_writing(make_gateway: Callable[..., Gateway]) -> None:
    """A lost GET is repeated, a lost POST only with an Idempotency-Key."""
    gateway = make_gateway(lambda *_: False)

    def attempts(**options: Any) -> int:
        before = len(gateway.server.requests)
        with gateway.app.app_context(), pytest.raises(ApiError, match="whole"):
            proxy_service.proxy_request(service="doctors", path="/x", **options)
        return len(gateway.server.requests) - before

    assert attempts(method="GET") == 3
    assert attempts(method="POST", data={}) == 1
    assert attempts(method="POST", data={}, headers={"idempotency-key": "k"}) == 3


def test_statuses_of_the_service_are_passed_on(make_gateway: Callable[..., Gateway]) -> None:
    """A refusal by the service is an answer, not an error of the gateway."""
    gateway = make_gateway(b"HTTP/1.1 422 X\r\nContent-Length: 2\r\n\r\n{}")
    with gateway.app.app_context():
        assert proxy_service.proxy_get("doctors", "/x").status_code == 422


def test_the_proxy_is_made_on_first_use_and_kept(make_app: Callable[..., Flask]) -> None:
    """Every app has its own, built from its settings."""
    one, other = make_app(), make_app()
    with one.app_context():
        first = current_proxy()
        assert current_proxy() is first
    with other.app_context():
        assert current_proxy() is not first


# A gateway in one view


def test_a_request_passes_whole(gateway: Gateway) -> None:
    """Method, path, query, headers and body reach the service as they were sent."""
    answer = gateway.client.post(
        "/api/v1/doctors/7%20a?q=%2F&q=b%20c",
        data=b'{"a":1}',
        headers={"Content-Type": "application/json", "X-Custom": "1", "Accept-Encoding": "gzip"},
    )

    line, headers, body = gateway.sent()
    assert answer.status_code == 200
    assert line == "POST /api/v1/doctors/7%20a?q=%2F&q=b%20c HTTP/1.1"
    assert body == b'{"a":1}'
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == "7"
    assert headers["x-custom"] == "1"
    assert headers["accept-encoding"] == "gzip"
    assert headers["host"] == f"127.0.0.1:{gateway.server.port}"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_passes(gateway: Gateway, method: str) -> None:
    """No method is special."""
    assert gateway.client.open("/api/v1/doctors", method=method).status_code == 200
    assert gateway.sent()[0].startswith(f"{method} /api/v1/doctors HTTP/1.1")


def test_the_gateway_says_who_it_is_for(gateway: Gateway, login: Login) -> None:
    """Identity, forwarding and request id are the gateway's word, whatever the client claims."""
    token = login(gateway.app, "doctor")
    gateway.client.get(
        "/api/v1/doctors",
        headers={
            "Cookie": f"theme=dark; gateline_session={token}; a=b",
            "X-User-ID": "999",
            "X_User_Type": "admin",
            "x-user-email": "root@example.com",
            "X-Forwarded-For": "1.2.3.4",
            "Forwarded": "for=1.2.3.4",
            "X-Real-IP": "1.2.3.4",
        },
        environ_overrides={"REMOTE_ADDR": "192.0.2.9"},
    )

    _, headers, _ = gateway.sent()
    raw = gateway.server.requests[-1].lower()
    assert headers["authorization"] == f"Bearer {token}"
    assert headers["x-user-id"] == "7"
    assert headers["x-user-type"] == "doctor"
    assert headers["x-user-email"] == "doctor@example.com"
    assert headers["x-forwarded-for"] == "192.0.2.9"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "localhost"
    assert headers["cookie"] == "theme=dark; a=b"
    assert all(spoof not in raw for spoof in (b"999", b"admin", b"root@", b"1.2.3.4"))


def test_nobody_cannot_claim_to_be_somebody(gateway: Gateway) -> None:
    """Without a session identity headers are dropped all the same."""
    gateway.client.get("/api/v1/doctors", headers={"X-User-ID": "1", "X-User-Type": "admin"})

    assert not [name for name in gateway.sent()[1] if name.startswith("x-user")]


def test_a_connection_header_cannot_remove_identity(gateway: Gateway, login: Login) -> None:
    """Naming our headers in Connection does not take them away (Traefik CVE-2024-45410)."""
    token = login(gateway.app)
    gateway.client.get(
        "/api/v1/doctors",
        headers={
            "Authorization": f"Bearer {token}",
            "Connection": "X-User-ID, Authorization, X-Forwarded-For, X-Secret, close",
            "X-Secret": "for this hop",
            "Keep-Alive": "timeout=5",
            "TE": "trailers",
            "Proxy-Authorization": "Basic x",
        },
    )

    _, headers, _ = gateway.sent()
    assert headers["x-user-id"] == "7"
    assert headers["authorization"] == f"Bearer {token}"
    assert "x-forwarded-for" in headers
    assert not {"x-secret", "keep-alive", "te", "proxy-authorization", "connection"} & set(headers)


def test_the_cookie_is_shared_where_that_is_wanted(gateway: Gateway) -> None:
    """Services that set and read the session cookie get it."""
    gateway.client.get("/shared", headers={"Cookie": "a=b; gateline_session=x"})

    line, headers, _ = gateway.sent()
    assert line == "GET /api/v1/auth HTTP/1.1"
    assert headers["cookie"] == "a=b; gateline_session=x"


def test_an_answer_passes_whole(make_gateway: Callable[..., Gateway]) -> None:
    """Status, repeated cookies, unusual headers and body come back; what is the hop's does not."""
    gateway = make_gateway(
        b"HTTP/1.1 207 Multi\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\n"
        b'X-Name: \xc3\xa9\r\nETag: W/"1"\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n'
        b"Date: yesterday\r\nServer: other\r\nX-RateLimit-Limit: 3\r\n"
        b"Content-Length: 3\r\n\r\n\x00\x01\xff"
    )
    answer = gateway.client.get("/api/v1/doctors")

    assert (answer.status_code, answer.data) == (207, b"\x00\x01\xff")
    assert answer.headers.getlist("Set-Cookie") == ["a=1; Path=/", "b=2; HttpOnly"]
    assert answer.headers["X-Name"].encode("latin-1") == b"\xc3\xa9"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Content-Length"] == "3"
    assert answer.headers["X-RateLimit-Limit"] == "3"
    assert "Content-Type" not in answer.headers
    assert not {"x-hop", "keep-alive", "connection", "date", "server"} & {
        name.lower() for name, _ in answer.headers
    }


def test_a_head_answer_keeps_its_length(make_gateway: Callable[..., Gateway]) -> None:
    """HEAD tells the length of what GET would give."""
    gateway = make_gateway(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    answer = gateway.client.head("/api/v1/doctors")

    assert (answer.headers["Content-Length"], answer.data) == ("5", b"")


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_body(make_gateway: Callable[..., Gateway], status: int) -> None:
    """204 and 304 carry neither body nor length."""
    gateway = make_gateway(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nX-A: 1\r\n\r\n".encode())
    answer = gateway.client.get("/api/v1/doctors")

    assert (answer.status_code, answer.data, answer.headers["X-A"]) == (status, b"", "1")
    assert "Content-Length" not in answer.headers


def test_redirects_pass(make_gateway: Callable[..., Gateway]) -> None:
    """A redirect is the client's to follow."""
    gateway = make_gateway(b"HTTP/1.1 303 X\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n")

    assert gateway.client.post("/api/v1/doctors").headers["Location"] == "/y"


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (b"", 502, "upstream_broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 502, "upstream_broken"),
        (b"rubbish\r\n\r\n", 502, "upstream_invalid"),
    ],
)
def test_failures_are_told_apart(
    make_gateway: Callable[..., Gateway], script: bytes, status: int, code: str
) -> None:
    """A broken answer is refused in the standard form, never passed on in part."""
    gateway = make_gateway(lambda connection, _: connection.sendall(script))
    answer = gateway.client.get("/api/v1/doctors")

    assert (answer.status_code, reason(answer)) == (status, code)
    assert json.loads(answer.data)["details"]["service"] == "doctors"


def test_a_hanging_service_is_given_up(make_gateway: Callable[..., Gateway]) -> None:
    """504 at the deadline."""
    release = threading.Event()
    gateway = make_gateway(lambda *_: release.wait(5) and False, timeout=0.2)
    answer = gateway.client.get("/api/v1/doctors")
    release.set()

    assert (answer.status_code, reason(answer)) == (504, "upstream_timeout")


def test_a_service_that_is_not_there(make_app: Callable[..., Flask]) -> None:
    """502 when nobody listens, 503 when no address is set."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = make_app()
    once = RetryPolicy(attempts=1)
    app.extensions[EXTENSION] = ProxyService(
        {
            "doctors": Service("doctors", endpoints_at(url), retry=once),
            "jwt": Service("auth", (), retry=once),
        }
    )
    add_views(app)
    client = app.test_client()

    assert reason(client.get("/api/v1/doctors")) == "upstream_refused"
    assert reason(client.get("/shared")) == "upstream_unavailable"


def test_a_path_that_is_two_is_refused(gateway: Gateway) -> None:
    """`..` in any spelling, which the framework has decoded already, goes no further."""
    answer = gateway.client.get("/api/v1/doctors/x/%2e%2e/%2e%2e/admins")

    assert (answer.status_code, reason(answer)) == (400, "path_not_allowed")
    assert gateway.server.requests == []


# Streams, through a real WSGI server


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], int]]:
    """Give a function that serves an app on a free port."""
    servers: list[tuple[BaseWSGIServer, threading.Thread]] = []

    def start(app: Flask) -> int:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        server.log = lambda *_: None  # type: ignore[method-assign] # quiet
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return int(server.server_port)

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes and return everything that comes back until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        received = io.BytesIO()
        while data := client.recv(65536):
            received.write(data)
        return received.getvalue()


def test_a_long_answer_streams_to_the_client(
    make_gateway: Callable[..., Gateway], serve: Callable[[Flask], int]
) -> None:
    """Megabytes pass with their length."""
    body = bytes(range(256)) * 12_000
    gateway = make_gateway(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    port = serve(gateway.app)

    head, _, got = exchange(
        port, b"GET /api/v1/doctors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ).partition(b"\r\n\r\n")

    assert f"content-length: {len(body)}" in head.decode().lower()
    assert got == body


def test_a_stream_that_breaks_off_is_not_passed_as_whole(
    make_gateway: Callable[..., Gateway], serve: Callable[[Flask], int]
) -> None:
    """The client sees fewer bytes than announced, never a clean end."""

    def break_off(connection: socket.socket, _: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 100_000)
        return False

    port = serve(make_gateway(break_off).app)

    head, _, got = exchange(
        port, b"GET /api/v1/doctors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ).partition(b"\r\n\r\n")

    assert b"3000000" in head
    assert len(got) < 3_000_000


def test_a_large_upload_streams(
    make_gateway: Callable[..., Gateway], serve: Callable[[Flask], int]
) -> None:
    """An upload above the buffer passes with its length."""
    gateway = make_gateway()
    port = serve(gateway.app)
    body = b"0123456789" * 150_000

    answer = exchange(
        port,
        b"PUT /api/v1/doctors/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
    )

    assert b"200 OK" in answer
    assert gateway.sent()[1]["content-length"] == str(len(body))
    assert gateway.sent()[2] == body


def test_a_chunked_upload_streams(
    make_gateway: Callable[..., Gateway], serve: Callable[[Flask], int]
) -> None:
    """An upload of unknown length passes chunk by chunk."""
    gateway = make_gateway()
    port = serve(gateway.app)

    answer = exchange(
        port,
        b"POST /api/v1/doctors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    )

    assert b"200 OK" in answer
    assert gateway.sent()[2] == b"abcdefg"


def test_a_chunked_upload_that_nobody_can_bound_is_refused(gateway: Gateway) -> None:
    """A server that does not tell where a chunked body ends must not lose it silently."""
    answer = gateway.client.post(
        "/api/v1/doctors",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": False},
    )

    assert (answer.status_code, reason(answer)) == (411, "length_required")


def test_an_upload_that_breaks_off_is_not_completed(
    make_gateway: Callable[..., Gateway], serve: Callable[[Flask], int]
) -> None:
    """A client that leaves in the middle of an upload does not make the service see a whole one."""
    gateway = make_gateway()
    port = serve(gateway.app)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            b"PUT /api/v1/doctors/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Length: 3000000\r\n\r\n" + b"x" * 100_000
        )
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert all(len(request) < 3_000_000 for request in gateway.server.requests)
