"""What a shared cache may keep, and what it may do with it."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.caching import (
    CacheRule,
    Freshness,
    Use,
    is_failure,
    is_private,
    is_same,
    may_keep,
    may_stand_in,
    may_use,
    renewed,
    selecting,
    validators,
    varying,
    without_body,
)
from gateline.policy.headers import Headers

NOW = 1_700_000_000.0
RULE = CacheRule(default_seconds=0, most_seconds=3600)


def control(text: str, *more: tuple[bytes, bytes]) -> Headers:
    """Return an answer's headers with this Cache-Control."""
    return [(b"cache-control", text.encode()), *more]


def kept(
    headers: Headers,
    status: int = 200,
    *,
    rule: CacheRule = RULE,
    private: bool = False,
    took: float = 0.0,
) -> Freshness | None:
    """Return what is decided of an answer that came now."""
    return may_keep(rule, status, headers, is_private=private, asked_at=NOW - took, received_at=NOW)


def lifetime(headers: Headers, status: int = 200, *, rule: CacheRule = RULE) -> float | None:
    """Return the freshness that an answer gets, None when it is not kept."""
    freshness = kept(headers, status, rule=rule)
    return None if freshness is None else freshness.lifetime


def fresh(
    life: float = 60.0,
    *,
    strict: bool = False,
    validate: bool = False,
    on_error: float = 0.0,
    while_renewed: float = 0.0,
) -> Freshness:
    """Return the freshness of something that came at NOW."""
    return Freshness(NOW, 0.0, life, True, strict, validate, on_error, while_renewed)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (control("max-age=60"), 60.0),
        (control("max-age=60, s-maxage=30"), 30.0),
        (control("max-age=99999"), 3600.0),
        (control("max-age=60", (b"expires", formatdate(NOW + 5, usegmt=True).encode())), 60.0),
        ([(b"expires", formatdate(NOW + 50, usegmt=True).encode())], 50.0),
        (
            [
                (b"date", formatdate(NOW - 10, usegmt=True).encode()),
                (b"expires", formatdate(NOW + 50, usegmt=True).encode()),
            ],
            60.0,
        ),
        ([(b"expires", b"0")], None),
        ([(b"expires", b"0"), (b"etag", b'"a"')], 0.0),
        (control("max-age=0"), None),
        (control("no-cache", (b"etag", b'"a"')), 0.0),
        ([], None),
        ([(b"etag", b'"a"')], None),
        (control("public"), None),
        (control("no-store, max-age=60"), None),
        (control("private, max-age=60"), None),
        (control('private="set-cookie", max-age=60'), None),
        (control("max-age=60", (b"set-cookie", b"a=1")), None),
        (control("max-age=60", (b"vary", b"*")), None),
        (control("max-age=60", (b"content-type", b"Text/Event-Stream; x=y")), None),
        (control("max-age=60", (b"vary", b"X-Forwarded-For")), None),
    ],
)
def test_an_answer_is_kept_as_long_as_it_says(headers: Headers, expected: float | None) -> None:
    """s-maxage, max-age, Expires, in this order, at most what the rule says (RFC 9111, 4.2.1)."""
    assert lifetime(headers) == expected


@pytest.mark.parametrize(
    ("status", "told", "by_default"),
    [(200, 60.0, 9.0), (301, 60.0, 9.0), (404, 60.0, None), (302, 60.0, None), (206, None, None)],
)
def test_a_status_decides_what_may_be_assumed(
    status: int, told: float | None, by_default: float | None
) -> None:
    """A failure or a passing redirect is kept only when it says so itself, a part never."""
    rule = CacheRule(default_seconds=9)
    assert lifetime(control("max-age=60"), status, rule=rule) == told
    assert lifetime([], status, rule=rule) == by_default


@pytest.mark.parametrize("status", [100, 101, 206, 304, 401, 403, 429, 500, 502, 503])
def test_what_may_be_over_in_a_moment_is_never_kept(status: int) -> None:
    """Refusals, failures and parts are not kept, whatever they say."""
    assert kept(control("public, max-age=60"), status) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("max-age=60", False),
        ("s-maxage=60", False),
        ("must-revalidate, max-age=60", False),
        ("public, max-age=60", True),
        ("public, private, max-age=60", False),
    ],
)
def test_what_somebody_asked_as_themselves_needs_to_be_public(said: str, expected: bool) -> None:
    """Only the answer's own word makes it anybody's: nothing leaks from one user to another."""
    assert (kept(control(said), private=True) is not None) is expected


