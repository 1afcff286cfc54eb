"""One gateway, twice: the edge, and `gunicorn "gateline.web:create_app()"` without one.

Every test runs against both, in front of the same services, which answer as told and keep what
they saw.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import People, Person, edge_environment
from running_edge import Answer, RunningEdge
from running_gunicorn import RunningGunicorn
from scripted_services import Behaviour, ScriptedServices, Visit, answer, cut, hang

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODIES = ("POST", "PUT", "PATCH", "DELETE")
DOCTORS = "/api/v1/doctors"
JSON = (b"content-type", b"application/json")
# The waits before a second and a third attempt take up to 1 s and 2 s.
ROOMY = {"UPSTREAM_TIMEOUT": "3.5", "RATE_LIMIT_DEFAULT": "100000/minute"}
HURRIED = {"UPSTREAM_TIMEOUT": "0.5", "RATE_LIMIT_DEFAULT": "100000/minute"}


@pytest.fixture(scope="module")
def every_service() -> Iterator[ScriptedServices]:
    """Run the services behind both gateways."""
    services = ScriptedServices()
    services.start()
    yield services
    services.stop()


@pytest.fixture(autouse=True)
def services(every_service: ScriptedServices) -> ScriptedServices:
    """Give services that follow no script yet and have seen nothing."""
    every_service.clear()
    return every_service


@pytest.fixture(scope="module")
def people(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Give a way to log people in."""
    known = People(edge_environment(redis_url), tmp_path_factory.mktemp("people"))
    yield known
    known.close()


@pytest.fixture
def doctor(people: People) -> Person:
    """Give a doctor who has just logged in."""
    return people.log_in("doctor")


@pytest.fixture(scope="module", params=[RunningEdge, RunningGunicorn], ids=["edge", "flask"])
def kind(request: pytest.FixtureRequest) -> type[RunningEdge]:
    """Name the gateway under test."""
    found: type[RunningEdge] = request.param
    return found


def run(kind: type[RunningEdge], folder: Path, environment: dict[str, str]) -> RunningEdge:
    """Start a gateway."""
    gateway = kind(folder, environment)
    gateway.start()
    return gateway


@pytest.fixture(scope="module")
def gateway(
    kind: type[RunningEdge],
    every_service: ScriptedServices,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningEdge]:
    """Run the gateway in front of the services."""
    environment = edge_environment(redis_url, **ROOMY, **every_service.environment)
    running = run(kind, tmp_path_factory.mktemp("gateway"), environment)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def hurried(
    kind: type[RunningEdge],
    every_service: ScriptedServices,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningEdge]:
    """Run a gateway that waits half a second, and whose patients' service refuses connections."""
    away = {"PATIENT_SERVICE_URL": "http://127.0.0.1:1"}
    environment = edge_environment(redis_url, **HURRIED, **every_service.environment | away)
    running = run(kind, tmp_path_factory.mktemp("hurried"), environment)
    yield running
    running.stop()


def refused(response: Answer, status: int, reason: str) -> None:
    """Check a refusal of the gateway's own: standard body, header, request id."""
    assert response.status == status, response.body
    assert response.reason == reason
    body = response.json()
    assert set(body) == {"error", "message", "details"}
    assert response.values(b"x-request-id") == [body["details"]["request_id"].encode()]


# Where requests go


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_forwarded(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, method: str
) -> None:
    """Document 3, gateway: requests of every method reach the service, body and query unchanged."""
    body = b'{"name": "x"}' if method in BODIES else None
    response = gateway.ask(method, f"{DOCTORS}/7?a=1&b=%20&a=2", [JSON], body, token=doctor.token)
    assert response.status == 200
    assert response.json() == {"service": "doctors"}
    (seen,) = services.seen(f"{DOCTORS}/7")
    assert seen.method == method
    assert seen.target == f"{DOCTORS}/7?a=1&b=%20&a=2".encode()
    assert seen.body == (body or b"")


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/v1/doctors", "doctors"),
        ("/api/v1/doctors/", "doctors"),
        ("/api/v1/patients/1/record", "patients"),
        ("/api/v1/institutions/1", "institutions"),
        ("/api/v1/admins", "admins"),
        ("/api/users/me", "api"),
        ("/api/orders", "api"),
    ],
)
def test_the_service_is_chosen_by_path(
    gateway: RunningEdge, services: ScriptedServices, people: People, path: str, service: str
) -> None:
    """Document 3, gateway: the service is detected by URL; a closing slash is no other path."""
    response = gateway.get(path, token=people.log_in("admin").token)
    assert response.json() == {"service": service}
    assert len(services.seen(path)) == 1


