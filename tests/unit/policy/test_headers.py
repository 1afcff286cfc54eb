"""Which headers survive."""

import pytest

from gateline.policy.headers import (
    connection_options,
    forward_request_headers,
    forward_response_headers,
)


def _names(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [name for name, _ in headers]


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"host",
        b"content-length",
        b"expect",
        b"x-user-id",
        b"x-user-type",
        b"x-user-email",
        b"x_user_id",
        b"x-user_id",
        b"x-forwarded-for",
        b"x_forwarded_for",
        b"forwarded",
        b"x-real-ip",
        b"x-request-id",
        b"x-user-roles",
        b"x-forwarded",
        b"x-forwarded-scheme",
        b"x_forwarded-client_cert",
        b"x-gateline-anything",
        b"x-original-host",
        b"x_url_scheme",
        b"front-end-https",
    ],
)
def test_not_passed_upstream(name: bytes) -> None:
    """What belongs to one connection or only to the gateway is dropped in every spelling."""
    headers = forward_request_headers([(name, b"1"), (b"accept", b"*/*")])
    assert _names(headers) == [b"accept"]


def test_order_and_duplicates_stay() -> None:
    """Everything else passes as it came."""
    headers = [(b"x-a", b"1"), (b"accept", b"*/*"), (b"x-a", b"2"), (b"x-b", "é".encode())]
    assert forward_request_headers(headers) == headers


def test_connection_header_names_more_to_drop() -> None:
    """The Connection header's options are dropped with it (RFC 9110, section 7.6.1)."""
    headers = [(b"connection", b"close, X-Secret"), (b"x-secret", b"1"), (b"x-kept", b"1")]
    kept = forward_request_headers(headers, connection=b"close, X-Secret")
    assert _names(kept) == [b"x-kept"]


def test_connection_header_cannot_remove_identity() -> None:
    """What the gateway appends afterwards is out of a client's reach (Traefik CVE-2024-45410)."""
    kept = forward_request_headers(
        [(b"connection", b"x-user-id, x-forwarded-for")],
        connection=b"x-user-id, x-forwarded-for",
    )
    kept.append((b"x-user-id", b"7"))
    assert kept == [(b"x-user-id", b"7")]


@pytest.mark.parametrize("value", [None, b"", b"close", b"Keep-Alive", b" close "])
def test_usual_connection_headers_name_nothing(value: bytes | None) -> None:
    """Close and keep-alive are no header names."""
    assert connection_options(value) == frozenset()


def test_response_headers() -> None:
    """Cookies keep their order and number, marks of the gateway cannot be faked."""
    headers = [
        (b"Set-Cookie", b"a=1"),
        (b"Connection", b"close, X-Internal"),
        (b"X-Internal", b"1"),
        (b"Set-Cookie", b"b=2"),
        (b"X-Gateline-Error", b"no_route"),
        (b"X-Request-ID", b"theirs"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Length", b"5"),
        (b"X-Name", "é".encode()),
    ]
    assert forward_response_headers(headers) == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-name", "é".encode()),
    ]
