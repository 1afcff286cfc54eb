"""Paths have one canonical form, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.paths import PathRefused, canonical, prefix_before, replace_prefix, with_prefix


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/", b"/"),
        (b"/api/v1/doctors", b"/api/v1/doctors"),
        (b"/api/v1/doctors/", b"/api/v1/doctors/"),
        (b"/a//b///c", b"/a/b/c"),
        (b"/%7Euser/%41", b"/~user/A"),
        (b"/caf%c3%a9", b"/caf%C3%A9"),
        (b"/caf\xc3\xa9", b"/caf%C3%A9"),
        (b"/100%25", b"/100%25"),
        (b"/.well-known/jwks.json", b"/.well-known/jwks.json"),
        (b"/...", b"/..."),
        (b"/a;b=c/d", b"/a;b=c/d"),
        (b"/a%20b", b"/a%20b"),
    ],
)
def test_one_spelling(raw: bytes, expected: bytes) -> None:
    """Equivalent spellings of a path come out as one."""
    assert canonical(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"*",
        b"admin",
        b"http://evil/",
        b"/pub/../admin",
        b"/pub/%2e%2e/admin",
        b"/pub/%2E%2e/admin",
        b"/pub/.%2e/admin",
        b"/pub/..",
        b"/./admin",
        b"/pub/..;/admin",
        b"/pub/..;a=b/admin",
        b"/pub/%252e%252e/admin",
        b"/pub/%25252e%25252e/admin",
        b"/pub%2fadmin",
        b"/pub%2Fadmin",
        b"/pub%5cadmin",
        b"/pub%252fadmin",
        b"/pub\\admin",
        b"/pub%00",
        b"/pub%2500",
        b"/pub%0d%0aX:1",
        b"/pub%",
        b"/pub%2",
        b"/pub%zz",
        b"/a b",
        b"/a\x00",
        b"/a\x7f",
        b"/a#b",
        b"/a?b",
        b'/a"b',
        b"/a<b>",
    ],
)
def test_refused(raw: bytes) -> None:
    """A path that two programs could read in two ways is refused."""
    with pytest.raises(PathRefused):
        canonical(raw)


@given(st.binary(max_size=40).map(lambda tail: b"/" + tail))
def test_canonical_is_stable(raw: bytes) -> None:
    """The canonical form of a canonical form is itself, and holds nothing dangerous."""
    try:
        path = canonical(raw)
    except PathRefused:
        return
    assert canonical(path) == path
    assert path.isascii()
    assert b"//" not in path
    assert not {b".", b".."} & set(path.split(b"/"))


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("/doctors/", "/api/v1", "/api/v1/doctors/"),
        ("doctors", "/api/v1", "/api/v1/doctors"),
        ("/api/v1/doctors", "/api/v1", "/api/v1/doctors"),
        ("/api/v1", "/api/v1", "/api/v1"),
        ("/api/v10/x", "/api/v1", "/api/v1/api/v10/x"),
        ("/x", "", "/x"),
    ],
)
def test_with_prefix(path: str, prefix: str, expected: str) -> None:
    """A prefix is added only where it is missing, at segment ends."""
    assert with_prefix(path, prefix) == expected


@pytest.mark.parametrize(
    ("path", "sent", "prefix"),
    [
        ("/api/shop/items", "/items", "/api/shop"),
        ("/api/shop", "/", "/api/shop"),
        ("/api/shop/", "/", "/api/shop"),
        ("/items", "/items", ""),
        ("/", "/", ""),
        ("/api/shop/items", "/v2/items", ""),
        ("/doctors/1", "/api/v1/doctors/1", ""),
    ],
)
def test_prefix_before(path: str, sent: str, prefix: str) -> None:
    """Before the service's own path stands what was left out; nothing where it was exchanged."""
    assert prefix_before(path, sent) == prefix


def test_replace_prefix() -> None:
    """A leading part of the path is exchanged."""
    path = replace_prefix("/api/v1/me/dashboard", "/api/v1/me", "/api/v1/patients/me")
    assert path == "/api/v1/patients/me/dashboard"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/files/a%2fb", b"/files/a%2Fb"),
        (b"/files/a%2Fb//c", b"/files/a%2Fb/c"),
        (b"/files/%41%2F", b"/files/A%2F"),
        (b"/plain/path", b"/plain/path"),
    ],
)
def test_an_encoded_slash_stays_where_it_may(raw: bytes, expected: bytes) -> None:
    """It is part of a segment, in one spelling."""
    assert canonical(raw, encoded_slashes=True) == expected
    if b"%2" in raw:
        with pytest.raises(PathRefused):
            canonical(raw)


@pytest.mark.parametrize(
    "raw", [b"/a%2f..", b"/a/..%2fb", b"/a/.%2f", b"/a%2F%2e%2e%2Fb", b"/a%5cb", b"/a%252fb"]
)
def test_an_encoded_slash_hides_nothing(raw: bytes) -> None:
    """Dot segments beside an encoded slash are dot segments; backslashes stay refused."""
    with pytest.raises(PathRefused):
        canonical(raw, encoded_slashes=True)
