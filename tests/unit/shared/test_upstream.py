"""Calls to upstreams over real sockets: every way in which an upstream can fail."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateline.policy.retries import RetryPolicy
from gateline.policy.services import Endpoint, Service, endpoints_at
from gateline.shared.upstream import Answer, Call, Upstream, UpstreamFailed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
GET = Call("GET", "/", repeatable=True)
POST = Call("POST", "/", body=b"{}")
ONCE = RetryPolicy(attempts=1)

Start = Callable[..., Any]
MakeUpstream = Callable[..., Upstream]


@pytest.fixture
def make() -> Iterator[MakeUpstream]:
    """Give a function that makes an upstream which notes its waits instead of waiting."""
    made: list[Upstream] = []

    def upstream(*urls: str, waits: list[float] | None = None, **options: Any) -> Upstream:
        service = Service("doctors", endpoints_at(*urls), **{"timeout": 5.0, **options})
        noted = [] if waits is None else waits
        made.append(Upstream(service, sleep=noted.append, chance=lambda: 0.5))
        return made[-1]

    yield upstream
    for one in made:
        one.close()


def refused_url() -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def failure(upstream: Upstream, call: Call, **options: Any) -> tuple[int, str]:
    """Return status and reason of a call that fails."""
    with pytest.raises(UpstreamFailed) as failed:
        upstream.call(call, **options)
    assert failed.value.details == {"service": "doctors"}
    return failed.value.status, failed.value.reason.code


def test_a_whole_answer(raw_server: Start, make: MakeUpstream) -> None:
    """Status, headers in order with repetitions, and body come back."""
    server = raw_server(
        b"HTTP/1.1 201 Created\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"X-Name: \xc3\xa9\r\nContent-Length: 2\r\n\r\nok"
    )

    answer = make(server.url).call(POST)

    assert (answer.status, answer.body, answer.length) == (201, b"ok", 2)
    assert answer.headers[:3] == [
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"X-Name", b"\xc3\xa9"),
    ]
    assert answer.header("x-name") == "\xc3\xa9"


def test_what_is_sent(raw_server: Start, make: MakeUpstream) -> None:
    """The request carries the base path, the given headers, and the true length."""
    server = raw_server(OK)
    call = Call("PUT", "/a?b=c", (("X-A", "1"), ("X-A", "2")), b"body")

    make(f"{server.url}/base/").call(call)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /base/a?b=c HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}".encode() in lines
    assert [line for line in lines if line.startswith(b"X-A")] == [b"X-A: 1", b"X-A: 2"]
    assert b"Content-Length: 4" in lines
    assert body == b"body"


def test_connections_are_used_again(raw_server: Start, make: MakeUpstream) -> None:
    """One connection serves calls that follow each other, unsafe ones as well."""
    server = raw_server(OK)
    upstream = make(server.url)

    for call in (GET, POST, GET):
        assert upstream.call(call).body == b"ok"

    assert server.connections == 1


def test_redirects_are_answers(raw_server: Start, make: MakeUpstream) -> None:
    """A redirect is passed on, never followed."""
    server = raw_server(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")

    assert make(server.url).call(GET).status == 302
    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_not_used(
    raw_server: Start, make: MakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy variable, which may come from a request header under CGI, changes nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, refused_url())

    assert make(raw_server(OK).url).call(GET).body == b"ok"


def test_refused(make: MakeUpstream) -> None:
    """Nobody listens: 502 upstream_refused; every method tries again, as nothing was sent."""
    waits: list[float] = []

    assert failure(make(refused_url(), waits=waits), POST) == (502, "upstream_refused")
    assert waits == [0.5, 1.0]


def test_an_unknown_host(make: MakeUpstream) -> None:
    """A name that cannot be resolved counts as refused."""
    upstream = make("http://no-such-host.invalid", retry=ONCE)

    assert failure(upstream, GET) == (502, "upstream_refused")


def test_no_address(make: MakeUpstream) -> None:
    """A service that is not configured is unavailable, not broken."""
    assert failure(make(), GET) == (503, "upstream_unavailable")


def test_tls_with_a_plain_server(raw_server: Start, make: MakeUpstream) -> None:
    """A failed handshake is a failed connection: the request was never written."""
    server = raw_server(OK)
    waits: list[float] = []
    upstream = make(server.url.replace("http:", "https:"), waits=waits, timeout=2.0)
    server.script = lambda *_: False

    status, reason = failure(upstream, POST, timeout=0.3)

    assert (status, reason) == (502, "upstream_refused")


def test_another_address_takes_over(raw_server: Start, make: MakeUpstream) -> None:
    """With several addresses the next attempt goes to the next one."""
    server = raw_server(OK)

    assert make(refused_url(), server.url).call(POST).body == b"ok"


def test_addresses_are_asked_by_weight(raw_server: Start) -> None:
    """In turn, the heavy more often, those of weight 0 never; another attempt goes elsewhere."""
    heavy, light, out = (raw_server(OK) for _ in range(3))
    endpoints = (Endpoint(heavy.url, 3), Endpoint(light.url, 1), Endpoint(out.url, 0))
    upstream = Upstream(Service("doctors", endpoints), sleep=lambda _: None)
    for _ in range(8):
        upstream.call(GET)
    assert [len(server.requests) for server in (heavy, light, out)] == [6, 2, 0]
    refusing = (Endpoint(refused_url(), 50), Endpoint(light.url, 1))
    other = Upstream(Service("doctors", refusing), sleep=lambda _: None)
    assert other.call(POST).body == b"ok"
    upstream.close()
    other.close()


@pytest.mark.parametrize("call", [GET, POST])
def test_hanging(raw_server: Start, make: MakeUpstream, call: Call) -> None:
    """An upstream that says nothing is given up at the deadline: 504."""
    release = threading.Event()
    server = raw_server(lambda *_: release.wait(5) and False)
    started = time.monotonic()

    result = failure(make(server.url), call, timeout=0.2)
    release.set()

    assert result == (504, "upstream_timeout")
    assert time.monotonic() - started < 1
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "piece",
    [b"X-Drip: 1\r\n", b"\r\nContent-Length: 9999\r\n\r\n"],
    ids=["in the head", "in the body"],
)
def test_dripping(raw_server: Start, make: MakeUpstream, piece: bytes) -> None:
    """A byte now and then does not hold the caller beyond the deadline."""
    stop = threading.Event()

    def drip(connection: socket.socket, _: bytes) -> bool:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"[: None if piece[0] == 88 else -2] + piece
        )
        while not stop.wait(0.03):
            connection.sendall(b"x")
        return False

    server = raw_server(drip)
    started = time.monotonic()
    result = failure(make(server.url), GET, timeout=0.3)
    stop.set()

    assert result == (504, "upstream_timeout")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Ty",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n",
    ],
)
def test_breaking_off(raw_server: Start, make: MakeUpstream, answer: bytes) -> None:
    """An answer that ends before it is whole is an error, never passed as whole."""
    server = raw_server(lambda connection, _: connection.sendall(answer))

    assert failure(make(server.url, retry=ONCE), GET) == (502, "upstream_broken")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 600 High\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n folded: first\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 150 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_rubbish(raw_server: Start, make: MakeUpstream, answer: bytes) -> None:
    """What is not plainly HTTP is refused instead of being guessed at."""
    server = raw_server(lambda connection, _: connection.sendall(answer))

    assert failure(make(server.url, retry=ONCE), GET) == (502, "upstream_invalid")


def test_lost_requests_are_repeated_only_where_that_is_safe(
    raw_server: Start, make: MakeUpstream
) -> None:
    """Bytes may have arrived: a GET goes again, a POST does not."""
    server = raw_server(lambda *_: False)

    assert failure(make(server.url), GET) == (502, "upstream_broken")
    assert len(server.requests) == 3
    assert failure(make(server.url), POST) == (502, "upstream_broken")
    assert len(server.requests) == 4


def test_a_keyed_post_may_be_repeated(raw_server: Start, make: MakeUpstream) -> None:
    """Whoever says that a POST may be repeated gets its retries."""
    server = raw_server(lambda connection, _: connection.sendall(UNAVAILABLE))

    answer = make(server.url).call(Call("POST", "/", body=b"{}", repeatable=True))

    assert answer.status == 503
    assert len(server.requests) == 3


def test_a_passing_status_is_tried_again(raw_server: Start, make: MakeUpstream) -> None:
    """503 is tried again after a wait, and what comes then is the answer."""
    answers = [UNAVAILABLE, OK]
    waits: list[float] = []
    server = raw_server(lambda connection, _: connection.sendall(answers.pop(0)) or True)

    assert make(server.url, waits=waits).call(GET).body == b"ok"
    assert waits == [0.5]


@pytest.mark.parametrize(
    ("value", "least"), [("2", 2.0), ("Fri, 01 Jan 2100 00:00:00 GMT", None), ("soon", 0.5)]
)
def test_the_upstream_may_ask_for_patience(
    raw_server: Start, make: MakeUpstream, value: str, least: float | None
) -> None:
    """Retry-After is the least wait; one beyond the deadline ends the attempts."""
    busy = UNAVAILABLE.replace(b"\r\n\r\n", f"\r\nRetry-After: {value}\r\n\r\n".encode())
    answers = [busy, OK]
    waits: list[float] = []
    server = raw_server(lambda connection, _: connection.sendall(answers.pop(0)) or True)

    answer = make(server.url, waits=waits).call(GET)

    assert waits == ([] if least is None else [least])
    assert answer.status == (503 if least is None else 200)


def test_a_stale_connection_is_replaced_for_a_safe_request(
    raw_server: Start, make: MakeUpstream
) -> None:
    """An idle connection that the upstream closed unseen costs a GET nothing, not even a wait."""
    waits: list[float] = []
    server = raw_server(OK)
    upstream = make(server.url, waits=waits)
    upstream.call(GET)
    first = server.connections
    closing = iter([True])
    server.script = lambda connection, _: not next(closing, False) and not connection.sendall(OK)

    assert upstream.call(GET).body == b"ok"
    assert (server.connections, waits) == (first + 1, [])


def test_an_unsafe_request_on_a_stale_connection_is_not_repeated(
    raw_server: Start, make: MakeUpstream
) -> None:
    """Closed without an answer: nobody can tell whether the POST was read, so it is lost."""
    server = raw_server(OK)
    upstream = make(server.url)
    upstream.call(GET)
    server.script = lambda *_: False

    assert failure(upstream, POST) == (502, "upstream_broken")
    assert len(server.requests) == 2


def test_an_unsafe_request_avoids_connections_that_were_long_idle(
    raw_server: Start, make: MakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A POST takes only a connection used a moment ago, so that it is not lost on a stale one."""
    server = raw_server(OK)
    upstream = make(server.url)
    upstream.call(GET)
    monkeypatch.setattr("gateline.shared.wire._YOUNG_SECONDS", 0.0)

    upstream.call(POST)

    assert server.connections == 2


