"""What comes back from a service through the edge, and how."""

import threading

import pytest
from running_edge import RunningEdge
from scripted_services import ScriptedServices, Visit, answer, cut

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_an_upstream_cannot_speak_for_the_edge(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """Our own marks in an answer are ours alone."""
    services.on(
        "/marks", answer(500, b"x", [(b"X-Gateline-Error", b"fake"), (b"X-Request-ID", b"f" * 9)])
    )
    got = edge.get("/marks", [(b"X-Request-ID", b"the-real-one")])
    assert got.values(b"x-gateline-error") == []
    assert got.values(b"x-request-id") == [b"the-real-one"]


def test_duplicates_stay_duplicates_in_order(edge: RunningEdge, services: ScriptedServices) -> None:
    """Several Set-Cookie lines are never joined."""
    cookies = [(b"Set-Cookie", b"a=1; Path=/"), (b"Set-Cookie", b"b=2, x"), (b"Set-Cookie", b"a=3")]
    services.on("/cookies", answer(200, b"ok", cookies))
    got = edge.get("/cookies", [(b"X-Twice", b"1"), (b"X-Twice", b"2")])
    assert got.values(b"set-cookie") == [value for _, value in cookies]
    assert services.requests[0].values(b"x-twice") == [b"1", b"2"]


def test_head_tells_the_length_without_the_body(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """HEAD is forwarded as HEAD; its Content-Length is the upstream's, its body empty."""
    services.on("/size", b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")
    with edge.connect() as wire:
        wire.send_head("HEAD", "/size")
        got = wire.read("HEAD")
        wire.send_head("HEAD", "/api/v1/nothing")
        refused = wire.read("HEAD")
        wire.send_head("GET", "/livez")
        assert wire.read().status == 200  # no stray byte of a body in between
    assert (got.status, got.values(b"content-length")) == (200, [b"1234"])
    assert services.seen("/size")[0].method == "HEAD"
    assert refused.status == 404


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
        b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 55\r\n\r\n',
    ],
)
def test_answers_without_a_body_have_none(
    edge: RunningEdge, services: ScriptedServices, said: bytes
) -> None:
    """204 and 304 end with their head, and the connection goes on."""
    services.on("/none", said)
    with edge.connect() as wire:
        wire.send_head("GET", "/none")
        status, headers = wire.read_head()
        assert status in (204, 304)
        assert not (status == 204 and dict(headers).keys() & {b"content-length"})
        assert b"transfer-encoding" not in dict(headers)
        wire.send_head("GET", "/livez")
        assert wire.read().json() == {"status": "alive"}


def test_an_interim_answer_is_not_the_answer(edge: RunningEdge, services: ScriptedServices) -> None:
    """103 before the head is skipped, what follows is passed on."""
    services.on("/early", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + answer(200, b"late"))
    got = edge.get("/early")
    assert (got.status, got.body) == (200, b"late")


def test_a_redirect_is_passed_on(edge: RunningEdge, services: ScriptedServices) -> None:
    """The edge follows nothing."""
    services.on("/old", answer(302, b"", [(b"Location", b"/new")]))
    got = edge.get("/old")
    assert (got.status, got.values(b"location")) == (302, [b"/new"])
    assert services.seen("/new") == []


def test_an_answer_is_passed_on_as_it_comes(edge: RunningEdge, services: ScriptedServices) -> None:
    """A body without end reaches the client piece by piece, not when it is whole."""
    release = threading.Event()

    async def drip(visit: Visit) -> None:
        await visit.send(CHUNKED_HEAD + b"5\r\nfirst\r\n")
        await visit.reader.read(1)  # until the client has seen it and left
        release.set()

    services.on("/events", drip)
    with edge.connect() as wire:
        wire.send_head("GET", "/events")
        status, headers = wire.read_head()
        assert (status, dict(headers)[b"transfer-encoding"]) == (200, b"chunked")
        assert wire.read_some(10) == b"5\r\nfirst\r\n"
    assert release.wait(2.0), "the upstream must learn that the client left"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + b"x" * 70000,
        CHUNKED_HEAD + b"5\r\nhello\r\n",
        CHUNKED_HEAD + b"5\r\nhel",
        CHUNKED_HEAD + b"5\r\nhello\r\nzz\r\n",
    ],
)
@pytest.mark.parametrize("with_reset", [False, True])
def test_a_torn_body_never_looks_whole(
    edge: RunningEdge, services: ScriptedServices, said: bytes, with_reset: bool
) -> None:
    """When an upstream breaks off in a streamed body the client sees an incomplete answer."""
    services.on("/torn", cut(said, with_reset=with_reset))
    try:
        got = edge.ask("POST", "/torn", body=b"x")
    except (EOFError, ConnectionResetError):
        return  # torn before the head had left: visible enough
    assert not got.whole or got.status == 502


def test_a_body_until_close_is_passed_whole(edge: RunningEdge, services: ScriptedServices) -> None:
    """An answer without any length ends where the connection ends."""
    services.on("/old-style", cut(b"HTTP/1.0 200 OK\r\n\r\n" + b"y" * 100_000))
    got = edge.get("/old-style")
    assert (got.status, got.body, got.whole) == (200, b"y" * 100_000, True)