def test_a_default_never_makes_private_answers_public() -> None:
    """The rule's default freshness does not reach what was asked with credentials."""
    assert kept([], rule=CacheRule(default_seconds=60), private=True) is None


def test_age_counts_from_where_the_answer_was_made() -> None:
    """The Age that came, the way here and the Date are all counted (RFC 9111, section 4.2.3)."""
    aged = kept(control("max-age=60", (b"age", b"20")), took=2.0)
    assert aged is not None
    assert (aged.age(NOW), aged.left(NOW + 8)) == (22.0, 30.0)
    dated = kept(control("max-age=60", (b"date", formatdate(NOW - 30, usegmt=True).encode())))
    assert dated is not None
    assert dated.age(NOW + 1) == 31.0
    odd = kept(control("max-age=60", (b"age", b"-4"), (b"date", b"x")))
    assert odd is not None
    assert odd.age(NOW) == 0.0


@pytest.mark.parametrize(
    ("freshness", "asked", "later", "use"),
    [
        (fresh(), {}, 59, Use.SERVE),
        (fresh(), {}, 60, Use.VALIDATE),
        (fresh(), {"no-cache": None}, 1, Use.VALIDATE),
        (fresh(validate=True), {}, 1, Use.VALIDATE),
        (fresh(), {"max-age": "10"}, 10, Use.SERVE),
        (fresh(), {"max-age": "10"}, 11, Use.VALIDATE),
        (fresh(), {"max-age": "0"}, 1, Use.VALIDATE),
        (fresh(), {"min-fresh": "10"}, 49, Use.SERVE),
        (fresh(), {"min-fresh": "10"}, 51, Use.VALIDATE),
        (fresh(), {"max-stale": None}, 10_000, Use.SERVE),
        (fresh(), {"max-stale": "5"}, 65, Use.SERVE),
        (fresh(), {"max-stale": "5"}, 66, Use.VALIDATE),
        (fresh(strict=True), {"max-stale": None}, 61, Use.VALIDATE),
        (fresh(while_renewed=10), {}, 65, Use.SERVE_WHILE_RENEWED),
        (fresh(while_renewed=10), {}, 70, Use.VALIDATE),
        (fresh(while_renewed=10, strict=True), {}, 65, Use.VALIDATE),
    ],
)
def test_a_kept_answer_is_used_as_client_and_upstream_allow(
    freshness: Freshness, asked: dict[str, str | None], later: float, use: Use
) -> None:
    """Fresh is served, stale is asked about, unless somebody says otherwise (5.2.1)."""
    assert may_use(freshness, asked, NOW + later) is use


@given(
    life=st.integers(0, 100),
    later=st.integers(0, 300),
    asked=st.dictionaries(
        st.sampled_from(["max-age", "min-fresh", "no-cache"]), st.sampled_from(["0", "5", "50"])
    ),
)
def test_nothing_stale_is_served_unless_it_was_allowed(
    life: int, later: int, asked: dict[str, str | None]
) -> None:
    """Without max-stale and stale-while-revalidate only what is fresh is served."""
    if may_use(fresh(life), asked, NOW + later) is not Use.VALIDATE:
        assert later < life


@pytest.mark.parametrize(
    ("freshness", "asked", "later", "expected"),
    [
        (fresh(on_error=30), {}, 89, True),
        (fresh(on_error=30), {}, 90, False),
        (fresh(), {}, 61, False),
        (fresh(), {"stale-if-error": "30"}, 89, True),
        (fresh(on_error=30, strict=True), {}, 70, False),
        (fresh(on_error=30, validate=True), {}, 70, False),
    ],
)
def test_a_stale_answer_stands_in_for_a_failure_where_that_is_allowed(
    freshness: Freshness, asked: dict[str, str | None], later: float, expected: bool
) -> None:
    """RFC 5861, section 4; never against must-revalidate."""
    assert may_stand_in(freshness, asked, NOW + later) is expected
    assert is_failure(503)
    assert not is_failure(404)


def test_stale_times_are_read_and_bounded() -> None:
    """The answer's own words go before the rule's; both end with the rule's most."""
    said = kept(control("max-age=1, stale-if-error=9999999, stale-while-revalidate=7"))
    assert said is not None
    assert (said.stale_if_error, said.stale_while_revalidate) == (3600.0, 7.0)
    ruled = kept(control("max-age=1"), rule=CacheRule(stale_if_error_seconds=30))
    assert ruled is not None
    assert ruled.stale_if_error == 30.0


