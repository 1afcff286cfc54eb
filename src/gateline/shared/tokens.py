"""JSON Web Tokens (RFC 7519): issue and verify, with keys that rotate by `kid`.

A token is believed only when everything about it is pinned: the key by its `kid`, the algorithm by
the key (never by the token's own header), issuer, audience, type and life.
"""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, JWKRegistry, Key, OctKey, OKPKey

from gateline.policy.reasons import TOKEN_EXPIRED, TOKEN_INVALID, TOKEN_TYPE_WRONG, Reason
from gateline.shared.errors import ApiError

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

    from gateline.shared.config import Settings

MAX_TOKEN_BYTES: Final = 8192
_CLOCK_SKEW: Final = 60
_MAC_ALGORITHMS: Final = frozenset({"HS256", "HS384", "HS512"})
_CURVE_ALGORITHMS: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
ALGORITHMS: Final = _MAC_ALGORITHMS | {
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
}

Clock = Callable[[], float]


class TokenRefused(ApiError):
    """A token that is not believed; `reason` tells invalid, expired and wrong type apart."""

    def __init__(self, reason: Reason = TOKEN_INVALID) -> None:
        super().__init__(reason=reason)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `iat` and `exp` are seconds since the epoch."""

    user_id: int
    sub: str
    email: str
    user_type: str
    type: str
    iat: int
    exp: int
    jti: str
    sid: str
    iss: str
    aud: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, its id, and the one algorithm that it is used with."""

    kid: str
    algorithm: str
    key: Key

    @classmethod
    def from_secret(cls, secret: str, algorithm: str = "HS256") -> Self:
        """Return a shared key (HMAC); its id is derived from the secret and does not reveal it."""
        if algorithm not in _MAC_ALGORITHMS:
            msg = f"JWT_ALGORITHM={algorithm} needs a key pair: name a key set in JWT_KEYS_FILE"
            raise ValueError(msg)
        kid = hmac.digest(secret.encode(), b"gateline key id", hashlib.sha256).hex()[:16]
        return cls(kid, algorithm, OctKey.import_key(secret.encode()))

    @classmethod
    def from_jwk(cls, data: dict[str, Any], algorithm: str) -> Self:
        """Read one member of a JSON key set (RFC 7517); `algorithm` is the default for its type."""
        key = JWKRegistry.import_key(data)
        key.ensure_kid()
        return cls(str(key.kid), _algorithm_of(key, algorithm), key)


def _algorithm_of(key: Key, default: str) -> str:
    if key.alg:
        chosen = str(key.alg)
    elif isinstance(key, ECKey):
        chosen = _CURVE_ALGORITHMS.get(key.curve_name, "")
    elif isinstance(key, OKPKey):
        chosen = "EdDSA"
    elif isinstance(key, OctKey):
        chosen = default if default in _MAC_ALGORITHMS else "HS256"
    else:
        chosen = default if default[:2] in {"RS", "PS"} else "RS256"
    if chosen not in ALGORITHMS:
        msg = f"key {key.kid!r} names the algorithm {chosen!r}, which is not supported"
        raise ValueError(msg)
    return chosen


class _PinnedRegistry(jws.JWSRegistry):
    """Allow exactly one algorithm, whatever the token says of itself."""

    max_header_length = 1024

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm])
        self._pinned = algorithm

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name != self._pinned:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


