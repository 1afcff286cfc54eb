"""Raw bytes that two HTTP implementations could read in two ways: what the upstream saw of them."""

import contextlib

import pytest
from running_edge import Answer, RunningEdge
from scripted_services import ScriptedServices

PREFIX = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: HOST\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n"


def exchange(edge: RunningEdge, payload: bytes) -> list[Answer]:
    """Send raw bytes and a last, sound request; return every answer until the edge closes."""
    answers: list[Answer] = []
    with edge.connect() as wire:
        wire.socket.settimeout(1.0)  # for payloads that swallow the last request
        with contextlib.suppress(EOFError, OSError):
            wire.send((payload + LAST).replace(b"HOST", b"127.0.0.1:%d" % edge.port))
        with contextlib.suppress(EOFError, OSError):
            answers.append(wire.read("HEAD" if payload.startswith(b"HEAD") else "GET"))
            while True:
                answers.append(wire.read())
    return answers


def refused(answers: list[Answer]) -> bool:
    """Tell that nothing was answered but refusals."""
    return all(400 <= one.status < 500 or one.status == 501 for one in answers)


REFUSED = {
    "two hosts": b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n",
    "two equal hosts": b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: a@HOST\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: HOST/admin\r\n\r\n",
    "host with query": b"GET / HTTP/1.1\r\nHost: HOST?x\r\n\r\n",
    "host with comma": b"GET / HTTP/1.1\r\nHost: HOST,evil.example\r\n\r\n",
    "host with space": b"GET / HTTP/1.1\r\nHost: HOST evil.example\r\n\r\n",
    "host with backslash": b"GET / HTTP/1.1\r\nHost: HOST\\evil\r\n\r\n",
    "host with fragment": b"GET / HTTP/1.1\r\nHost: HOST#evil\r\n\r\n",
    "host with high bytes": b"GET / HTTP/1.1\r\nHost: \xc3\xa9.example\r\n\r\n",
    "te identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n",
    "te gzip": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "te xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "te twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te list": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "te quoted": b'POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "te with tab": HEAD + b"Transfer-Encoding: chun\tked\r\n\r\n0\r\n\r\n",
    "te in http/1.0": b"POST / HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "te disguised": HEAD + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "te folded": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "cl twice, different": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "cl list": HEAD + b"Content-Length: 2, 2\r\n\r\nab",
    "cl with plus": HEAD + b"Content-Length: +2\r\n\r\nab",
    "cl with zeros": HEAD + b"Content-Length: 002\r\n\r\nab",
    "cl hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\nab",
    "cl negative": HEAD + b"Content-Length: -2\r\n\r\nab",
    "cl with dot": HEAD + b"Content-Length: 2.0\r\n\r\nab",
    "cl huge": HEAD + b"Content-Length: 99999999999999999999\r\n\r\nab",
    "cl empty": HEAD + b"Content-Length:\r\n\r\nab",
    "obsolete folding": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\r\n c\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A : b\r\n\r\n",
    "name with underscore": b"GET / HTTP/1.1\r\nHost: HOST\r\nX_User_ID: 1\r\n\r\n",
    "nul in a value": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\0c\r\n\r\n",
    "nul in a name": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-\0A: b\r\n\r\n",
    "nul in the path": b"GET /a\0b HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "cr in a value": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\rX-User-ID: 1\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "connect to a path": b"CONNECT / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "trace": b"TRACE / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "options for all": b"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "http/0.9": b"GET /\r\n\r\n",
    "http/3": b"GET / HTTP/3.0\r\nHost: HOST\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "method with space": b"GET\t/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "two authorizations": b"GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer a\r\n"
    b"Authorization: Bearer b\r\n\r\n",
}


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED.keys())
def test_ambiguous_requests_reach_nobody(
    edge: RunningEdge, services: ScriptedServices, payload: bytes
) -> None:
    """What could be read in two ways is refused, and so is what follows it as its body."""
    answers = exchange(edge, payload + PREFIX)
    assert not services.seen("/smuggled") or refused(answers[:1])
    assert services.seen("/") == []
    assert refused(answers[:1])
    assert edge.get("/livez").status == 200


