"""The shared bucket with its leases, in plain Python: what the script in the store must do too."""

from dataclasses import dataclass, field

from gateline.policy.gcra import Bucket, Grant, take

LIFE = 3_000_000


@dataclass
class LeasedBucket:
    """Times are microseconds. `leases` holds for each edge how much it may hold, and until when."""

    interval: float
    burst: int
    bucket: Bucket = field(default_factory=Bucket)
    leases: dict[str, tuple[int, int]] = field(default_factory=dict)

    def ask(
        self, edge: str, now: int, wanted: int, *, used: int = 0, returned: int = 0, owed: int = 0
    ) -> Grant:
        """Take some for an edge, which uses `used` of them at once."""
        live = {name: one for name, one in self.leases.items() if one[1] > now}
        own = live.pop(edge, (0, 0))[0]
        held = sum(count for count, _ in live.values())
        self.bucket, grant = take(
            self.bucket,
            interval=self.interval,
            burst=self.burst,
            now=now,
            wanted=wanted,
            returned=min(returned, own),
            held=held,
            owed=owed,
        )
        self.leases = live
        if grant.granted > used:
            self.leases[edge] = (grant.granted - used, now + LIFE)
        return grant
