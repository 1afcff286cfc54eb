"""The parser's judgement of responses, without any socket."""

import pytest

from gateline.edge.upstream.errors import InvalidResponse
from gateline.edge.upstream.parsing import ResponseParser

HEAD = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"content-length: 0\r\n\r\n"


def parser(head_only: bool = False) -> ResponseParser:
    """Build a parser with the usual limits, ready for a response."""
    new = ResponseParser(max_head_bytes=64 * 1024, max_headers=200)
    new.expect(head_only=head_only)
    return new


def parsed(data: bytes, head_only: bool = False) -> ResponseParser:
    """Feed `data` in one piece."""
    fed = parser(head_only)
    fed.feed(data)
    return fed


def feed(fed: ResponseParser, data: bytes, size: int) -> None:
    """Feed `data` in pieces of `size`."""
    for start in range(0, len(data), size):
        fed.feed(data[start : start + size])


def test_a_whole_response() -> None:
    """Status, headers and body come out of one piece of bytes."""
    got = parsed(HEAD + b"A: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 3\r\n\r\nabc")
    assert (got.status, got.complete, got.keep_alive, got.extra) == (200, True, True, False)
    assert got.headers == [
        (b"A", b"1"),
        (b"Set-Cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"Content-Length", b"3"),
    ]
    assert got.chunks == [b"abc"]


@pytest.mark.parametrize(
    "response",
    [
        HEAD + b"content-length: 5\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + HEAD
        + b"content-length: 5\r\n\r\nhello",
    ],
)
def test_any_split_gives_the_same(response: bytes) -> None:
    """It does not matter where the network cuts the bytes."""
    for cut in range(1, len(response)):
        got = parser()
        got.feed(response[:cut])
        got.feed(response[cut:])
        assert got.complete
        assert b"".join(got.chunks) == b"hello"
        assert len(got.headers) == 1


def test_header_bytes_are_unchanged() -> None:
    """UTF-8 and latin-1 bytes in header values come out as they went in."""
    got = parsed(HEAD + b"X-Name: caf\xc3\xa9 \xe9\xff\r\n" + EMPTY)
    assert got.headers[0] == (b"X-Name", b"caf\xc3\xa9 \xe9\xff")


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>",
        b"\r\n" + HEAD + EMPTY,
        b"\0",
        b"RTSP/1.0 200 OK\r\n" + EMPTY,
        b"HTTP/2.0 200 OK\r\n" + EMPTY,
        b"HTTP/0.9 200 OK\r\n" + EMPTY,
        b"HTTP/1.1 99 Low\r\n" + EMPTY,
        b"HTTP/1.1 099 Low\r\n" + EMPTY,
        b"HTTP/1.1 600 High\r\n" + EMPTY,
        b"HTTP/1.1 999 High\r\n" + EMPTY,
        b"HTTP/1.1 1000 Long\r\n" + EMPTY,
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
        HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: \r\n\r\n",
        HEAD + b"content-length: 3, 4\r\n\r\n",
        HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\n",
        HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n",
        HEAD + b"TRANSFER-ENCODING: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        HEAD + b"X: a\rb\r\n" + EMPTY,
        HEAD + b"X: a\0b\r\n" + EMPTY,
        HEAD + b"X: a\r\n folded\r\n" + EMPTY,
        HEAD + b"X : a\r\n" + EMPTY,
        HEAD + b"no colon\r\n" + EMPTY,
        b"HTTP/1.1 200 OK\nX: a\n\n",
    ],
)
def test_rubbish_is_refused(response: bytes) -> None:
    """What is no acceptable HTTP/1.x response raises InvalidResponse."""
    with pytest.raises(InvalidResponse):
        parsed(response)


@pytest.mark.parametrize("size", [1, 3, 6])
@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2", b"RTSP/1.0"])
def test_rubbish_in_small_pieces_is_refused(version: bytes, size: int) -> None:
    """A wrong version is noticed however the bytes are cut."""
    with pytest.raises(InvalidResponse):
        feed(parser(), version + b" 200 OK\r\n" + EMPTY, size)


def test_interim_responses_are_skipped() -> None:
    """Only the final response counts, with its own headers."""
    got = parsed(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 201 Created\r\nB: 2\r\n" + EMPTY
    )
    assert (got.status, got.complete) == (201, True)
    assert got.headers == [(b"B", b"2"), (b"content-length", b"0")]


