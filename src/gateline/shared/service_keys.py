"""Keys by which services know each other: named, kept as hashes, compared in constant time."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Final, ParamSpec, Self, TypeVar

from flask import current_app, g, request
from werkzeug.datastructures import Headers

from gateline.policy.reasons import SERVICE_KEY_INVALID
from gateline.shared.declarations import Access, note
from gateline.shared.errors import ApiError

P = ParamSpec("P")
R = TypeVar("R")
Lookup = Callable[[str], str | None]

_MAX_KEY_LENGTH: Final = 512


class ServiceKeyRefused(ApiError):
    """No service key was sent, or none that is known (403)."""

    def __init__(self) -> None:
        super().__init__(reason=SERVICE_KEY_INVALID)


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal: what is stored instead of the key.

    Keys are long and random, so a plain hash is enough; a password would need a slow one.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def parse_service_keys(text: str) -> list[tuple[str, str]]:
    """Read `name:key,name:key`; a name may come twice, so that keys can be changed with overlap.

    Raises ValueError, without showing any key, for a part that is not `name:key`.
    """
    pairs: list[tuple[str, str]] = []
    for position, part in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
        name, separator, key = part.partition(":")
        if not separator or not name.strip() or not key.strip():
            msg = f"part {position} of SERVICE_KEYS is not name:key"
            raise ValueError(msg)
        pairs.append((name.strip(), key.strip()))
    return pairs


def service_key_from(headers: Mapping[str, str] | Headers) -> str | None:
    """Return the key of X-Service-Key, else that of Authorization: Bearer, else None."""
    key = headers.get("X-Service-Key")
    if key is None:
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        key = credentials if scheme.lower() == "bearer" else None
    return key.strip() or None if key is not None else None


class ServiceKeys:
    """The keys that this service accepts.

    `keys` are pairs of name and key; `lookup`, where given, is asked with the hash of a key that is
    not among them and answers with its name or None (keys kept in the database).
    """

    def __init__(self, keys: Iterable[tuple[str, str]] = (), lookup: Lookup | None = None) -> None:
        self._hashes = [(name, hash_key(key)) for name, key in keys]
        self._lookup = lookup

    @classmethod
    def parse(cls, text: str, lookup: Lookup | None = None) -> Self:
        """Build from the text of SERVICE_KEYS."""
        return cls(parse_service_keys(text), lookup)

    def with_lookup(self, lookup: Lookup) -> "ServiceKeys":
        """Return the same keys with a lookup behind them."""
        fuller = ServiceKeys((), lookup)
        fuller._hashes = self._hashes
        return fuller

    def identify(self, key: str | None) -> str | None:
        """Return the name of the service that this key belongs to, None for a wrong one."""
        if not key or len(key) > _MAX_KEY_LENGTH:
            return None
        digest = hash_key(key)
        found: str | None = None
        for name, known in self._hashes:
            # No early end: how long it takes tells nothing about which key came close.
            if hmac.compare_digest(digest, known):
                found = name
        # A person's token comes in the same header and has dots, which kept keys have not: a token
        # that is not valid must not cost a query, nor fail when the database is away.
        if found is None and self._lookup is not None and "." not in key:
            found = self._lookup(digest)
        return found


def calling_service() -> str | None:
    """Return the name of the service whose key the current request carries, None without one.

    The answer is remembered for the rest of the request.
    """
    if "calling_service" not in g:
        g.calling_service = _keys().identify(service_key_from(request.headers))
    name: str | None = g.calling_service
    return name


def require_service_key(view: Callable[P, R]) -> Callable[P, R]:
    """Let only services in, and put the caller's name into `g.service_name`."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        name = calling_service()
        if name is None:
            raise ServiceKeyRefused
        g.service_name = name
        return view(*args, **kwargs)

    return note(guarded, access=Access("service"))


def _keys() -> ServiceKeys:
    keys = current_app.extensions["gateline"].service_keys
    assert isinstance(keys, ServiceKeys)  # noqa: S101 - tells the type checker what app.Parts holds
    return keys
