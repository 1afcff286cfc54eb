"""Who may pass."""

import pytest

from gateline.policy.identity import Identity, identity_headers, refuse_role
from gateline.policy.reasons import ROLE_MISSING, SESSION_MISSING, Reason

DOCTOR = Identity(7, "doctor", "d@example.com", "s1", "Dana", 0, 100, 200, "bearer")


@pytest.mark.parametrize(
    ("identity", "required", "roles", "expected"),
    [
        (None, False, frozenset(), None),
        (None, True, frozenset(), SESSION_MISSING),
        (None, False, frozenset({"doctor"}), SESSION_MISSING),
        (DOCTOR, True, frozenset(), None),
        (DOCTOR, True, frozenset({"doctor", "admin"}), None),
        (DOCTOR, True, frozenset({"admin"}), ROLE_MISSING),
    ],
)
def test_refuse_role(
    identity: Identity | None, required: bool, roles: frozenset[str], expected: Reason | None
) -> None:
    """The anonymous are asked to log in, other user types are refused."""
    assert refuse_role(identity, required=required, roles=roles) is expected


def test_identity_headers() -> None:
    """An upstream learns id, type and e-mail address."""
    assert identity_headers(DOCTOR) == [
        ("X-User-ID", "7"),
        ("X-User-Type", "doctor"),
        ("X-User-Email", "d@example.com"),
    ]