def test_a_connection_closed_while_idle_is_seen(raw_server: Start, make: MakeUpstream) -> None:
    """A close that has arrived is noticed before anything is sent."""
    server = raw_server(lambda connection, _: connection.sendall(OK))
    upstream = make(server.url)
    upstream.call(POST)
    for thread in server._threads[1:]:
        thread.join()

    assert upstream.call(POST).body == b"ok"
    assert server.connections == 2


def test_unread_bytes_do_not_become_the_next_answer(raw_server: Start, make: MakeUpstream) -> None:
    """More bytes than the length says poison the connection, so it is not used again."""
    server = raw_server(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    upstream = make(server.url)

    assert upstream.call(GET).body == b"ok"
    assert upstream.call(GET).body == b"ok"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_body(raw_server: Start, make: MakeUpstream, status: int) -> None:
    """204 and 304 have no body, whatever their length says, and the connection lives on."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode()
    server = raw_server(head)
    upstream = make(server.url)

    for _ in range(2):
        assert (upstream.call(GET).status, upstream.call(GET).body) == (status, b"")
    assert server.connections == 1


def test_a_head_answer_keeps_its_length(raw_server: Start, make: MakeUpstream) -> None:
    """The length of a HEAD answer is that of the body which GET would have."""
    server = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    answer = make(server.url).call(Call("HEAD", "/", repeatable=True))

    assert (answer.body, answer.length) == (b"", 5)


def test_an_answer_ended_by_closing(raw_server: Start, make: MakeUpstream) -> None:
    """HTTP/1.0 upstreams end their answers by hanging up."""
    server = raw_server(lambda connection, _: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nwhole"))

    assert make(server.url).call(GET).body == b"whole"


def test_an_answer_too_long_to_hold(
    raw_server: Start, make: MakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded."""
    monkeypatch.setattr("gateline.shared.upstream.MAX_ANSWER_BYTES", 1)

    assert failure(make(raw_server(OK).url, retry=ONCE), GET) == (502, "upstream_invalid")


def test_encoded_bodies_pass_unchanged(raw_server: Start, make: MakeUpstream) -> None:
    """A compressed body is not unpacked on the way."""
    server = raw_server(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x00\x01"
    )

    assert make(server.url).call(GET).body == b"\x1f\x8b\x00\x01"


def stream_of(answer: Answer) -> Iterator[bytes]:
    """Return the body as a stream."""
    assert not isinstance(answer.body, bytes)
    return answer.body


def test_long_answers_stream(raw_server: Start, make: MakeUpstream) -> None:
    """An answer above the given size comes block by block, and its connection is used again."""
    body = bytes(range(256)) * 1024
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = raw_server(head + body)
    upstream = make(server.url)

    for _ in range(2):
        answer = upstream.call(GET, stream_above=1000)
        assert answer.length == len(body)
        assert b"".join(stream_of(answer)) == body
    assert server.connections == 1


def test_a_stream_of_unknown_length_comes_as_it_is_sent(
    raw_server: Start, make: MakeUpstream
) -> None:
    """Each piece is passed on at once: the next one is sent only after the last was seen."""
    seen = threading.Semaphore(0)

    def talk(connection: socket.socket, _: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two"):
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            seen.acquire(timeout=5)
        connection.sendall(b"0\r\n\r\n")
        return True

    answer = make(raw_server(talk).url).call(GET, stream_above=1000)
    pieces = []
    for piece in stream_of(answer):
        pieces.append(piece)
        seen.release()

    assert pieces == [b"one", b"two"]
    assert answer.length is None


def test_a_stream_that_breaks_off_is_an_error(raw_server: Start, make: MakeUpstream) -> None:
    """The break is raised in the middle, after what had come."""
    server = raw_server(
        lambda connection, _: connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nstart"
        )
    )
    body = stream_of(make(server.url).call(GET, stream_above=1000))

    assert next(body) == b"start"
    with pytest.raises(UpstreamFailed) as failed:
        next(body)
    assert failed.value.reason.code == "upstream_broken"


def test_a_stream_that_stalls_is_an_error(raw_server: Start, make: MakeUpstream) -> None:
    """Each wait within a stream is bounded by the time-out, the whole stream is not."""
    release = threading.Event()

    def stall(connection: socket.socket, _: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nstart")
        release.wait(5)
        return False

    body = stream_of(make(raw_server(stall).url).call(GET, timeout=0.2, stream_above=1000))
    assert next(body) == b"start"
    with pytest.raises(UpstreamFailed) as failed:
        next(body)
    release.set()
    assert failed.value.reason.code == "upstream_timeout"


def test_leaving_a_stream_hangs_up(raw_server: Start, make: MakeUpstream) -> None:
    """A client that leaves in the middle ends the upstream's work."""
    gone = threading.Event()

    def pour(connection: socket.socket, _: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            gone.set()
        return False

    body: Any = stream_of(make(raw_server(pour).url).call(GET, stream_above=1000))
    next(body)
    body.close()

    assert gone.wait(5)


def test_bodies_stream_up(raw_server: Start, make: MakeUpstream) -> None:
    """A body of blocks is sent as it comes, framed as the headers say, and never repeated."""
    server = raw_server(lambda *_: False)
    blocks = (piece for piece in (b"abc", b"", b"defg"))
    call = Call("PUT", "/", (("Transfer-Encoding", "chunked"),), blocks, repeatable=True)

    assert failure(make(server.url), call) == (502, "upstream_broken")
    assert len(server.requests) == 1
    assert server.requests[0].endswith(b"\r\n\r\nabcdefg")


def test_a_body_that_fails_is_not_the_upstreams_fault(
    raw_server: Start, make: MakeUpstream
) -> None:
    """What goes wrong while reading the client's body comes out as it is; nothing is completed."""

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise KeyError("the client left")

    server = raw_server(OK)
    call = Call("PUT", "/", (("Content-Length", "10"),), broken())

    with pytest.raises(KeyError):
        make(server.url).call(call)


def test_an_answer_before_the_body_was_read(raw_server: Start, make: MakeUpstream) -> None:
    """An upstream that refuses early and hangs up has answered; the connection is not reused."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = listener.accept()
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
        connection.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    upstream = make(f"http://127.0.0.1:{listener.getsockname()[1]}")

    answer = upstream.call(Call("POST", "/", body=b"x" * 3_000_000))
    upstream.close()
    thread.join()
    listener.close()

    assert (answer.status, answer.body) == (413, b"no")


def test_threads_share_an_upstream(raw_server: Start, make: MakeUpstream) -> None:
    """Calls from several threads get their own answers."""

    def echo(connection: socket.socket, request: bytes) -> bool:
        path = request.split(b" ")[1]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
        return True

    upstream = make(raw_server(echo).url)
    wrong: list[str] = []

    def work(name: int) -> None:
        for number in range(20):
            path = f"/{name}/{number}"
            if upstream.call(Call("GET", path)).body != path.encode():
                wrong.append(path)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
