"""Only listed origins may read."""

import pytest

from gateline.policy.cors import CorsPolicy, answer_headers, preflight_headers

LISTED = CorsPolicy(frozenset({"https://app.example"}), expose=("X-Request-ID",))
ANY = CorsPolicy(frozenset({"*"}), expose=())


def test_a_listed_origin_may_read_with_credentials() -> None:
    """Its own origin is named, never a wildcard."""
    assert answer_headers(LISTED, "https://app.example") == [
        ("Access-Control-Allow-Origin", "https://app.example"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-Request-ID"),
        ("Vary", "Origin"),
    ]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://app.example", "https://app.example.evil", "null", "*", ""],
)
def test_others_may_not(origin: str) -> None:
    """Any other origin gets nothing but Vary, so that no cache mixes the two up."""
    assert answer_headers(LISTED, origin) == [("Vary", "Origin")]
    assert preflight_headers(LISTED, origin, method="GET", names=None) is None


def test_any_origin_never_with_credentials() -> None:
    """A wildcard gives no credentials."""
    assert answer_headers(ANY, "https://x.example") == [("Access-Control-Allow-Origin", "*")]


def test_preflight() -> None:
    """A preflight learns methods, the headers it asked for, and how long it may remember."""
    headers = preflight_headers(
        LISTED, "https://app.example", method="PUT", names="content-type, x-a"
    )
    assert headers is not None
    found = dict(headers)
    assert "PUT" in found["Access-Control-Allow-Methods"]
    assert found["Access-Control-Allow-Headers"] == "content-type, x-a"
    assert found["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize("method", ["TRACE", "put", "P\r\nX: 1", ""])
def test_preflight_refuses_other_methods(method: str) -> None:
    """What the gateway does not take is not granted."""
    origin = "https://app.example"
    assert preflight_headers(LISTED, origin, method=method, names=None) is None


def test_preflight_repeats_no_junk() -> None:
    """Requested names that are none are not echoed."""
    headers = preflight_headers(LISTED, "https://app.example", method="GET", names="a\r\nX: 1")
    assert headers is not None
    assert "Access-Control-Allow-Headers" not in dict(headers)


def test_a_route_may_allow_certain_headers_only() -> None:
    """A preflight is told the list, whatever it asked for."""
    policy = CorsPolicy(frozenset({"https://a.example"}), headers=frozenset({"x-b", "x-a"}))

    granted = preflight_headers(policy, "https://a.example", method="GET", names="x-c")

    assert ("Access-Control-Allow-Headers", "x-a, x-b") in (granted or [])


def test_origins_may_be_trusted_without_cookies() -> None:
    """The origin is echoed, credentials are not allowed."""
    policy = CorsPolicy(frozenset({"https://a.example"}), credentials=False)

    headers = dict(answer_headers(policy, "https://a.example"))

    assert headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Access-Control-Allow-Credentials" not in headers
