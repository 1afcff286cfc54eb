"""The bytes of request heads, and what is refused to be sent."""

import pytest

from gateline.edge.upstream.request import (
    BodyStream,
    HeadEncoder,
    Headers,
    PreparedHeaders,
    framing_of,
)


def encoded(
    method: bytes = b"GET", path: bytes = b"/", headers: Headers = (), framing: bytes = b""
) -> bytes:
    """Encode with a fresh encoder."""
    return HeadEncoder().encode(method, path, headers, framing, b"up:8000")


def test_the_bytes_of_a_head() -> None:
    """Path and headers go out byte for byte, in order, after the framing."""
    head = encoded(
        b"POST",
        b"/pub/%2e%2e/admin?q=%00\xc3\xa9",
        [(b"Host", b"a.example"), (b"x-Name", b"caf\xc3\xa9"), (b"x-Name", b"")],
        b"content-length: 5\r\n",
    )
    assert head == (
        b"POST /pub/%2e%2e/admin?q=%00\xc3\xa9 HTTP/1.1\r\ncontent-length: 5\r\n"
        b"Host: a.example\r\nx-Name: caf\xc3\xa9\r\nx-Name: \r\n\r\n"
    )


def test_host_is_added_when_missing() -> None:
    """A request without Host gets the target's authority."""
    assert encoded() == b"GET / HTTP/1.1\r\nhost: up:8000\r\n\r\n"


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b", b"\n"])
def test_values_that_inject_are_refused(value: bytes) -> None:
    """CR, LF and NUL in a value raise ValueError."""
    with pytest.raises(ValueError, match="x-name"):
        encoded(headers=[(b"host", b"h"), (b"x-name", value)])


@pytest.mark.parametrize(
    "name", [b"", b"a\r\nb", b"a\n", b"a:b", b"a b", b" a", b"a\0", b"a\xe9", b"HOST"]
)
def test_names_that_are_no_tokens_are_refused(name: bytes) -> None:
    """Names that a server could read differently raise ValueError."""
    with pytest.raises(ValueError, match=r"name|write it"):
        encoded(headers=[(name, b"v")])


@pytest.mark.parametrize("name", [b"content-length", b"Content-Length", b"TRANSFER-ENCODING"])
def test_framing_headers_are_refused(name: bytes) -> None:
    """Only the client says how long the body is, at the second try as well."""
    encoder = HeadEncoder()
    for _ in range(2):
        with pytest.raises(ValueError, match="frames the body"):
            encoder.encode(b"GET", b"/", [(name, b"5")], b"", b"up")


@pytest.mark.parametrize(
    "path",
    [b"", b" ", b"/a b", b"/a\tb", b"/ ", b"/\r\n", b"/a HTTP/1.1\r\nx: y", b"/\0", b"/\x0b"],
)
def test_paths_that_inject_are_refused(path: bytes) -> None:
    """White space, NUL and nothing at all are no request target."""
    with pytest.raises(ValueError, match="request target"):
        encoded(path=path)


@pytest.mark.parametrize("method", [b"", b"GET ", b"G\r\n", b"GE:T"])
def test_methods_that_inject_are_refused(method: bytes) -> None:
    """A method is a token; unusual ones pass."""
    assert encoded(b"PROPFIND").startswith(b"PROPFIND / ")
    with pytest.raises(ValueError, match="method"):
        encoded(method)


def test_the_memory_of_names_is_bounded() -> None:
    """Strange names are checked each time once the memory is full."""
    encoder = HeadEncoder()
    for number in range(5000):
        encoder.encode(b"GET", b"/", [(b"x-%d" % number, b"")], b"", b"up")
    assert len(encoder._known) == 4096


class Chunks:
    """A body that nobody reads."""

    def __aiter__(self) -> "Chunks":
        """Iterate over nothing."""
        return self

    async def __anext__(self) -> bytes:
        """End at once."""
        raise StopAsyncIteration


