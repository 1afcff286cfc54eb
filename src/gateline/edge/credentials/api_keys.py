"""API keys: programs that are known by a long random word, of which only a hash is kept."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Final

from gateline.edge.limits.together import LimitsTogether
from gateline.policy.credentials import ApiKey
from gateline.policy.headers import Headers
from gateline.policy.identity import Identity, identity_headers

HEADER: Final = b"x-api-key"
_MOST_BYTES: Final = 512
_NO_END: Final = 2**53


class Consumer:
    """A program with an API key: its identity, the headers that tell of it, and its own limit."""

    __slots__ = ("headers", "identity", "limits", "name")

    def __init__(self, key: ApiKey, limits: LimitsTogether | None) -> None:
        self.name = key.name
        self.limits = limits
        self.identity = Identity(
            user_id=key.name,
            user_type=key.user_type,
            email="",
            session_id="",
            name=key.name,
            issued_at=0,
            expires_at=_NO_END,
            absolute_expires_at=_NO_END,
            source="key",
            consumer=key.name,
        )
        self.headers = encoded(self.identity)


class ApiKeys:
    """The keys of one version of the gateway."""

    def __init__(
        self, keys: Iterable[ApiKey], limits_of: Callable[[ApiKey], LimitsTogether | None]
    ) -> None:
        self._consumers = {key.digest: (key.digest, Consumer(key, limits_of(key))) for key in keys}

    def find(self, key: bytes) -> Consumer | None:
        """Return whom a key belongs to, None for one that is not known.

        How long it takes tells nothing: what is looked up is a hash, which nobody can bring near
        another, and the comparison is one in constant time.
        """
        if len(key) > _MOST_BYTES:
            return None
        digest = hashlib.sha256(key).digest()
        known, consumer = self._consumers.get(digest, (b"", None))
        return consumer if hmac.compare_digest(digest, known) else None


def encoded(identity: Identity) -> Headers:
    """Return the headers that tell a service of an identity, as they go over the wire."""
    return [
        (name.lower().encode("ascii"), value.encode("utf-8"))
        for name, value in identity_headers(identity)
    ]
