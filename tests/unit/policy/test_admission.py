"""Request heads that could be read in two ways do not pass."""

import pytest

from gateline.policy.admission import (
    host_name,
    refuse_headers,
    refuse_host,
    refuse_method,
    request_id,
)
from gateline.policy.reasons import BAD_REQUEST, HOST_NOT_ALLOWED, METHOD_NOT_ALLOWED, Reason

Pairs = list[tuple[bytes, bytes]]
HOST: Pairs = [(b"host", b"example.com")]


def _refuse(method: str, headers: Pairs) -> Reason | None:
    return refuse_method(method) or refuse_headers(headers, dict(headers))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_that_pass(method: str) -> None:
    """The usual methods pass."""
    assert _refuse(method, HOST) is None


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND", "get", "G\nET", ""])
def test_methods_that_do_not(method: str) -> None:
    """Others are refused, those that open tunnels or echo above all."""
    assert _refuse(method, HOST) is METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "host",
    [
        b"example.com",
        b"example.com:8000",
        b"127.0.0.1:80",
        b"[::1]:8000",
        b"localhost",
        b"a_b.test",
    ],
)
def test_hosts_that_pass(host: bytes) -> None:
    """Names, addresses and ports are hosts."""
    assert _refuse("GET", [(b"host", host)]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"a"), (b"host", b"b")],
        [(b"host", b"")],
        [(b"host", b"user@example.com")],
        [(b"host", b"example.com/path")],
        [(b"host", b"example.com?x")],
        [(b"host", b"a,b")],
        [(b"host", b"example.com:port")],
        [(b"host", b"exam ple.com")],
        [*HOST, (b"x_user_id", b"1")],
        [*HOST, (b"transfer-encoding", b"gzip, chunked")],
        [*HOST, (b"transfer-encoding", b"identity")],
        [*HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [*HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"5")],
        [*HOST, (b"content-length", b"5"), (b"content-length", b"5")],
        [*HOST, (b"content-length", b"+5")],
        [*HOST, (b"content-length", b"05")],
        [*HOST, (b"content-length", b"-1")],
        [*HOST, (b"content-length", b"5, 5")],
        [*HOST, (b"content-length", b"99999999999999999999")],
        [*HOST, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
    ],
)
def test_ambiguous_heads(headers: Pairs) -> None:
    """Anything that another parser could read otherwise is refused."""
    assert _refuse("POST", headers) is BAD_REQUEST


def test_harmless_repeats_pass() -> None:
    """Headers that are lists may come in several lines."""
    assert _refuse("GET", [*HOST, (b"accept", b"a"), (b"accept", b"b"), (b"cookie", b"c")]) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"Example.COM:8000", "example.com"),
        (b"example.com.", "example.com"),
        (b"[::1]:80", "[::1]"),
        (b"10.0.0.1", "10.0.0.1"),
    ],
)
def test_host_name(host: bytes, name: str) -> None:
    """A host's name has no port, no capitals, no trailing dot."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("name", "allowed", "passes"),
    [
        ("a.example.com", (), True),
        ("a.example.com", ("a.example.com",), True),
        ("a.example.com", (".example.com",), True),
        ("a.b.example.com", ("*.example.com",), True),
        ("example.com", ("*.example.com",), False),
        ("evilexample.com", (".example.com",), False),
        ("b.example.com", ("a.example.com",), False),
        ("anything", ("*",), True),
    ],
)
def test_refuse_host(name: str, allowed: tuple[str, ...], passes: bool) -> None:
    """Only listed names and names below a listed domain are answered."""
    assert refuse_host(name, allowed) is (None if passes else HOST_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [
        (b"abcdef12", True),
        (b"a" * 128, True),
        (b"a" * 129, False),
        (b"short", False),
        (b"has space in it", False),
        (b"new\nline-in-it", False),
        (None, False),
    ],
)
def test_request_id(offered: bytes | None, accepted: bool) -> None:
    """A client's request id is kept when it is fit for a log line."""
    assert (request_id(offered) is not None) is accepted
