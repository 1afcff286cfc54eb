"""Where answers are kept: one worker's memory, bounded by bytes.

What was not used for longest goes first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from gateline.policy.caching import Freshness
from gateline.policy.headers import Headers
from gateline.policy.routes import Route
from gateline.policy.services import Service

Key = tuple[str, bytes, str, bytes]
"""Scheme, Host, path and query: what one answer's address is made of."""

Selected = tuple[tuple[bytes, bytes], ...]
"""The request headers, with their values, that tell the answers of one address apart."""

_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_ANSWER_BYTES: Final = 1024 * 1024
_MOST_VARIANTS: Final = 16
_OVERHEAD_BYTES: Final = 1024


@dataclass(slots=True, eq=False)
class Stored:
    """An answer that is kept; `headers` are as the upstream sent them, as far as they may pass.

    `encoded` holds the compressed forms of the body that were asked for, by coding. `counted` is
    what the storage counts for it (-1: it is kept no longer), with so many `codings`.
    """

    route: Route
    service: Service | None
    status: int
    headers: Headers
    body: bytes
    freshness: Freshness
    names: frozenset[bytes]
    selected: Selected
    encoded: dict[bytes, bytes] = field(default_factory=dict)
    codings: int = 0
    counted: int = 0

    def weigh(self) -> int:
        """Return about how many bytes of memory it takes."""
        lines = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.body) + sum(map(len, self.encoded.values())) + lines + _OVERHEAD_BYTES


class Storage:
    """Keeps answers by address, at most 16 of one; `clock` gives epoch seconds."""

    def __init__(
        self,
        *,
        most_bytes: int = _MOST_BYTES,
        most_answer_bytes: int = _MOST_ANSWER_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.most_answer_bytes = most_answer_bytes
        self.clock = clock
        self._most_bytes = most_bytes
        self._stored: OrderedDict[Key, list[Stored]] = OrderedDict()
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        """Return how many addresses have an answer."""
        return len(self._stored)

    def at(self, key: Key) -> Iterable[Stored]:
        """Return what is kept for an address, the newest first (RFC 9111, section 4)."""
        return reversed(self._stored.get(key, ()))

    def use(self, key: Key) -> None:
        """Note that an address was asked for."""
        self._stored.move_to_end(key)

    def put(self, key: Key, stored: Stored, follows: Callable[[Stored], bool]) -> None:
        """Keep an answer in the place of those that it follows."""
        variants = self._stored.setdefault(key, [])
        for other in list(variants):
            if other.route.name == stored.route.name and follows(other):
                _remove(variants, other, self)
        variants.append(stored)
        if len(variants) > _MOST_VARIANTS:
            _remove(variants, variants[0], self)
        self._stored.move_to_end(key)
        self.weigh(stored)

    def renew(self, key: Key, stored: Stored) -> None:
        """Make an answer the newest of its address, if it is still kept."""
        if stored.counted >= 0:
            variants = self._stored[key]
            variants.remove(stored)
            variants.append(stored)

    def weigh(self, stored: Stored) -> None:
        """Count an answer's bytes anew, if they are others, and make room."""
        if stored.counted < 0 or (stored.counted and stored.codings == len(stored.encoded)):
            return  # dropped meanwhile, or as it was
        stored.codings = len(stored.encoded)
        weight = stored.weigh()
        self.bytes += weight - stored.counted
        stored.counted = weight
        while self.bytes > self._most_bytes and self._stored:
            self.discard(next(iter(self._stored)))
            self.evicted += 1

    def drop(self, key: Key, stored: Stored) -> None:
        """Forget one answer of an address, if it is still kept."""
        if stored.counted >= 0:
            variants = self._stored[key]
            _remove(variants, stored, self)
            if not variants:
                del self._stored[key]

    def discard(self, key: Key) -> None:
        """Forget what is kept for an address."""
        variants = self._stored.pop(key, [])
        for stored in list(variants):
            _remove(variants, stored, self)


def _remove(variants: list[Stored], stored: Stored, storage: Storage) -> None:
    variants.remove(stored)
    storage.bytes -= stored.counted
    stored.counted = -1