@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        (b"GET", None, b""),
        (b"GET", b"", b""),
        (b"GET", b"abc", b"content-length: 3\r\n"),
        (b"DELETE", None, b""),
        (b"POST", None, b"content-length: 0\r\n"),
        (b"PUT", b"", b"content-length: 0\r\n"),
        (b"PATCH", b"abcd", b"content-length: 4\r\n"),
        (b"GET", BodyStream(Chunks()), b"transfer-encoding: chunked\r\n"),
        (b"POST", BodyStream(Chunks(), 7), b"content-length: 7\r\n"),
        (b"POST", BodyStream(Chunks(), 0), b"content-length: 0\r\n"),
    ],
)
def test_framing(method: bytes, body: bytes | BodyStream | None, framing: bytes) -> None:
    """Every body is framed, and methods that expect one announce its absence."""
    assert framing_of(method, body) == framing


def test_prepared_headers_go_out_after_the_new_lines() -> None:
    """What was written once is not written again; what was prepared stays as it was."""
    prepared = PreparedHeaders([(b"accept", b"*/*"), (b"x-name", b"caf\xc3\xa9")])
    more = prepared.with_lines(b"x-request-id: 1\r\nx-last: 2: 3\r\n", 2)

    assert list(more) == [*prepared, (b"x-request-id", b"1"), (b"x-last", b"2: 3")]
    assert len(list(prepared)) == 2
    assert encoded(headers=more, framing=b"content-length: 0\r\n") == (
        b"GET / HTTP/1.1\r\nhost: up:8000\r\ncontent-length: 0\r\nx-request-id: 1\r\n"
        b"x-last: 2: 3\r\naccept: */*\r\nx-name: caf\xc3\xa9\r\n\r\n"
    )
    assert encoded(headers=prepared) == (
        b"GET / HTTP/1.1\r\nhost: up:8000\r\naccept: */*\r\nx-name: caf\xc3\xa9\r\n\r\n"
    )


def test_a_prepared_host_takes_the_place_of_the_targets() -> None:
    """There is one Host, and it comes first."""
    prepared = PreparedHeaders([(b"accept", b"*/*"), (b"host", b"a.example")])
    assert encoded(headers=prepared) == (
        b"GET / HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n"
    )
    assert (b"host", b"a.example") in list(prepared)


@pytest.mark.parametrize(
    "pair",
    [
        (b"x", b"a\r\nx: y"),
        (b"x", b"a\0b"),
        (b"a\n", b"v"),
        (b"", b"v"),
        (b"host", b"h\r\nx: y"),
        (b"HOST", b"h"),
        (b"Content-Length", b"5"),
    ],
)
def test_nothing_is_prepared_that_may_not_be_sent(pair: tuple[bytes, bytes]) -> None:
    """The checks of a head hold for what is written ahead."""
    with pytest.raises(ValueError, match=r"name|[hH]ost|frames|holds"):
        PreparedHeaders([pair])


@pytest.mark.parametrize(
    "lines", [b"x-a: 1\r\nx-b: 2\r\n", b"x-a: 1\n\r\n", b"x-a: \0\r\n", b"x-a: 1", b"x-a: 1\r"]
)
def test_lines_that_are_more_or_less_than_they_say_are_refused(lines: bytes) -> None:
    """One line is one line, whatever its value holds."""
    with pytest.raises(ValueError, match=r"lines|holds"):
        encoded(headers=PreparedHeaders([]).with_lines(lines, 1))


def test_a_target_is_checked_before_prepared_headers() -> None:
    """Neither a method nor a target can bring lines of its own."""
    prepared = PreparedHeaders([])
    for path in (b"/a b", b"/\r\nx: y", b"", b"/\0"):
        with pytest.raises(ValueError, match="target"):
            encoded(path=path, headers=prepared)
    with pytest.raises(ValueError, match="method"):
        encoded(b"GET\r\nx:", headers=prepared)
