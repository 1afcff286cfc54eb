"""Identities from outside the platform: issuers of tokens and clients' API keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateline.policy.gcra import LimitRule

ASYMMETRIC_ALGORITHMS: Final = (
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
)
"""What a token of an outside issuer may be signed with: its keys are public (RFC 7518, 3.1)."""


def _no_roles() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody else whose tokens are believed: `iss`, its key set and what its claims mean.

    `user_id`, `email` and `user_type` name claims (a dot descends: `realm_access.roles`); `roles`
    maps a value of the `user_type` claim to a user type, an empty one takes it as it is. The key
    set is asked for at most once in `cooldown` seconds.
    """

    name: str
    issuer: str
    jwks_url: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    user_id: str = "sub"
    email: str = "email"
    user_type: str = "user_type"
    roles: Mapping[str, str] = field(default_factory=_no_roles)
    cooldown: float = 30.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A client known by a key of which only the SHA-256 `digest` (32 bytes) is kept."""

    name: str
    digest: bytes
    user_type: str = "service"
    limit: LimitRule | None = None
