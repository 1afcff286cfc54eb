"""The limits of one route, ready to be asked on every request."""

from typing import Final

from gateline.edge.exchange import Exchange
from gateline.edge.limits.keys import key_of
from gateline.edge.limits.share import Share
from gateline.policy.gcra import LimitRule

_MOST_KEYS: Final = 50_000


class Counter:
    """One rule of one route, with the shares of all its keys on this edge.

    `name` keeps its keys apart from those of other rules in the store. At most `most_keys` are
    remembered, the ones that were asked for longest ago go first.
    """

    __slots__ = (
        "_most_keys",
        "_prefix",
        "admitted",
        "key_of",
        "limit_field",
        "name",
        "refused",
        "rule",
        "shares",
    )

    def __init__(self, name: str, rule: LimitRule, *, most_keys: int = _MOST_KEYS) -> None:
        self.name = name
        self.rule = rule
        self.key_of = key_of(rule)
        self.shares: dict[str, Share] = {}
        self.limit_field = (b"x-ratelimit-limit", b"%d" % rule.limit.requests)
        self.admitted = 0
        self.refused = 0
        self._most_keys = most_keys
        header = rule.header.decode("latin-1")
        self._prefix = f"{name}:{rule.by}{header}:{rule.limit.requests}/{rule.limit.seconds}:"

    def share(self, exchange: Exchange, now: float) -> Share:
        """Return the share of whom this request counts for, a new one at first."""
        key = self.key_of(exchange)
        share = self.shares.get(key)
        return share if share is not None else self.add(key, now)

    def add(self, key: str, now: float) -> Share:
        """Begin to count for a key."""
        if len(self.shares) >= self._most_keys:
            self._forget_oldest()
        share = self.shares[key] = Share(self._prefix + key, self.rule, now)
        return share

    def sweep(self, now: float) -> None:
        """Forget the keys of which nothing needs to be known any more."""
        gone = [key for key, share in self.shares.items() if share.is_forgettable(now)]
        for key in gone:
            del self.shares[key]

    def _forget_oldest(self) -> None:
        """Drop the oldest key that nobody waits for: what it holds ends by itself in the store."""
        for key, share in self.shares.items():
            if share.waiters is None:
                del self.shares[key]
                return