@pytest.mark.parametrize(
    ("user_type", "home"),
    [
        ("patient", "patients"),
        ("doctor", "doctors"),
        ("institution", "institutions"),
        ("admin", "admins"),
    ],
)
def test_the_service_is_chosen_by_user_type(
    gateway: RunningEdge, services: ScriptedServices, people: People, user_type: str, home: str
) -> None:
    """Document 3, gateway: for one's own record the service is detected by user type."""
    response = gateway.get("/api/v1/me/dashboard", token=people.log_in(user_type).token)
    assert response.json() == {"service": home}
    assert len(services.seen(f"/api/v1/{home}/me/dashboard")) == 1


@pytest.mark.parametrize(
    "path", ["/api/auth/login", "/api/v1/auth/login", "/.well-known/jwks.json"]
)
def test_auth_needs_no_session(gateway: RunningEdge, services: ScriptedServices, path: str) -> None:
    """Document 3, authentication endpoints: they are reached without a session."""
    assert gateway.ask("POST", path, [JSON], b"{}").json() == {"service": "auth"}


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/register", "users"),
        ("GET", "/cameras", "events"),
        ("GET", "/logs", "events"),
        ("GET", "/alerts/count", "events"),
        ("GET", "/alerts/count/", "events"),
        ("POST", "/logs", "events"),
    ],
)
def test_the_shop_needs_no_session(
    gateway: RunningEdge, services: ScriptedServices, method: str, path: str, service: str
) -> None:
    """Document 4, Public API: user service and edge processor are reached without a session."""
    body = b"{}" if method == "POST" else None
    response = gateway.ask(method, f"{path}?a=1", [JSON], body)
    assert response.json() == {"service": service}
    (seen,) = services.seen(path)
    assert seen.target == f"{path}?a=1".encode()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/api/nowhere", "/api/v1/nurses", "/api/v2/doctors", "/api/"])
def test_unknown_services(
    gateway: RunningEdge, services: ScriptedServices, path: str, method: str
) -> None:
    """An unknown service is 404 `no_route`, whatever the method."""
    refused(gateway.ask(method, path), 404, "no_route")
    assert services.requests == []


# Who may pass


@pytest.mark.parametrize(
    ("path", "user_type"),
    [
        ("/api/v1/doctors", "patient"),
        ("/api/v1/institutions", "patient"),
        ("/api/v1/admins", "doctor"),
        ("/api/v1/patients", "customer"),
    ],
)
def test_roles(
    gateway: RunningEdge, services: ScriptedServices, people: People, path: str, user_type: str
) -> None:
    """Document 3, authorization: another kind of account is 403 and reaches nothing."""
    refused(gateway.get(path, token=people.log_in(user_type).token), 403, "role_missing")
    assert services.requests == []


def test_no_session(gateway: RunningEdge, services: ScriptedServices) -> None:
    """Document 3, authorization: without a session it is 401 with a challenge."""
    response = gateway.get(DOCTORS)
    refused(response, 401, "session_missing")
    assert response.values(b"www-authenticate") == [b"Bearer"]
    assert services.requests == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lifetime_seconds": -10}, "token_expired"),
        ({"type": "refresh"}, "token_type_wrong"),
    ],
)
def test_tokens_that_are_no_longer_or_never_were(
    gateway: RunningEdge, people: People, changes: dict[str, object], reason: str
) -> None:
    """An expired token and a refresh token open nothing."""
    refused(gateway.get(DOCTORS, token=people.issue(**changes)), 401, reason)