def test_a_stale_answer_is_asked_about_by_its_validators() -> None:
    """Both kinds go along (RFC 9111, section 4.3.1)."""
    headers: Headers = [(b"etag", b'"a"'), (b"last-modified", b"then"), (b"x", b"y")]
    assert validators(headers) == [(b"if-none-match", b'"a"'), (b"if-modified-since", b"then")]
    assert validators([]) == []


def test_a_304_renews_the_kept_headers() -> None:
    """Its headers take the place of those of the same name, but none that tells of the body."""
    old: Headers = [(b"etag", b'"a"'), (b"x", b"1"), (b"content-type", b"text/plain")]
    new: Headers = [(b"x", b"2"), (b"x", b"3"), (b"content-type", b"wrong")]
    assert renewed(old, new) == [
        (b"etag", b'"a"'),
        (b"content-type", b"text/plain"),
        (b"x", b"2"),
        (b"x", b"3"),
    ]
    assert without_body(old) == [(b"etag", b'"a"'), (b"x", b"1")]
    assert is_same([(b"etag", b'"a"')], [(b"etag", b'W/"a"')])
    assert is_same([(b"etag", b'"a"')], [])
    assert not is_same([(b"etag", b'"a"')], [(b"etag", b'"b"')])


def test_an_answer_depends_on_what_vary_names() -> None:
    """All lines count; an encoded body depends on Accept-Encoding even unsaid."""
    assert varying([(b"vary", b"Accept, Origin"), (b"vary", b"accept-language")]) == frozenset(
        {b"accept", b"origin", b"accept-language"}
    )
    assert varying([(b"content-encoding", b"gzip")]) == frozenset({b"accept-encoding"})
    assert varying([(b"vary", b"X-User-Type")]) == frozenset({b"x-user-type"})
    assert varying([(b"vary", b"accept, *")]) is None


def test_requests_are_told_apart_by_their_values() -> None:
    """Spaces at commas and the number of lines do not count; identity is as the edge says."""
    names = frozenset({b"accept", b"x-user-type"})
    rule = CacheRule(vary_on=frozenset({b"x-plan"}))
    headers: Headers = [(b"accept", b"a, b"), (b"x-user-type", b"admin"), (b"x-plan", b"gold")]
    same: Headers = [(b"x-plan", b" gold"), (b"accept", b"a,b")]
    own: Headers = [(b"x-user-type", b"doctor")]
    assert selecting(names, headers, own, rule) == (
        (b"accept", b"a,b"),
        (b"x-plan", b"gold"),
        (b"x-user-type", b"doctor"),
    )
    assert selecting(names, same, own, rule) == selecting(names, headers, own, rule)
    assert selecting(names, headers, [], rule) != selecting(names, headers, own, rule)


def test_who_asks_for_no_cache_gets_nothing_in_place_of_a_failure() -> None:
    """Neither by what the answer allows nor by what the request does (RFC 9111, 5.2.1.4)."""
    assert may_stand_in(fresh(on_error=600.0), {}, NOW + 61)
    assert not may_stand_in(fresh(on_error=600.0), {"no-cache": None}, NOW + 61)
    asked = {"no-cache": None, "stale-if-error": "600"}
    assert not may_stand_in(fresh(), asked, NOW + 61)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([b"north west"], [b"northwest"], False),
        ([b" north west "], [b"north west"], True),
        ([b"a , b"], [b"a,b"], True),
        ([b"a", b"b"], [b"a, b"], True),
        ([b'"a , b"'], [b'"a,b"'], False),
        ([b' "a" '], [b'"a"'], True),
        ([b""], [], False),
    ],
)
def test_only_space_without_a_meaning_is_overlooked(
    one: list[bytes], other: list[bytes], same: bool
) -> None:
    """That is at the ends and at commas; what is absent is not empty (RFC 9111, section 4.1)."""
    names = frozenset({b"x-place"})
    found = [
        selecting(names, [(b"x-place", value) for value in values], [], RULE)
        for values in (one, other)
    ]
    assert (found[0] == found[1]) is same


def test_who_brings_credentials_or_cookies_asks_as_themselves() -> None:
    """So does who is known to the edge in another way."""
    assert not is_private({b"accept": b"*/*"}, [])
    credentials = (b"authorization", b"cookie", b"x-api-key", b"x-auth-token", b"x-service-key")
    for name in credentials:
        assert is_private({name: b"x"}, [])
    assert is_private({b"x-plan": b"gold"}, [], {b"x-plan"})
    assert not is_private({b"x-plan": b"gold"}, [], {b"x-tenant"})
    assert is_private({}, [(b"x-user-id", b"1")])