class Tokens:
    """Issues tokens with the first key and verifies those of every key.

    `keys` come in order of age, the current one first: a new key is put in front and the old ones
    stay until their last token has expired, so a rotation logs nobody out. Raises ValueError for
    no key, two keys of one id, or a current key that cannot sign.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey],
        *,
        issuer: str,
        audience: str,
        clock: Clock = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        if not keys:
            raise ValueError("at least one JWT key is needed")
        if not keys[0].key.is_private:
            raise ValueError("the first JWT key signs, so it must be a private key")
        self._current = keys[0]
        self._keys = {key.kid: key for key in keys}
        if len(self._keys) != len(keys):
            raise ValueError("two JWT keys have the same kid")
        self._registries = {key.kid: _PinnedRegistry(key.algorithm) for key in keys}
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._new_id = new_id

    @classmethod
    def from_settings(cls, settings: "Settings", clock: Clock = time.time) -> Self:
        """Build from JWT_KEYS_FILE, or JWT_SECRET_KEY and JWT_PREVIOUS_SECRET_KEYS."""
        return cls(
            keys_from_settings(settings),
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            clock=clock,
        )

    def issue(
        self,
        type: str,  # noqa: A002 - the claim's own name
        user_id: int,
        email: str,
        user_type: str,
        sid: str,
        lifetime_seconds: int,
    ) -> tuple[str, Claims]:
        """Return a signed token of the given type (`access`, `refresh`) and its claims."""
        now = int(self._clock())
        claims = Claims(
            user_id=user_id,
            sub=str(user_id),
            email=email,
            user_type=user_type,
            type=type,
            iat=now,
            exp=now + lifetime_seconds,
            jti=self._new_id(),
            sid=sid,
            iss=self._issuer,
            aud=self._audience,
        )
        header = {"typ": "JWT", "alg": self._current.algorithm, "kid": self._current.kid}
        payload = json.dumps(asdict(claims), separators=(",", ":"))
        registry = self._registries[self._current.kid]
        token = jws.serialize_compact(header, payload, self._current.key, registry=registry)
        return token, claims

    def verify(self, token: str, type: str = "access") -> Claims:  # noqa: A002 - the claim's name
        """Return the claims of a token; raise TokenRefused when anything about it is wrong."""
        claims = self._claims(self._payload(token))
        if claims.iss != self._issuer or claims.aud != self._audience:
            raise TokenRefused
        now = self._clock()
        if claims.iat > now + _CLOCK_SKEW:
            raise TokenRefused
        if claims.type != type:
            raise TokenRefused(TOKEN_TYPE_WRONG)
        if claims.exp <= now:
            raise TokenRefused(TOKEN_EXPIRED)
        return claims

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the public halves of the key pairs (RFC 7517); shared secrets never appear."""
        return {
            "keys": [
                {
                    **key.key.as_dict(private=False),
                    "kid": key.kid,
                    "alg": key.algorithm,
                    "use": "sig",
                }
                for key in self._keys.values()
                if not isinstance(key.key, OctKey)
            ]
        }

    def _payload(self, token: str) -> bytes:
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise TokenRefused
        try:
            parts = jws.extract_compact(token.encode())
            kid = self._key_id(parts.headers())
            registry = self._registries[kid]
            genuine = jws.validate_compact(parts, self._keys[kid].key, registry=registry)
        except (JoseError, LookupError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefused from error
        if not genuine or parts.payload is None:
            raise TokenRefused
        return parts.payload

    def _key_id(self, header: dict[str, Any]) -> str:
        """Return the key that a token names; one without `kid` can only mean the current key."""
        return str(header.get("kid", self._current.kid))

    @staticmethod
    def _claims(payload: bytes) -> Claims:
        try:
            found = json.loads(payload)
            values = {name: found[name] for name in Claims.__slots__}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenRefused from error
        # bool is an int to isinstance, and 1.0 would end up in a header as "1.0"
        if any(type(value) is not Claims.__annotations__[name] for name, value in values.items()):
            raise TokenRefused
        return Claims(**values)


def keys_from_settings(settings: "Settings") -> list[SigningKey]:
    """Return the keys that the settings name, the current one first.

    JWT_PREVIOUS_SECRET_KEYS stay valid beside a key set too, so that a move from a shared secret to
    a key pair logs nobody out. Raises ValueError for a file that is no key set.
    """
    algorithm = settings.jwt_algorithm
    keys = _current_keys(settings)
    known = {key.kid for key in keys}
    mac = algorithm if algorithm in _MAC_ALGORITHMS else "HS256"
    for secret in settings.jwt_previous_secret_keys:
        previous = SigningKey.from_secret(secret, mac)
        if previous.kid not in known:
            known.add(previous.kid)
            keys.append(previous)
    return keys


def _current_keys(settings: "Settings") -> list[SigningKey]:
    if not settings.jwt_keys_file:
        secret = settings.jwt_secret_key or settings.secret_key
        return [SigningKey.from_secret(secret, settings.jwt_algorithm)]
    path = Path(settings.jwt_keys_file)
    try:
        members = json.loads(path.read_text(encoding="utf-8"))["keys"]
        return [SigningKey.from_jwk(member, settings.jwt_algorithm) for member in members]
    except (ValueError, TypeError, KeyError, JoseError) as error:
        msg = f"JWT_KEYS_FILE={path} is not a usable JSON key set: {error}"
        raise ValueError(msg) from error