def test_a_tampered_token(gateway: RunningEdge, doctor: Person) -> None:
    """A token whose claims were changed opens nothing."""
    head, claims, signature = doctor.token.split(".")
    changed = f"{head}.{claims[:-2]}{'AA' if claims[-2:] != 'AA' else 'BB'}.{signature}"
    refused(gateway.get(DOCTORS, token=changed), 401, "token_invalid")


def test_a_token_without_session(gateway: RunningEdge, people: People) -> None:
    """Document 3, session validation: a genuine token without its entry in the store is 401."""
    refused(gateway.get(DOCTORS, token=people.issue()), 401, "session_revoked")


def test_a_revoked_session(
    gateway: RunningEdge, services: ScriptedServices, people: People, doctor: Person
) -> None:
    """Document 3, secure logout: once its entry is deleted a token opens nothing."""
    assert gateway.get(DOCTORS, token=doctor.token).status == 200
    people.store.drop(doctor.token)
    services.wait(lambda: gateway.get(DOCTORS, token=doctor.token).status == 401)
    refused(gateway.get(DOCTORS, token=doctor.token), 401, "session_revoked")


def test_a_cookie_opens_too(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Document 3, JWT injection: a session from the cookie goes on as a bearer token."""
    response = gateway.get(DOCTORS, [(b"Cookie", b"a=1; " + doctor.cookie[1] + b"; b=2")])
    assert response.status == 200
    (seen,) = services.requests
    assert seen.values(b"authorization") == [doctor.bearer[1]]
    cookies = b"; ".join(seen.values(b"cookie"))
    assert b"gateline_session" not in cookies


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "header", [(b"Origin", b"https://evil.example"), (b"Sec-Fetch-Site", b"cross-site")]
)
def test_another_site_cannot_use_the_cookie(
    gateway: RunningEdge,
    services: ScriptedServices,
    doctor: Person,
    method: str,
    header: tuple[bytes, bytes],
) -> None:
    """What another site makes a browser send with its cookie is refused."""
    refused(gateway.ask(method, DOCTORS, [doctor.cookie, header]), 403, "cross_site")
    assert services.requests == []


def test_another_site_may_use_its_own_token(gateway: RunningEdge, doctor: Person) -> None:
    """A bearer token is sent by nobody's browser on its own: the origin does not matter."""
    headers = [(b"Origin", b"https://partner.example"), doctor.bearer]
    assert gateway.ask("POST", DOCTORS, headers, b"{}").status == 200


# What the service is told


def test_identity_is_injected(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Document 3, JWT injection: services get the bearer token and X-User-ID, -Type and -Email."""
    gateway.get(DOCTORS, token=doctor.token)
    (seen,) = services.requests
    assert seen.values(b"authorization") == [doctor.bearer[1]]
    assert seen.values(b"x-user-id") == [str(doctor.user_id).encode()]
    assert seen.values(b"x-user-type") == [b"doctor"]
    assert seen.values(b"x-user-email") == [doctor.email.encode()]


@pytest.mark.parametrize("name", ["X-User-ID", "X-User-Type", "x-user-email", "X-Real-IP"])
@pytest.mark.parametrize("path", [DOCTORS, "/api/auth/login"])
def test_identity_cannot_be_spoofed(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, name: str, path: str
) -> None:
    """A client's own identity headers reach no service, on no route."""
    gateway.get(path, [(name.encode(), b"spoofed"), doctor.bearer])
    (seen,) = services.requests
    assert b"spoofed" not in seen.head


def test_the_connection_header_cannot_remove_identity(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Connection header cannot remove identity (Traefik CVE-2024-45410)."""
    gateway.get(DOCTORS, [(b"Connection", b"close, X-User-ID, Authorization"), doctor.bearer])
    (seen,) = services.requests
    assert seen.values(b"x-user-id") == [str(doctor.user_id).encode()]
    assert seen.values(b"authorization") == [doctor.bearer[1]]


def test_hop_by_hop_headers_stay(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Headers of one connection, and those that Connection names, are not passed on."""
    headers = [
        (b"Connection", b"x-private, keep-alive"),
        (b"X-Private", b"mine"),
        (b"TE", b"trailers"),
        (b"Proxy-Authorization", b"Basic eDp5"),
        doctor.bearer,
    ]
    gateway.get(DOCTORS, headers)
    (seen,) = services.requests
    for name in (b"x-private", b"te", b"proxy-authorization"):
        assert seen.values(name) == []


def test_who_asked_and_how(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Services learn the client's address, the scheme, the host and the request's id and trace."""
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = [(b"X-Request-ID", b"my-request-0001"), (b"traceparent", trace), doctor.bearer]
    response = gateway.get(DOCTORS, headers)
    assert response.values(b"x-request-id") == [b"my-request-0001"]
    (seen,) = services.requests
    assert seen.values(b"x-request-id") == [b"my-request-0001"]
    assert seen.values(b"traceparent")[0].split(b"-")[1] == trace.split(b"-")[1]
    assert seen.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert seen.values(b"x-forwarded-proto") == [b"http"]
    assert seen.values(b"x-forwarded-host") == [f"127.0.0.1:{gateway.port}".encode()]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/doctors/../admins",
        "/api/v1/doctors/%2e%2e/admins",
        "/api/v1/doctors/%2E%2E%2Fadmins",
        "/api/v1/doctors/..;/admins",
        "/api/v1/doctors/%252e%252e/admins",
        "/api/v1/doctors/%5c..%5cadmins",
        "/api/v1/doctors%00",
        "/api/v1/doctors/%zz",
    ],
)
def test_paths_that_can_be_read_in_two_ways(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, path: str
) -> None:
    """A path without canonical form is refused and reaches no service."""
    refused(gateway.get(path, token=doctor.token), 400, "path_not_allowed")
    assert services.requests == []


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("/api/v1/doctors/a%20b", "/api/v1/doctors/a%20b"),
        ("/api/v1/doctors/%c3%a9", "/api/v1/doctors/%C3%A9"),
        ("/api/v1/doctors/%FF", "/api/v1/doctors/%FF"),
        ("/api/v1/doctors/%41%3a", "/api/v1/doctors/A%3A"),
        ("/api//v1/doctors", "/api/v1/doctors"),
        ("//api/v1///doctors", "/api/v1/doctors"),
    ],
)
def test_one_spelling_is_decided_upon_and_sent(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, sent: str, received: str
) -> None:
    """The service gets the path in the one spelling in which the route was chosen."""
    assert gateway.get(sent, token=doctor.token).status == 200
    (seen,) = services.requests
    assert seen.path == received


# What the client is told


def test_answers_pass_unchanged(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Status, headers (UTF-8 bytes and repeated ones too) and body are the service's own."""
    headers = [
        (b"location", b"/api/v1/doctors/9"),
        (b"etag", b'"7"'),
        (b"x-name", "Lucía".encode()),
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2; Path=/"),
    ]
    services.on(DOCTORS, answer(201, b'{"id": "9"}', headers))
    response = gateway.ask("POST", DOCTORS, [JSON], b"{}", token=doctor.token)
    assert response.status == 201
    assert response.body == b'{"id": "9"}'
    assert response.whole
    for name in {name for name, _ in headers}:
        assert response.values(name) == [value for key, value in headers if key == name]


@pytest.mark.parametrize("status", [400, 404, 409, 418, 422, 500])
def test_refusals_of_the_service_are_its_own(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, status: int
) -> None:
    """What a service refuses passes as it is, unmarked, and is not tried again."""
    services.on(DOCTORS, answer(status, b'{"mine": true}'))
    response = gateway.get(DOCTORS, token=doctor.token)
    assert (response.status, response.body) == (status, b'{"mine": true}')
    assert response.values(b"x-gateline-error") == []
    assert len(services.requests) == 1


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_body(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, status: int
) -> None:
    """Statuses that have no body get none."""
    services.on(DOCTORS, answer(status))
    response = gateway.get(DOCTORS, token=doctor.token)
    assert (response.status, response.body) == (status, b"")


def test_head(gateway: RunningEdge, services: ScriptedServices, doctor: Person) -> None:
    """HEAD reaches the service as HEAD; its length is told and no body follows."""

    async def head_only(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")

    services.on(DOCTORS, head_only)
    response = gateway.ask("HEAD", DOCTORS, token=doctor.token)
    assert response.status == 200
    assert response.values(b"content-length") == [b"1234"]
    assert services.requests[0].method == "HEAD"


def test_large_bodies_both_ways(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Bodies of several megabytes pass in both directions, whole."""
    body = bytes(range(256)) * 16384

    async def echo(visit: Visit) -> None:
        await visit.send(answer(200, await visit.read_body()))

    services.on(DOCTORS, echo)
    response = gateway.ask("POST", DOCTORS, [JSON], body, token=doctor.token)
    assert response.status == 200
    assert response.whole
    assert response.body == body


def test_chunked_answers(gateway: RunningEdge, services: ScriptedServices, doctor: Person) -> None:
    """An answer of unknown length passes whole."""

    async def chunked(visit: Visit) -> None:
        await visit.send(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            *(b"5\r\nhello\r\n", b"6\r\n world\r\n", b"0\r\n\r\n"),
        )

    services.on(DOCTORS, chunked)
    response = gateway.get(DOCTORS, token=doctor.token)
    assert response.body == b"hello world"
    assert response.whole


# When services fail


def test_a_service_that_refuses_connections(hurried: RunningEdge, doctor: Person) -> None:
    """A service that cannot be reached is 502 `upstream_refused`."""
    refused(hurried.get("/api/v1/patients", token=doctor.token), 502, "upstream_refused")


@pytest.mark.parametrize("behaviour", [hang, None], ids=["silent", "slow body"])
def test_a_service_that_hangs(
    hurried: RunningEdge,
    services: ScriptedServices,
    doctor: Person,
    behaviour: Behaviour | None,
) -> None:
    """A service that does not answer in time is 504 `upstream_timeout`, never a hang."""

    async def stop_in_the_body(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await visit.until_gone()

    services.on(DOCTORS, behaviour or stop_in_the_body)
    response = hurried.get(DOCTORS, token=doctor.token)
    if response.whole:
        refused(response, 504, "upstream_timeout")
    else:
        assert behaviour is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "upstream_broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "upstream_broken"),
        (b"this is no HTTP\r\n\r\n", "upstream_invalid"),
        (b"HTTP/1.1 99 What\r\n\r\n", "upstream_invalid"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "upstream_invalid"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "upstream_invalid",
        ),
    ],
)
def test_a_service_that_talks_rubbish_or_breaks_off(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, said: bytes, reason: str
) -> None:
    """Half a head is 502 `upstream_broken`, rubbish is 502 `upstream_invalid`."""
    services.on(DOCTORS, cut(said))
    response = gateway.ask("POST", DOCTORS, [JSON], b"{}", token=doctor.token)
    refused(response, 502, reason)


@pytest.mark.parametrize("with_reset", [False, True], ids=["FIN", "RST"])
def test_half_a_body_is_never_passed_as_whole(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, with_reset: bool
) -> None:
    """A body that breaks off is an error, or visibly cut short."""
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"
    services.on(DOCTORS, cut(said, with_reset=with_reset))
    try:
        response = gateway.ask("POST", DOCTORS, [JSON], b"{}", token=doctor.token)
    except (EOFError, ConnectionResetError):
        return
    if response.whole:
        refused(response, 502, "upstream_broken")


def test_half_a_chunked_body_is_never_passed_as_whole(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """A chunked body without its end is an error, or visibly cut short."""
    said = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    services.on(DOCTORS, cut(said))
    try:
        response = gateway.ask("POST", DOCTORS, [JSON], b"{}", token=doctor.token)
    except (EOFError, ConnectionResetError):
        return
    if response.whole:
        refused(response, 502, "upstream_broken")


# What is tried again


@pytest.mark.parametrize("passing", [answer(503), answer(502), cut()], ids=["503", "502", "lost"])
def test_a_safe_request_is_tried_again(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, passing: Behaviour
) -> None:
    """Document 3, retry: a GET that met a passing failure is tried up to three times."""
    services.on(DOCTORS, passing, passing, answer(200, b"third"))
    response = gateway.get(DOCTORS, token=doctor.token)
    assert (response.status, response.body) == (200, b"third")
    assert len(services.seen(DOCTORS)) == 3


def test_three_attempts_are_the_end(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """Document 3, retry: after the third attempt the service's own refusal is the answer."""
    services.on(DOCTORS, answer(503, b'{"busy": true}'))
    response = gateway.get(DOCTORS, token=doctor.token)
    assert (response.status, response.body) == (503, b'{"busy": true}')
    assert len(services.seen(DOCTORS)) == 3


@pytest.mark.parametrize("failure", [answer(503), cut()], ids=["503", "lost"])
def test_what_may_have_been_done_is_not_done_again(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person, failure: Behaviour
) -> None:
    """A POST whose bytes may have arrived is sent once."""
    services.on(DOCTORS, failure, answer(201))
    response = gateway.ask("POST", DOCTORS, [JSON], b"{}", token=doctor.token)
    assert response.status in (502, 503)
    assert len(services.seen(DOCTORS)) == 1


def test_an_idempotency_key_allows_it(
    gateway: RunningEdge, services: ScriptedServices, doctor: Person
) -> None:
    """A POST with an Idempotency-Key is tried again, with its body and its key."""
    services.on(DOCTORS, cut(), answer(201, b"done"))
    headers = [JSON, (b"Idempotency-Key", b"k-1")]
    response = gateway.ask("POST", DOCTORS, headers, b'{"a": 1}', token=doctor.token)
    assert (response.status, response.body) == (201, b"done")
    first, second = services.seen(DOCTORS)
    assert first.body == second.body == b'{"a": 1}'
    assert second.values(b"idempotency-key") == [b"k-1"]


def test_health_needs_no_session(gateway: RunningEdge) -> None:
    """Document 3, health: the gateway says how it is, to anybody."""
    response = gateway.get("/health")
    body = json.loads(response.body)
    assert response.status in (200, 503)
    assert {"status", "service", "redis", "timestamp"} <= set(body)


# How often


LIMITED = """
[services.shop]
url = "http://127.0.0.1:{port}"

[[routes]]
path = "/api/open"
service = "shop"
auth = "none"

[[routes]]
path = "/api/closed"
service = "shop"

[[routes]]
path = "/api/free"
service = "shop"
auth = "none"
rate_limit = false
"""


def test_a_route_of_the_file_has_a_limit_unless_it_says_otherwise(
    kind: type[RunningEdge],
    services: ScriptedServices,
    redis_url: str,
    tmp_path: Path,
) -> None:
    """RATE_LIMIT_DEFAULT holds for each client; who is not let in is counted all the same."""
    file = tmp_path / "gateline.toml"
    file.write_text(LIMITED.format(port=services.ports["api"]))
    told = {"RATE_LIMIT_DEFAULT": "3/hour", "GATELINE_CONFIG": str(file)}
    gateway = run(kind, tmp_path, edge_environment(redis_url, **told))
    try:
        statuses = {
            path: [gateway.get(f"/api/{path}").status for _ in range(5)]
            for path in ("open", "closed", "free")
        }
    finally:
        gateway.stop()

    assert statuses == {
        "open": [200] * 3 + [429] * 2,
        "closed": [401] * 3 + [429] * 2,
        "free": [200] * 5,
    }
