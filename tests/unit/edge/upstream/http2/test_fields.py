"""Header fields of requests and responses."""

from typing import Any

import pytest
from hpack import NeverIndexedHeaderTuple

from gateline.edge.upstream import InvalidResponse
from gateline.edge.upstream.http2.fields import FieldWriter, read_head


def write(
    method: bytes = b"GET",
    path: bytes = b"/",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    length: int | None = None,
) -> list[tuple[bytes, bytes]]:
    """Write the fields of a request to `up:1`."""
    return FieldWriter().write(
        method, path, headers, scheme=b"http", authority=b"up:1", length=length
    )


def test_a_request_in_fields() -> None:
    """The pseudo fields come first, names in lower case, the path byte for byte."""
    fields = write(b"POST", b"/a%2F..?q", ((b"X-A", b" 1 "), (b"x-b", b"\xff")), length=2)
    assert fields == [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":authority", b"up:1"),
        (b":path", b"/a%2F..?q"),
        (b"x-a", b"1"),
        (b"x-b", b"\xff"),
        (b"content-length", b"2"),
    ]


def test_a_host_becomes_the_authority() -> None:
    """There is one name for whom a request is meant."""
    fields = dict(write(headers=((b"Host", b"shop.example"),)))
    assert fields[b":authority"] == b"shop.example"
    assert b"host" not in fields


def test_secrets_are_never_indexed() -> None:
    """Credentials stay out of the compression's memory (RFC 7541, section 7.1.3)."""
    fields = write(headers=((b"Authorization", b"a"), (b"cookie", b"b"), (b"x-a", b"c")))
    assert [isinstance(field, NeverIndexedHeaderTuple) for field in fields[4:]] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "request_",
    [
        {"method": b"GE T"},
        {"path": b""},
        {"path": b"/a b"},
        {"path": b"/a\0"},
        {"headers": ((b"x a", b""),)},
        {"headers": ((b":path", b"/admin"),)},
        {"headers": ((b"x-a", b"1\r\nx-b: 2"),)},
        {"headers": ((b"x-a", b"\0"),)},
        {"headers": ((b"Content-Length", b"1"),)},
        {"headers": ((b"transfer-encoding", b"chunked"),)},
        {"headers": ((b"connection", b"close"),)},
        {"headers": ((b"te", b"gzip"),)},
    ],
)
def test_what_must_not_be_sent(request_: dict[str, Any]) -> None:
    """Nothing that another protocol would read as a line, a frame or a hop passes."""
    with pytest.raises(ValueError, match=r"."):
        write(**request_)


def test_the_memory_of_names_does_not_forget_to_check() -> None:
    """A name that was refused once is refused again."""
    writer = FieldWriter()
    for _ in range(2):
        with pytest.raises(ValueError, match="Connection"):
            writer.write(
                b"GET", b"/", [(b"Connection", b"x")], scheme=b"http", authority=b"a", length=None
            )


def test_a_response_in_fields() -> None:
    """The status is a number; the other pseudo fields are none of the client's business."""
    fields = [(b":status", b"200"), (b":x", b"y"), (b"a", b"1"), (b"a", b"2")]
    assert read_head(fields, most=2) == (200, [(b"a", b"1"), (b"a", b"2")])


@pytest.mark.parametrize("status", [b"", b"abc", b"99", b"101", b"600", b"-200"])
def test_statuses_that_are_none(status: bytes) -> None:
    """What could not be passed on is refused."""
    with pytest.raises(InvalidResponse):
        read_head([(b":status", status)], most=2)


def test_too_many_headers() -> None:
    """A head is bounded."""
    with pytest.raises(InvalidResponse, match="2"):
        read_head([(b":status", b"200"), *[(b"a", b"")] * 3], most=2)
