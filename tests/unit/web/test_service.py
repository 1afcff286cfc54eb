"""When a browser's session is renewed."""

import pytest

from gateline.policy.identity import Identity
from gateline.web.service import needs_renewal


def identity(source: str = "cookie", life: int = 1800, absolute: int = 43200) -> Identity:
    """Return an identity whose token was issued at 0."""
    return Identity(
        user_id=1,
        user_type="patient",
        email="a@example.com",
        session_id="s",
        name="",
        issued_at=0,
        expires_at=life,
        absolute_expires_at=absolute,
        source="bearer" if source == "bearer" else "cookie",
    )


@pytest.mark.parametrize(("now", "due"), [(0, False), (899, False), (901, True), (1799, True)])
def test_renewed_before_idleness_could_outlive_it(now: int, due: bool) -> None:
    """A token with less life left than the idle time is renewed on use."""
    assert needs_renewal(identity(), now, 900) is due


@pytest.mark.parametrize(("now", "due"), [(299, False), (301, True)])
def test_short_tokens_are_renewed_at_half_life(now: int, due: bool) -> None:
    """A token that lives shorter than the idle time is not renewed on every request."""
    assert needs_renewal(identity(life=600), now, 900) is due


def test_bearers_are_not_renewed() -> None:
    """A client with a bearer token has a refresh token of its own."""
    assert not needs_renewal(identity("bearer"), 1799, 900)


def test_the_absolute_limit_holds() -> None:
    """At the absolute end of its session a token is not renewed."""
    assert not needs_renewal(identity(absolute=1800), 1799, 900)
