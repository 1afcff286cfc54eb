"""The shared bucket with its leases, in plain Python: what the script in the store must do too."""

from dataclasses import dataclass, field

from gateline.policy.gcra import Bucket, Grant, Lease, take

LIFE = 10_000_000


@dataclass
class LeasedBucket:
    """Times are microseconds. `leases` holds for each edge how much it may hold, and until when."""

    interval: float
    burst: int
    bucket: Bucket = field(default_factory=Bucket)
    leases: dict[str, Lease] = field(default_factory=dict)

    def ask(
        self, edge: str, now: int, wanted: int, *, used: int = 0, returned: int = 0, owed: int = 0
    ) -> Grant:
        """Take some for an edge, which uses `used` of them at once."""
        own = self.leases.pop(edge, Lease(0, 0))
        self.bucket, grant = take(
            self.bucket,
            interval=self.interval,
            burst=self.burst,
            now=now,
            wanted=wanted,
            leases=[*self.leases.values(), own],
            returned=min(returned, own.count) if own.until > now else 0,
            owed=owed,
        )
        self.leases = {name: one for name, one in self.leases.items() if one.until > now}
        if grant.granted > used:
            self.leases[edge] = Lease(grant.granted - used, now + LIFE)
        return grant
