"""Which answers of a route a shared cache may keep (RFC 9111)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheRule:
    """Keep answers that the upstream allows to share, at most `most_seconds`.

    `default_seconds` is the freshness of an answer that names none; `vary_on` are request headers
    (lower case) that tell answers apart besides those that the answer's Vary lists.
    """

    default_seconds: int = 0
    most_seconds: int = 3600
    vary_on: frozenset[bytes] = frozenset()
