"""Which coding an answer gets, and which answers get none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.compression import (
    CODINGS,
    LEAST_BYTES,
    choose_coding,
    is_compressible,
    is_guess,
    may_compress,
    vary_on_coding,
    weaken,
)
from gateline.policy.headers import Headers

JSON: Headers = [(b"content-type", b"application/json")]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        (b"", None),
        (b"gzip", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"deflate", None),
        (b"identity", None),
        (b"gzip, br, zstd", b"zstd"),
        (b"gzip, deflate, br", b"br"),
        (b"gzip;q=1.0, br;q=0.5", b"gzip"),
        (b"br;q=0, gzip", b"gzip"),
        (b"gzip;q=0", None),
        (b"gzip ; q = 0.0", None),
        (b"*", b"zstd"),
        (b"*;q=0", None),
        (b"*, zstd;q=0", b"br"),
        (b"gzip, *;q=0", b"gzip"),
        (b"identity, gzip;q=0.5", None),
        (b"identity;q=0.5, gzip", b"gzip"),
        (b"identity;q=0", None),
        (b"gzip;q=2", None),
        (b"gzip;q=-1", None),
        (b"gzip;q=nan", None),
        (b"gzip;q=much, br", b"br"),
        (b",,gzip,,", b"gzip"),
    ],
)
def test_a_client_gets_the_coding_that_it_asks_for_most(
    accept: bytes | None, expected: bytes | None
) -> None:
    """Weights decide, then what is cheapest; 0 excludes (RFC 9110, section 12.5.3)."""
    assert choose_coding(accept) == expected


@given(st.binary(max_size=60))
def test_nothing_that_a_client_says_breaks_the_choice(accept: bytes) -> None:
    """Any bytes lead to one of our codings, or to none."""
    assert choose_coding(accept) in {None, *CODINGS}


@given(
    st.dictionaries(
        st.sampled_from([*CODINGS, b"identity", b"*", b"deflate"]), st.integers(0, 1000)
    )
)
def test_the_choice_is_the_best_that_the_weights_allow(weights: dict[bytes, int]) -> None:
    """Nothing refused is chosen, and nothing of less weight than another, identity included."""
    accept = b", ".join(b"%s;q=%.3f" % (name, q / 1000) for name, q in weights.items())
    chosen = choose_coding(accept)
    offered = {coding: weights.get(coding, weights.get(b"*", 0)) for coding in CODINGS}
    if chosen is None:
        best = max(offered.values())
        assert best == 0 or best < weights.get(b"identity", 1)
    else:
        assert 0 < offered[chosen] == max(offered.values())
        assert offered[chosen] >= weights.get(b"identity", 0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"text/html; charset=utf-8", True),
        (b"Text/Event-Stream", True),
        (b"application/json", True),
        (b"application/problem+json;v=1", True),
        (b"image/svg+xml", True),
        (b"image/png", False),
        (b"video/mp4", False),
        (b"application/zip", False),
        (b"application/octet-stream", False),
        (b"", False),
    ],
)
def test_only_what_shrinks_is_compressed(kind: bytes, expected: bool) -> None:
    """Text and its relatives shrink; pictures, films and archives do not."""
    assert is_compressible(kind) is expected


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        (204, JSON, None),
        (206, JSON, 5000),
        (304, JSON, None),
        (101, JSON, None),
        (200, JSON, LEAST_BYTES - 1),
        (200, [], 5000),
        (200, [*JSON, (b"content-encoding", b"gzip")], 5000),
        (200, [*JSON, (b"content-range", b"bytes 0-1/2")], 5000),
        (200, [*JSON, (b"cache-control", b"public, No-Transform")], 5000),
        (200, [*JSON, (b"set-cookie", b"a=1")], 5000),
        (200, [*JSON, (b"content-digest", b"sha-256=:x:")], 5000),
        (200, [*JSON, (b"repr-digest", b"sha-256=:x:")], 5000),
    ],
)
def test_what_must_stay_as_it_is(status: int, headers: Headers, length: int | None) -> None:
    """Small, encoded, partial, untransformable and cookie-setting answers pass as they came."""
    assert not may_compress(status, headers, length)


@pytest.mark.parametrize("length", [None, LEAST_BYTES, 10**9])
def test_long_text_may_be_compressed(length: int | None) -> None:
    """A body whose length nobody knows yet counts as long."""
    assert may_compress(200, JSON, length)
    assert may_compress(404, JSON, length)


@pytest.mark.parametrize(
    ("site", "cookie", "expected"),
    [
        (b"cross-site", True, True),
        (b"same-site", True, True),
        (b"same-origin", True, False),
        (b"none", True, False),
        (None, True, False),
        (b"cross-site", False, False),
    ],
)
def test_another_site_learns_nothing_by_length(
    site: bytes | None, cookie: bool, expected: bool
) -> None:
    """A request with cookies that another site caused gets no compressed answer (BREACH)."""
    fields = {b"cookie": b"a=1"} if cookie else {}
    if site is not None:
        fields[b"sec-fetch-site"] = site
    assert is_guess(fields) is expected


def test_a_compressed_answer_has_a_weak_etag() -> None:
    """Its bytes are other ones, so a strong tag becomes a weak one; a weak one stays."""
    assert weaken([(b"etag", b'"a"'), (b"x", b'"a"')]) == [(b"etag", b'W/"a"'), (b"x", b'"a"')]
    assert weaken([(b"accept-ranges", b"bytes")]) == []
    assert weaken([(b"etag", b'W/"a"')]) == [(b"etag", b'W/"a"')]


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ([], [b"accept-encoding"]),
        ([b"origin"], [b"origin", b"accept-encoding"]),
        ([b"Origin, Accept-Encoding"], [b"Origin, Accept-Encoding"]),
        ([b"*"], [b"*"]),
    ],
)
def test_caches_learn_that_the_coding_was_chosen(vary: list[bytes], expected: list[bytes]) -> None:
    """Vary names Accept-Encoding, once."""
    told = vary_on_coding([(b"vary", value) for value in vary])
    assert [value for _, value in told] == expected
