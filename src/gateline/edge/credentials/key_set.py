"""The public keys of an outside issuer (JWKS, RFC 7517), fetched when they are needed."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, OctKey
from joserfc.jwk import Key as JoseKey

_FRESH_SECONDS: Final = 600.0
_FIRST_SECONDS: Final = 5.0
_MOST_KEYS: Final = 100
_log = logging.getLogger(__name__)

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets the document at an address; raises FetchFailed."""


class FetchFailed(Exception):
    """The document could not be fetched."""


class KeysUnavailable(Exception):
    """No keys are known, and they cannot be fetched just now."""


class KeySet:
    """The keys at one address; `clock` gives seconds that only go forward.

    Who names a key that is not known causes one fetch, however many name it; then none for
    `cooldown` seconds, whatever is named: made-up names must not become load for the issuer. What
    was fetched stays good while the issuer is away. Used after ten minutes, it is renewed beside.
    """

    def __init__(
        self, url: str, fetch: Fetch, *, cooldown: float, clock: Callable[[], float]
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._cooldown = cooldown
        self._clock = clock
        self._keys: dict[str, list[JoseKey]] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self.version = 0

    async def candidates(self, kid: str | None) -> list[JoseKey]:
        """Return the keys that may have signed a token with this `kid` in its header.

        Without one it may be any. Raises KeysUnavailable when not one key is known.
        """
        found = self._find(kid)
        if not found:
            await self._renew()
            found = self._find(kid)
        elif self._clock() - self._fetched_at > _FRESH_SECONDS:
            self._begin()
        if not self._keys:
            raise KeysUnavailable
        return found

    def _find(self, kid: str | None) -> list[JoseKey]:
        if kid is not None:
            return self._keys.get(kid, [])
        return [key for several in self._keys.values() for key in several]

    async def _renew(self) -> None:
        task = self._begin()
        if task is not None:
            # One request that is given up must not take the answer away from the others.
            await asyncio.shield(task)

    def _begin(self) -> asyncio.Task[None] | None:
        """Start fetching unless the last time was too short ago; return what is under way."""
        # Who has nothing at all asks again sooner: every token is refused until then.
        pause = self._cooldown if self._keys else min(self._cooldown, _FIRST_SECONDS)
        if self._fetching is None and self._clock() - self._tried_at >= pause:
            self._tried_at = self._clock()
            self._fetching = asyncio.ensure_future(self._load())
        return self._fetching

    async def _load(self) -> None:
        try:
            keys = read_keys(await self._fetch(self._url))
        except FetchFailed as error:
            _log.warning("the keys at %s cannot be fetched (%s)", self._url, error)
        except ValueError as error:
            _log.warning("what is at %s is no key set (%s)", self._url, error)
        else:
            self._keys = keys
            self._fetched_at = self._clock()
            self.version += 1
        finally:
            self._fetching = None


def read_keys(document: bytes) -> dict[str, list[JoseKey]]:
    """Return the signing keys of a key set by `kid`; raise ValueError when it has none.

    Secrets (`oct`) and keys for encryption are left out, as is what cannot be read: an issuer may
    publish kinds that we do not know (RFC 7517, section 5).
    """
    try:
        members = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError("no JSON object with keys") from error
    if not isinstance(members, list):
        raise ValueError("`keys` is no list")  # noqa: TRY004 - the document is wrong, not a call
    keys: dict[str, list[JoseKey]] = {}
    for member in members[:_MOST_KEYS]:
        key = _read(member)
        if key is not None:
            keys.setdefault(str(key.kid or ""), []).append(key)
    if not keys:
        raise ValueError("no key in it can verify a signature")
    return keys


def _read(member: Any) -> JoseKey | None:
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(member)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if isinstance(key, OctKey) else key
