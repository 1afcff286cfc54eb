"""What the claims of an outside issuer's token mean here. No I/O, no clock."""

from collections.abc import Mapping
from typing import Any, Final

from gateline.policy.credentials import Issuer
from gateline.policy.identity import Identity
from gateline.policy.reasons import TOKEN_EXPIRED, TOKEN_INVALID, Reason

_CLOCK_SKEW: Final = 30.0
_MOST_CHARACTERS: Final = 256


class ClaimsRefused(Exception):
    """The claims are not ones that we believe; `reason` says why."""

    def __init__(self, reason: Reason = TOKEN_INVALID) -> None:
        super().__init__(reason.code)
        self.reason = reason


def identity_of(issuer: Issuer, claims: Mapping[str, Any], now: float) -> Identity:
    """Return the identity that genuine claims give; `now` is epoch seconds. Raises ClaimsRefused.

    `iss` and `aud` must be as agreed (RFC 7519, 4.1.1 and 4.1.3), `exp` is required, `nbf` and
    `iat` may be half a minute ahead of our clock.
    """
    if claims.get("iss") != issuer.issuer or not _is_for_us(claims.get("aud"), issuer.audience):
        raise ClaimsRefused
    expires_at = _moment(claims, "exp")
    if expires_at is None:
        raise ClaimsRefused
    if expires_at <= now:
        raise ClaimsRefused(TOKEN_EXPIRED)
    for name in ("nbf", "iat"):
        if (_moment(claims, name) or 0.0) > now + _CLOCK_SKEW:
            raise ClaimsRefused
    return Identity(
        user_id=_text(_claim(claims, issuer.user_id)) or _refused(),
        user_type=_user_type(issuer, _claim(claims, issuer.user_type)),
        email=_text(_claim(claims, issuer.email)),
        session_id=_text(claims.get("sid") or claims.get("jti")),
        name=_text(claims.get("name")),
        issued_at=int(_moment(claims, "iat") or 0.0),
        expires_at=int(expires_at),
        absolute_expires_at=int(expires_at),
        source="bearer",
        issuer=issuer.name,
    )


def _is_for_us(audience: Any, wanted: tuple[str, ...]) -> bool:
    """Tell whether a token is meant for one of the audiences; a token for nobody is for nobody."""
    found = audience if isinstance(audience, list) else [audience]
    return any(one in wanted for one in found if isinstance(one, str))


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate (RFC 7519, section 2), None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise ClaimsRefused
    return float(value)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return a claim by its name, else by the way to it: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _user_type(issuer: Issuer, value: Any) -> str:
    """Return the user type; of a list the first that `roles` knows, in the order of `roles`."""
    held = [_text(one) for one in (value if isinstance(value, list) else [value])]
    if issuer.roles:
        return next((ours for theirs, ours in issuer.roles.items() if theirs in held), "")
    return held[0] if held else ""


def _text(value: Any) -> str:
    """Return what may stand in a header: printable text or a whole number; "" for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ClaimsRefused
    text = str(value)
    if len(text) > _MOST_CHARACTERS or not text.isprintable() or text != text.strip():
        raise ClaimsRefused
    return text


def _refused() -> str:
    raise ClaimsRefused
