"""Verifies tokens of one outside issuer and remembers whom they belong to."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key as JoseKey

from gateline.edge.credentials.api_keys import encoded
from gateline.edge.credentials.claims import ClaimsRefused, identity_of
from gateline.edge.credentials.key_set import KeySet, KeysUnavailable
from gateline.policy.credentials import Issuer
from gateline.policy.headers import Headers
from gateline.policy.identity import Identity
from gateline.policy.reasons import ISSUER_UNAVAILABLE, TOKEN_EXPIRED, TOKEN_INVALID, Reason

MOST_BYTES: Final = 8192
_REMEMBERED_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 20_000
_MOST_CANDIDATES: Final = 8
_MALFORMED: Final = (JoseError, ValueError, TypeError, LookupError, RecursionError)


class TokenNotBelieved(Exception):
    """The token is refused; `reason` says why."""

    def __init__(self, reason: Reason = TOKEN_INVALID) -> None:
        super().__init__(reason.code)
        self.reason = reason


class Bearer:
    """Whom a verified token belongs to; `until` is a time of the event loop's clock."""

    __slots__ = ("expires_at", "headers", "identity", "until", "version")

    def __init__(self, token: str, identity: Identity, *, until: float, version: int) -> None:
        self.identity = identity
        self.headers: Headers = [
            (b"authorization", b"Bearer " + token.encode("ascii")),
            *encoded(identity),
        ]
        self.expires_at = identity.expires_at
        self.until = until
        self.version = version


class OutsideTokens:
    """The tokens of one issuer. `clock` gives epoch seconds.

    A token that was verified is believed for a minute without looking again, never past its end
    and never longer than the key set that it was verified with.
    """

    def __init__(
        self, issuer: Issuer, keys: KeySet, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.issuer = issuer
        self._keys = keys
        self._clock = clock
        self._known: dict[str, Bearer] = {}
        self._registry = Pinned(issuer.algorithms)

    def recall(self, token: str, now: float) -> Bearer | None:
        """Return whom a token belongs to that was verified lately; `now` is the loop's time."""
        known = self._known.get(token)
        if known is not None and now < known.until and known.version == self._keys.version:
            return known
        return None

    async def believe(self, token: str) -> Bearer:
        """Verify a token and return whom it belongs to; raise TokenNotBelieved."""
        claims = await self._verified(token)
        try:
            identity = identity_of(self.issuer, claims, self._clock())
        except ClaimsRefused as refused:
            raise TokenNotBelieved(refused.reason) from refused
        left = identity.expires_at - self._clock()
        if left <= 0:
            raise TokenNotBelieved(TOKEN_EXPIRED)
        until = asyncio.get_running_loop().time() + min(left, _REMEMBERED_SECONDS)
        return self._remember(
            token, Bearer(token, identity, until=until, version=self._keys.version)
        )

    async def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that one of the issuer's keys has signed."""
        try:
            parts = jws.extract_compact(token.encode("ascii"))
            header = parts.headers()
        except _MALFORMED as error:
            raise TokenNotBelieved from error
        # Pinned before any key is looked for: what names another algorithm is not worth a fetch.
        if header.get("alg") not in self.issuer.algorithms or "crit" in header:
            raise TokenNotBelieved
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise TokenNotBelieved
        try:
            keys = await self._keys.candidates(kid)
        except KeysUnavailable as error:
            raise TokenNotBelieved(ISSUER_UNAVAILABLE) from error
        if not any(self._is_signed(parts, key) for key in keys[:_MOST_CANDIDATES]):
            raise TokenNotBelieved
        try:
            claims = json.loads(parts.payload or b"")
        except _MALFORMED as error:
            raise TokenNotBelieved from error
        if not isinstance(claims, dict):
            raise TokenNotBelieved
        return claims

    def _is_signed(self, parts: jws.CompactSignature, key: JoseKey) -> bool:
        """Tell whether this key has made the signature; one of another kind has not."""
        if key.alg and key.alg != parts.headers().get("alg"):
            return False
        try:
            return bool(jws.validate_compact(parts, key, registry=self._registry))
        except _MALFORMED:
            return False

    def _remember(self, token: str, bearer: Bearer) -> Bearer:
        if len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known.pop(token, None)
        self._known[token] = bearer
        return bearer


def claimed_issuer(token: str) -> str | None:
    """Return whom a token says that it is from, without believing it; None for what is no JWT."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MOST_BYTES:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issuer = claims["iss"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return issuer if isinstance(issuer, str) else None


class Pinned(jws.JWSRegistry):
    """Allow exactly the agreed algorithms, whatever the token says of itself."""

    max_header_length = 2048

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        super().__init__(algorithms=list(algorithms))
        self._agreed = algorithms

    def get_alg(self, name: str) -> Any:
        """Return the algorithm of this name; raise joserfc's error when it was not agreed on."""
        if name not in self._agreed:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]