def test_a_flood_of_interim_responses_is_refused() -> None:
    """An upstream cannot keep us busy with interim responses for ever."""
    with pytest.raises(InvalidResponse):
        feed(parser(), b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, 100)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body(status: bytes) -> None:
    """204 and 304 end with their head, whatever they announce."""
    got = parsed(b"HTTP/1.1 " + status + b"\r\ncontent-length: 5\r\n\r\n")
    assert (got.complete, got.keep_alive, got.chunks) == (True, True, [])


def test_head_has_no_body() -> None:
    """The answer to HEAD ends with its head, and the next response is read rightly."""
    got = parsed(HEAD + b"content-length: 5\r\n\r\n", head_only=True)
    assert (got.complete, got.keep_alive, got.extra) == (True, True, False)
    got.expect(head_only=False)
    got.feed(HEAD + b"content-length: 2\r\n\r\nok")
    assert (got.complete, got.chunks) == (True, [b"ok"])


def test_head_with_a_body_is_noticed() -> None:
    """A body after the answer to HEAD is dropped, and the connection is not trusted again."""
    got = parsed(HEAD + b"content-length: 5\r\n\r\nhello", head_only=True)
    assert (got.complete, got.extra, got.chunks) == (True, True, [])


@pytest.mark.parametrize("rest", [b"X", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"\0"])
@pytest.mark.parametrize("keep", [b"", b"connection: close\r\n"])
def test_bytes_after_the_end_are_noticed(rest: bytes, keep: bytes) -> None:
    """What follows a response never mixes with it, and is told."""
    got = parsed(HEAD + keep + b"content-length: 3\r\n\r\nabc" + rest)
    assert (got.complete, got.extra, got.chunks, got.status) == (True, True, [b"abc"], 200)


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_keep_alive(head: bytes, keep_alive: bool) -> None:
    """HTTP/1.1 keeps by default, HTTP/1.0 only when it says so."""
    assert parsed(head + EMPTY).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5.0),
        (b"max=100, Timeout=15", 15.0),
        (b"max=1", None),
        (b"timeout=x", None),
        (b"timeout=-1", None),
        (b"timeout=99999999999999999999", None),
    ],
)
def test_keep_alive_timeout(value: bytes, seconds: float | None) -> None:
    """The seconds that the upstream offers are read; nonsense is ignored."""
    assert parsed(HEAD + b"Keep-Alive: " + value + b"\r\n" + EMPTY).idle_seconds == seconds


def test_the_end_of_the_stream_ends_some_bodies() -> None:
    """Without a length the end of the stream is the end of the body; with one it is too early."""
    unframed = parsed(HEAD + b"\r\nabc")
    assert (unframed.complete, unframed.finish(), unframed.keep_alive) == (False, True, False)
    assert not parsed(HEAD + b"content-length: 5\r\n\r\nabc").finish()
    assert not parsed(HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").finish()
    assert not parsed(HEAD).finish()
    assert not parser().finish()


def test_too_many_headers_are_refused() -> None:
    """200 headers pass, 201 do not."""
    many = b"".join(b"x-%d: 1\r\n" % number for number in range(199))
    assert parsed(HEAD + many + EMPTY).complete
    with pytest.raises(InvalidResponse):
        parsed(HEAD + many + b"y: 1\r\n" + EMPTY)


@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_too_large_a_head_is_refused(size: int) -> None:
    """A head over 64 KiB is refused, in however many pieces, ended or not."""
    with pytest.raises(InvalidResponse):
        feed(parser(), HEAD + b"x: " + b"a" * 66_000 + b"\r\n" + EMPTY, size)


def test_a_large_body_beside_a_small_head_is_fine() -> None:
    """The limit of the head is not taken from the body that came with it."""
    assert parsed(HEAD + b"content-length: 200000\r\n\r\n" + b"a" * 200_000).complete


def test_endless_trailers_are_refused() -> None:
    """Trailers are dropped, and bounded like a head."""
    got = parsed(HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
    got.chunks.clear()
    with pytest.raises(InvalidResponse):
        feed(got, b"trailer: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 5000, 1000)


def test_released_parsers_take_nothing() -> None:
    """After release bytes are ignored."""
    got = parser()
    got.release()
    got.feed(HEAD + EMPTY)
    assert not got.complete
