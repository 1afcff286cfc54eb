"""Which security headers an answer still needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.headers import Headers
from gateline.policy.security_headers import missing_security_headers

SNIFF = (b"x-content-type-options", b"nosniff")
REFERRER = (b"referrer-policy", b"strict-origin-when-cross-origin")
FRAMES = (b"x-frame-options", b"SAMEORIGIN")
TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
CSP = b"content-security-policy"
NAMES = (*(name for name, _ in (SNIFF, REFERRER, FRAMES, TRANSPORT)), CSP, b"content-type")


def test_an_answer_that_says_nothing_gets_all() -> None:
    """Over https one more, which nobody may say elsewhere."""
    plain = [(b"content-type", b"text/html")]
    assert missing_security_headers(200, plain, encrypted=False) == (SNIFF, REFERRER, FRAMES)
    assert missing_security_headers(200, plain, encrypted=True) == (
        SNIFF,
        REFERRER,
        FRAMES,
        TRANSPORT,
    )


@pytest.mark.parametrize("own", [SNIFF, REFERRER, FRAMES, TRANSPORT], ids=lambda own: own[0])
def test_what_a_service_says_stands(own: tuple[bytes, bytes]) -> None:
    """Whatever it says, an empty value and one that is weaker too."""
    for value in (b"", b"its own"):
        added = missing_security_headers(200, [(own[0], value)], encrypted=True)
        assert added == tuple(
            pair for pair in (SNIFF, REFERRER, FRAMES, TRANSPORT) if pair is not own
        )


@pytest.mark.parametrize(
    ("policies", "rules"),
    [
        ([b"frame-ancestors 'none'"], True),
        ([b"default-src 'self'; Frame-Ancestors https://a.example"], True),
        ([b"default-src 'self';frame-ancestors"], True),
        ([b"default-src 'self', frame-ancestors 'self'"], True),
        ([b"default-src 'self'", b"frame-ancestors *; img-src *"], True),
        ([b"default-src 'self'"], False),
        ([b"report-uri /frame-ancestors"], False),
        ([b"x-frame-ancestors 'none'; frame-ancestors-not 'none'"], False),
        ([b""], False),
    ],
)
def test_a_content_security_policy_may_rule_frames(policies: list[bytes], rules: bool) -> None:
    """Only the directive counts, and only for frames."""
    headers = [(CSP, policy) for policy in policies]
    added = missing_security_headers(200, headers, encrypted=False)
    assert added == ((SNIFF, REFERRER) if rules else (SNIFF, REFERRER, FRAMES))


def test_a_policy_that_only_reports_rules_nothing() -> None:
    """Content-Security-Policy-Report-Only stops nobody from framing."""
    headers = [(CSP + b"-report-only", b"frame-ancestors 'none'")]
    assert FRAMES in missing_security_headers(200, headers, encrypted=False)


def test_an_unchanged_answer_keeps_what_it_had() -> None:
    """The headers of a 304 replace those that the client has stored (RFC 9111, section 3.2)."""
    assert missing_security_headers(304, [], encrypted=True) == ()


def test_what_is_unwanted_is_not_added() -> None:
    """Names that nobody knows here are no matter."""
    unwanted = frozenset({b"x-frame-options", b"x-powered-by", CSP})
    added = missing_security_headers(200, [], encrypted=False, unwanted=unwanted)
    assert added == (SNIFF, REFERRER)


@given(
    headers=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from([b"", b"a", b"frame-ancestors *"]))
    ),
    encrypted=st.booleans(),
    unwanted=st.frozensets(st.sampled_from(NAMES)),
)
def test_nothing_is_ever_said_twice(
    headers: Headers, encrypted: bool, unwanted: frozenset[bytes]
) -> None:
    """What is added was neither said nor unwanted, and with it nothing is missing any more."""
    added = missing_security_headers(200, headers, encrypted=encrypted, unwanted=unwanted)
    names = [name for name, _ in added]
    assert len(set(names)) == len(names)
    assert not {name for name, _ in headers} & set(names)
    assert not unwanted & set(names)
    assert encrypted or TRANSPORT not in added
    again = [*headers, *added]
    assert missing_security_headers(200, again, encrypted=encrypted, unwanted=unwanted) == ()
