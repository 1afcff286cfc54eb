"""What reaches a service, what comes back, and when a request is sent again."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for, identity
from edge_people import People
from running_edge import RunningEdge
from scripted_services import Handler, ScriptedServices, Visit, answer, cut, hang

from gateline.edge.request_headers import request_headers
from gateline.policy.headers import HeaderChanges
from gateline.policy.routes import Authentication, Destination, Route

LIST = "/api/v1/doctors/"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_the_session_cookie_stays_at_the_edge(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A domain service sees the other cookies only; the web service, which sets it, sees all."""
    doctor = people.log_in()
    name, session = doctor.cookie
    other = b"__Host-gateline_session=planted"
    cookies = [(name, b"a=1; " + session + b"; b=2"), (name, other + b"; c=3")]
    edge.get(LIST, cookies)
    assert services.seen(LIST)[0].values(b"cookie") == [b"a=1; b=2; c=3"]
    edge.get(LIST, [doctor.cookie])
    assert services.seen(LIST)[1].values(b"cookie") == []
    edge.get("/", cookies)
    (shown,) = services.seen("/")[0].values(b"cookie")
    assert session in shown


def test_a_cookie_goes_along_with_a_bearer_without_the_session(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """The session cookie is dropped for domain services even when a bearer identified."""
    doctor, stale = people.log_in(), people.log_in()
    edge.get(LIST, [doctor.bearer, (b"Cookie", stale.cookie[1] + b"; a=1")])
    assert services.seen(LIST)[0].values(b"cookie") == [b"a=1"]
    assert services.seen(LIST)[0].values(b"authorization") == [doctor.bearer[1]]


@pytest.mark.parametrize(
    ("auth", "user", "keeps"),
    [
        ("none", None, False),
        ("optional", None, False),
        ("optional", 7, False),
        ("none", None, True),
    ],
)
def test_the_session_cookie_stays_whoever_asks(
    auth: Authentication, user: int | None, keeps: bool
) -> None:
    """It opens every service, so one that looks for nobody must not be given it either."""
    route = Route("open", "/open", Destination("shop"), auth=auth, share_cookie=keeps)
    cookies = [b"a=1;gateline_session=one", b"__Host-gateline_session=two; b=2; ", b" c=3"]
    sent = headers_sent(
        route,
        [(b"cookie", value) for value in cookies],
        identity=None if user is None else identity(user),
    )
    session = [b"a=1; gateline_session=one; __Host-gateline_session=two; b=2; c=3"]
    assert sent[b"cookie"] == (session if keeps else [b"a=1; b=2; c=3"])
    alone = headers_sent(Route("open", "/open", None), [(b"cookie", b"gateline_session=one")])
    assert b"cookie" not in alone


@pytest.mark.parametrize("known", [True, False])
def test_what_a_route_says_of_headers_goes_out(known: bool) -> None:
    """Its changes hold for credentials and cookies too, whoever asks."""
    mine = (b"authorization", b"Basic shop")
    changes = HeaderChanges(set=(mine, (b"cookie", b"own=1")), remove=frozenset({b"x-debug"}))
    client = [(b"authorization", b"Bearer a"), (b"cookie", b"c=3"), (b"x-debug", b"1")]
    who = (identity(), [(b"authorization", b"Bearer a"), (b"x-user-id", b"7")])
    state = {"identity": who[0], "identity_headers": who[1]} if known else {}
    sent = headers_sent(route_with(changes), client, **state)
    assert sent[b"authorization"] == [b"Basic shop"]
    assert sent[b"cookie"] == [b"own=1"]
    assert b"x-debug" not in sent
    assert sent.get(b"x-user-id") == ([b"7"] if known else None)
    bare = HeaderChanges(remove=frozenset({b"authorization", b"cookie", b"traceparent"}))
    sent = headers_sent(route_with(bare), client, **state)
    assert sent.keys().isdisjoint({b"authorization", b"cookie", b"traceparent"})


def route_with(changes: HeaderChanges) -> Route:
    """Return a route that changes a request's headers."""
    return Route("changed", "/changed", Destination("shop"), request_headers=changes)


def headers_sent(
    route: Route, headers: list[tuple[bytes, bytes]], **known: Any
) -> dict[bytes, list[bytes]]:
    """Return the headers with which a request would reach its service."""
    exchange = exchange_for(Answered(), headers=[(b"host", b"shop"), *headers], **known)
    found: dict[bytes, list[bytes]] = {}
    for name, value in request_headers(exchange, route):
        found.setdefault(name, []).append(value)
    return found


SPELLINGS = [
    b"X-User-ID",
    b"x-user-id",
    b"X-USER-ID",
    b"X-User-Type",
    b"X-User-Email",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"X-Forwarded-Port",
    b"X-Forwarded-Prefix",
    b"X-Forwarded-Server",
    b"X-Real-IP",
    b"X-Gateline-Deadline",
    b"Forwarded",
]


def test_identity_cannot_be_spoofed(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """What only the gateway may say arrives once, in our words, however a client spells it."""
    doctor = people.log_in()
    spoofed = [(name, b"spoofed") for name in SPELLINGS]
    edge.get(LIST, [*spoofed, doctor.bearer])
    edge.get("/", spoofed)
    inside, outside = services.requests
    assert b"spoofed" not in inside.head + outside.head
    assert inside.values(b"x-user-id") == [str(doctor.user_id).encode()]
    assert inside.values(b"x-user-type") == [b"doctor"]
    assert inside.values(b"x-user-email") == [doctor.email.encode()]
    for name in (b"x-user-id", b"x-user-type", b"x-user-email"):
        assert outside.values(name) == []


@pytest.mark.parametrize("name", [b"X_User_ID", b"X_USER_ID", b"x-user_id", b"Content_Length"])
def test_names_with_underscores_are_refused(
    edge: RunningEdge, services: ScriptedServices, people: People, name: bytes
) -> None:
    """Behind CGI and WSGI an underscore reads as a dash, so none is let through."""
    answer_ = edge.get(LIST, [people.log_in().bearer, (name, b"1")])
    assert (answer_.status, services.requests) == (400, [])


def test_connection_header_cannot_remove_identity(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """Naming our headers in Connection takes nothing away (Traefik CVE-2024-45410)."""
    doctor = people.log_in()
    named = (
        b"close, X-User-ID, x-user-type, X-User-Email, Authorization, X-Forwarded-For,"
        b" X-Forwarded-Host, x-request-id, traceparent, host, content-length, x-mine"
    )
    edge.get(LIST, [(b"Connection", named), (b"X-Mine", b"1"), doctor.bearer])
    seen = services.seen(LIST)[0]
    assert seen.values(b"x-user-id") == [str(doctor.user_id).encode()]
    assert seen.values(b"authorization") == [doctor.bearer[1]]
    for name in (b"x-user-type", b"x-user-email", b"x-forwarded-for", b"x-forwarded-host"):
        assert len(seen.values(name)) == 1
    assert len(seen.values(b"x-request-id")) == len(seen.values(b"traceparent")) == 1
    assert seen.values(b"x-mine") == []


def test_every_connection_header_counts(edge: RunningEdge, services: ScriptedServices) -> None:
    """A second Connection header names hop-by-hop headers just as the first (RFC 9110, 7.6.1)."""
    headers = [(b"Connection", b"x-one"), (b"Connection", b"X-Two"), (b"X-One", b"1")]
    edge.get("/", [*headers, (b"X-Two", b"2")])
    assert services.requests[0].values(b"x-one") == services.requests[0].values(b"x-two") == []


def test_hop_by_hop_headers_end_at_the_edge(edge: RunningEdge, services: ScriptedServices) -> None:
    """What belongs to one connection is passed in neither direction."""
    hop = [
        (b"Keep-Alive", b"timeout=5"),
        (b"TE", b"trailers"),
        (b"Trailer", b"X-Sum"),
        (b"Upgrade", b"h2c"),
        (b"Proxy-Authorization", b"Basic eA=="),
        (b"Proxy-Connection", b"keep-alive"),
        (b"HTTP2-Settings", b"AAMAAABkAAQ"),
    ]
    back = [*hop, (b"Connection", b"x-private"), (b"X-Private", b"1"), (b"X-Kept", b"1")]
    services.on("/hop", answer(200, b"ok", back))
    got = edge.get("/hop", [*hop, (b"X-Kept", b"1")])
    for name, _ in hop:
        assert services.requests[0].values(name.lower()) == []
        assert got.values(name.lower()) == []
    assert got.values(b"x-private") == []
    assert got.values(b"x-kept") == services.requests[0].values(b"x-kept") == [b"1"]


def test_the_edge_says_where_a_request_came_from(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """X-Forwarded-* name the peer, the scheme and the host that was asked."""
    edge.get("/", [(b"Host", b"Shop.example:8080")])
    (seen,) = services.requests
    assert seen.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert seen.values(b"x-forwarded-proto") == [b"http"]
    assert seen.values(b"x-forwarded-host") == [b"Shop.example:8080"]
    assert len(seen.values(b"host")) == 1


def test_a_service_learns_until_when_its_answer_counts(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """X-Gateline-Deadline is the end of all attempts in epoch milliseconds, the same for each."""
    services.on("/slow", answer(503), answer(200, b"ok"))
    asked = time.time()
    assert edge.get("/slow").status == 200
    first, second = (one.values(b"x-gateline-deadline") for one in services.seen("/slow"))
    assert first == second
    assert 3.4 < int(first[0]) / 1000 - asked < 3.5 + time.time() - asked


def test_a_trace_is_continued_or_begun(edge: RunningEdge, services: ScriptedServices) -> None:
    """A traceparent passes unchanged; without a sound one a trace begins under the request's id."""
    parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    edge.get("/", [(b"Traceparent", parent), (b"Tracestate", b"a=b")])
    edge.get("/", [(b"X-Request-ID", b"0af7651916cd43dd8448eb211c80319c")])
    edge.get("/", [(b"X-Request-ID", b"not-a-trace-id")])
    edge.get("/", [(b"Traceparent", b"nonsense"), (b"Tracestate", b"a=b")])
    continued, begun, other, restarted = (
        one.values(b"traceparent")[0] for one in services.requests
    )
    assert continued == parent
    assert services.requests[0].values(b"tracestate") == [b"a=b"]
    assert re.fullmatch(rb"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00", begun)
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", other)
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", restarted)
    assert services.requests[3].values(b"tracestate") == []


def test_header_bytes_pass_unchanged(edge: RunningEdge, services: ScriptedServices) -> None:
    """UTF-8 and Latin-1 bytes in header values are the same on both sides, both ways."""
    values = ["grüße ☃".encode(), b"caf\xe9", b"tab\there", b"\xff\xfe"]
    services.on("/bytes", answer(200, b"ok", [(b"X-Back", value) for value in values]))
    got = edge.get("/bytes", [(b"X-Here", value) for value in values])
    assert services.requests[0].values(b"x-here") == values
    assert got.values(b"x-back") == values


def test_the_query_goes_out_as_it_came(edge: RunningEdge, services: ScriptedServices) -> None:
    """Nothing in a query is decoded, merged or dropped."""
    query = b"a=%2e%2e&b=1&b=2&c=+&d=%C3%A9&e=a/b?c&&f="
    edge.get(b"/search?" + query)
    assert services.requests[0].target == b"/search?" + query


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_is_tried_three_times(
    edge: RunningEdge, people: People, refusing_edge: RunningEdge, method: str
) -> None:
    """Nothing was written, so any method may try again; then it is 502 upstream_refused."""
    doctor = people.log_in()
    body = b"{}" if method == "POST" else None
    got = refusing_edge.ask(
        method, LIST, [(b"X-Request-ID", b"refused-" + method.encode())], body, token=doctor.token
    )
    assert (got.status, got.reason) == (502, "upstream_refused")
    line = refusing_edge.wait_for_line(f"request_id=refused-{method}")
    assert "attempts=3" in line


def test_an_upstream_that_hangs_is_a_timeout(
    strict_edge: RunningEdge, services: ScriptedServices
) -> None:
    """No answer within the service's time is 504, asked once only, and the connection is closed."""
    services.on("/hang", hang)
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda method: strict_edge.ask(method, "/hang"), ("GET", "DELETE")))
    assert {(one.status, one.reason) for one in got} == {(504, "upstream_timeout")}
    assert time.monotonic() - started < 2.0
    assert len(services.seen("/hang")) == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (cut(), "upstream_broken"),
        (cut(with_reset=True), "upstream_broken"),
        (cut(b"HTTP/1.1 200 OK\r\ncontent-"), "upstream_broken"),
        (cut(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), "upstream_broken"),
        (
            cut(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", with_reset=True),
            "upstream_broken",
        ),
        (cut(b"lalalala\r\n\r\n"), "upstream_invalid"),
        (cut(b"SSH-2.0-OpenSSH_9.6\r\n"), "upstream_invalid"),
        (cut(b"HTTP/1.1 999 Strange\r\ncontent-length: 0\r\n\r\n"), "upstream_invalid"),
        (cut(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), "upstream_invalid"),
        (cut(b"HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 0\r\n\r\n"), "upstream_invalid"),
        (
            cut(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
            "upstream_invalid",
        ),
        (
            cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            "upstream_invalid",
        ),
    ],
)
def test_half_an_answer_is_no_answer(
    edge: RunningEdge, services: ScriptedServices, behaviour: Handler, reason: str
) -> None:
    """What breaks off or makes no sense before the body becomes 502; a POST is sent only once."""
    services.on("/broken", behaviour)
    got = edge.ask("POST", "/broken", body=b"x")
    assert (got.status, got.reason) == (502, reason)
    assert len(services.seen("/broken")) == 1


def test_a_passing_status_is_asked_again_for_get(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """503 twice, then the answer: the client sees only the answer."""
    busy = answer(503, b"busy")
    services.on("/busy", busy, busy, answer(200, b"at last"))
    assert edge.get("/busy").body == b"at last"
    assert len(services.seen("/busy")) == 3


def test_unsafe_requests_are_sent_once(edge: RunningEdge, services: ScriptedServices) -> None:
    """A POST, PUT, PATCH or DELETE that may have arrived never arrives twice."""
    services.on("/once", answer(503, b"busy"))
    services.on("/lost", cut())
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        got = edge.ask(method, "/once", body=b"{}")
        assert (got.status, got.body) == (503, b"busy")
        assert edge.ask(method, "/lost", body=b"{}").reason == "upstream_broken"
    assert len(services.seen("/once")) == len(services.seen("/lost")) == 4


def test_an_idempotency_key_allows_another_attempt(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """A POST that says it may be repeated is, with the same key and body."""
    services.on("/pay", cut(), answer(503), answer(201, b"paid"))
    got = edge.ask("POST", "/pay", [(b"Idempotency-Key", b"k-1")], b'{"sum":1}')
    assert (got.status, got.body) == (201, b"paid")
    assert [one.body for one in services.seen("/pay")] == [b'{"sum":1}'] * 3
    assert {one.values(b"idempotency-key")[0] for one in services.seen("/pay")} == {b"k-1"}


def test_a_lost_get_is_asked_again(edge: RunningEdge, services: ScriptedServices) -> None:
    """A connection that ends before the answer costs a safe request only time."""
    services.on("/flaky", cut(with_reset=True), answer(200, b"here"))
    assert edge.get("/flaky").body == b"here"


def test_retry_after_is_honoured(edge: RunningEdge, services: ScriptedServices) -> None:
    """The upstream's wish is the least wait; one beyond the deadline is passed to the client."""
    services.on("/wait", answer(503, b"busy", [(b"Retry-After", b"1")]), answer(200, b"now"))
    services.on("/long", answer(503, b"busy", [(b"Retry-After", b"60")]))
    started = time.monotonic()
    assert edge.get("/wait").body == b"now"
    assert time.monotonic() - started >= 1.0
    started = time.monotonic()
    got = edge.get("/long")
    assert (got.status, got.values(b"retry-after")) == (503, [b"60"])
    assert time.monotonic() - started < 0.5
    assert len(services.seen("/long")) == 1


def test_a_stale_connection_costs_no_unsafe_request_twice(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """An upstream that closes idle connections at the wrong moment sees each POST at most once."""

    async def answer_and_close(visit: Visit) -> None:
        await visit.read_body()
        await visit.send(answer(200, b"ok"))
        visit.writer.close()

    services.on("/stale", answer_and_close)
    bodies = [b"%d" % number for number in range(50)]
    statuses = [edge.ask("POST", "/stale", body=body).status for body in bodies]
    arrived = [one.body for one in services.seen("/stale")]
    assert len(arrived) == len(set(arrived))
    assert statuses.count(200) + statuses.count(502) == 50
    assert set(arrived) <= set(bodies)
