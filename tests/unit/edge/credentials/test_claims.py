"""Claims of an outside issuer become an identity, or they are refused."""

from dataclasses import replace
from typing import Any

import pytest
from outside_tokens import CORP, claims

from gateline.edge.credentials.claims import ClaimsRefused, identity_of
from gateline.policy.reasons import TOKEN_EXPIRED, TOKEN_INVALID, Reason

NOW = 1_790_000_000.0
FRESH = {"iat": NOW - 5, "exp": NOW + 600}


def test_claims_become_an_identity() -> None:
    """Who it is, what kind of user, and who says so."""
    found = identity_of(CORP, claims(**FRESH, sid="s1", name="Kim"), NOW)

    assert (found.user_id, found.user_type, found.email) == (
        "00u1a",
        "customer",
        "kim@example.com",
    )
    assert (found.issuer, found.name, found.session_id, found.source) == (
        "corp",
        "Kim",
        "s1",
        "bearer",
    )
    assert found.expires_at == NOW + 600


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://other.example.com/"}, TOKEN_INVALID),
        ({"iss": None}, TOKEN_INVALID),
        ({"aud": "other"}, TOKEN_INVALID),
        ({"aud": None}, TOKEN_INVALID),
        ({"aud": []}, TOKEN_INVALID),
        ({"aud": {"shop": 1}}, TOKEN_INVALID),
        ({"exp": None}, TOKEN_INVALID),
        ({"exp": True}, TOKEN_INVALID),
        ({"exp": "2050"}, TOKEN_INVALID),
        ({"exp": float("nan")}, TOKEN_INVALID),
        ({"exp": NOW}, TOKEN_EXPIRED),
        ({"nbf": NOW + 60}, TOKEN_INVALID),
        ({"iat": NOW + 60}, TOKEN_INVALID),
        ({"sub": None}, TOKEN_INVALID),
        ({"sub": ""}, TOKEN_INVALID),
        ({"sub": "a\r\nX-User-Type: admin"}, TOKEN_INVALID),
        ({"sub": ["a"]}, TOKEN_INVALID),
        ({"sub": True}, TOKEN_INVALID),
        ({"email": "a\x00b"}, TOKEN_INVALID),
        ({"email": "x" * 300}, TOKEN_INVALID),
        ({"user_type": {"admin": 1}}, TOKEN_INVALID),
    ],
)
def test_claims_that_are_refused(changes: dict[str, Any], reason: Reason) -> None:
    """Another issuer, another audience, no end, not yet, no longer, or nothing for a header."""
    with pytest.raises(ClaimsRefused) as refused:
        identity_of(CORP, claims(**{**FRESH, **changes}), NOW)

    assert refused.value.reason is reason


@pytest.mark.parametrize("changes", [{"aud": ["other", "stock"]}, {"nbf": NOW + 20}, {"sub": 42}])
def test_claims_that_are_fine(changes: dict[str, Any]) -> None:
    """One audience of several, a clock that is a little ahead, a number as an id."""
    assert identity_of(CORP, claims(**{**FRESH, **changes}), NOW).issuer == "corp"


@pytest.mark.parametrize(
    ("held", "ours"),
    [
        (["shop-user", "shop-admin"], "admin"),
        (["shop-user"], "customer"),
        ("shop-user", "customer"),
        (["stranger"], ""),
        (None, ""),
    ],
)
def test_roles_are_translated(held: Any, ours: str) -> None:
    """Of several roles the one that the file names first; one that it does not name is nothing."""
    issuer = replace(
        CORP,
        user_type="realm_access.roles",
        roles={"shop-admin": "admin", "shop-user": "customer"},
    )
    content = claims(**FRESH, realm_access={"roles": held})

    assert identity_of(issuer, content, NOW).user_type == ours


def test_a_claim_may_have_a_dot_in_its_name() -> None:
    """Names like addresses are names first, and ways only then."""
    issuer = replace(CORP, user_type="https://shop.example.com/role")
    content = claims(**FRESH, **{"https://shop.example.com/role": "clerk"})

    assert identity_of(issuer, content, NOW).user_type == "clerk"