FRAMED = {
    "cl and te": (
        b"POST /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n"
    ),
    "te and cl": (CHUNKED + b"Content-Length: 41\r\n\r\n0\r\n\r\n"),
    "cl twice, equal": (
        b"POST /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"
    ),
    "bare line feeds": b"POST /a HTTP/1.1\nHost: HOST\nContent-Length: 2\n\nab",
    "bare line feed in chunks": (CHUNKED + b"\r\n2\nab\n0\n\n"),
    "chunk extension": (CHUNKED + b"\r\n2;x=y\r\nab\r\n0\r\n\r\n"),
    "chunk size with plus": (CHUNKED + b"\r\n+2\r\nab\r\n0\r\n\r\n"),
    "chunk size 0x": (CHUNKED + b"\r\n0x2\r\nab\r\n0\r\n\r\n"),
    "chunk too long": (CHUNKED + b"\r\n2\r\nabcd\r\n0\r\n\r\n"),
    "chunk size overflow": (CHUNKED + b"\r\n10000000000000002\r\nab\r\n0\r\n\r\n"),
    "trailers": (CHUNKED + b"\r\n2\r\nab\r\n0\r\nX-User-ID: 1\r\nContent-Length: 9\r\n\r\n"),
    "te in capitals": (
        b"POST /a HTTP/1.1\r\nHost: HOST\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    ),
    "empty line first": b"\r\nPOST /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nab",
    "get with body": b"GET /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nab",
    "head with body": b"HEAD /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nab",
    "expect nonsense": (
        b"POST /a HTTP/1.1\r\nHost: HOST\r\nExpect: 200-maybe\r\nContent-Length: 2\r\n\r\nab"
    ),
    "upgrade to h2c": (
        b"GET /a HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
    ),
    "http/1.0": b"POST /a HTTP/1.0\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("payload", FRAMED.values(), ids=FRAMED.keys())
def test_the_upstream_sees_one_reading_only(
    edge: RunningEdge, services: ScriptedServices, payload: bytes
) -> None:
    """A request that passes is framed anew; nothing of it ever begins another request."""
    hidden = b"GET /hidden HTTP/1.1\r\nX: "
    exchange(
        edge, payload.replace(b"ab", hidden[:2]) + b"GET /livez HTTP/1.1\r\nHost: HOST\r\n\r\n"
    )
    assert {one.path for one in services.requests} <= {"/a"}
    for seen in services.seen("/a"):
        lengths = seen.values(b"content-length")
        codings = seen.values(b"transfer-encoding")
        assert (len(lengths), codings) in [(1, []), (0, [b"chunked"]), (0, [])]
        assert seen.body in (b"GE", b"")
        assert b"\n" not in seen.head.replace(b"\r\n", b"")
        assert seen.values(b"upgrade") == seen.values(b"x-user-id") == []
    assert edge.get("/livez").status == 200


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_an_absolute_target_has_one_reading(
    edge: RunningEdge, services: ScriptedServices, scheme: bytes
) -> None:
    """The server in front drops a target's authority: Host alone is decided on and passed on."""
    target = scheme + b"://evil.example/page?q=1"
    exchange(edge, b"GET " + target + b" HTTP/1.1\r\nHost: HOST\r\n\r\n")
    (seen,) = services.requests
    assert seen.target == b"/page?q=1"
    assert seen.values(b"x-forwarded-host") == [b"127.0.0.1:%d" % edge.port]
    assert b"evil" not in seen.head


def test_a_smuggled_prefix_never_poisons_the_next_request(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """CL.TE and TE.CL bodies that hold a request stay bodies; the neighbour is answered its own."""
    inner = b"GET /smuggled HTTP/1.1\r\nX: "
    te_cl = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    for framing, body in (
        (
            b"Content-Length: %d\r\nTransfer-Encoding: chunked" % (5 + len(inner)),
            b"0\r\n\r\n" + inner,
        ),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 4", te_cl),
        (b"Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\nContent-Length: 4", te_cl),
    ):
        exchange(edge, b"POST /a HTTP/1.1\r\nHost: HOST\r\n" + framing + b"\r\n\r\n" + body)
        assert edge.get("/neighbour").json() == {"service": "web"}
    assert services.seen("/smuggled") == []


def test_pipelined_requests_are_answered_in_order(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """Several requests in one packet are several requests."""
    one = b"GET /livez HTTP/1.1\r\nHost: HOST\r\n\r\n"
    two = b"GET /nothing-but-a-page HTTP/1.1\r\nHost: HOST\r\n\r\n"
    with edge.connect() as wire:
        wire.send((one + two + one).replace(b"HOST", b"localhost"))
        bodies = [wire.read().json() for _ in range(3)]
    assert bodies == [{"status": "alive"}, {"service": "web"}, {"status": "alive"}]


PATHS = [
    "/pub/../admin",
    "/pub/%2e%2e/admin",
    "/pub/%2E%2E/admin",
    "/pub/.%2e/admin",
    "/pub/%2e%2e%2fadmin",
    "/pub/..%2fadmin",
    "/pub/..;/admin",
    "/pub/..;x=1/admin",
    "/pub/%2e%2e;/admin",
    "/pub/%252e%252e/admin",
    "/pub/%252e%252e%252fadmin",
    "/pub/..%5cadmin",
    "/pub/..\\admin",
    "/pub/%c0%ae%c0%ae/admin",
    "/./admin",
    "/%2e/admin",
    "/pub/%00/admin",
    "/pub%0d%0aX-User-ID:1/admin",
    "/pub/%2",
    "/pub/%zz/admin",
    "/%2fadmin",
    "/pub/#/admin",
    "/pub/%2e%2e?x=/admin",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_trick_reaches_admin(
    edge: RunningEdge, services: ScriptedServices, path: str
) -> None:
    """`/pub/%2e%2e/admin` and its kin are refused, or arrive as something that is no /admin."""
    answer = edge.get(path)
    for seen in services.requests:
        assert "admin" not in seen.path or seen.path.startswith("/pub/%C0%AE%C0%AE/")
        assert not any(trick in seen.path for trick in ("..", "//", "\\", "%2e", "%2E", "%2f"))
    assert answer.status in (200, 400)
    if answer.status == 400 and b"x-gateline-error" in dict(answer.headers):
        assert answer.reason in ("path_not_allowed", "bad_request")


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("//api/v1/doctors", "/api/v1/doctors"),
        ("/api//v1///doctors/", "/api/v1/doctors/"),
        ("/%61pi/v1/doctors", "/api/v1/doctors"),
        ("/api/v1/%64octors", "/api/v1/doctors"),
        ("/API/v1/doctors", "/API/v1/doctors"),
        ("/page%20one/%c3%a9", "/page%20one/%C3%A9"),
        ("/a/b.c/...", "/a/b.c/..."),
    ],
)
def test_a_route_is_decided_on_what_is_sent(
    edge: RunningEdge, services: ScriptedServices, path: str, arrives: str
) -> None:
    """Another spelling of a guarded path is the guarded path; what is matched is what goes out."""
    answer = edge.get(path)
    if arrives.startswith("/api/"):
        assert (answer.status, answer.reason) == (401, "session_missing")
        assert services.requests == []
    else:
        assert [one.path for one in services.requests] == [arrives]


def test_a_head_that_is_too_large_is_refused(edge: RunningEdge, services: ScriptedServices) -> None:
    """Too many headers, a giant header and a giant target end before any service."""
    for payload in (
        b"GET / HTTP/1.1\r\nHost: HOST\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: " + b"b" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ):
        assert refused(exchange(edge, payload))
    assert services.requests == []
    assert edge.get("/livez").status == 200
