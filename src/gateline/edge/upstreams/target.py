"""One endpoint of a service as requests see it: its connections, its load, its standing."""

from gateline.edge.upstream import Pool
from gateline.policy.ejection import HealthTally, Outlier


class Target:
    """An endpoint; `name` is its address as logs and metrics show it.

    `outlier` keeps its failures where the service has an ejection policy, `tally` what active
    health checks found where it has those.
    """

    __slots__ = ("name", "outlier", "pool", "tally", "weight")

    def __init__(
        self,
        name: str,
        pool: Pool,
        weight: int = 1,
        outlier: Outlier | None = None,
        tally: HealthTally | None = None,
    ) -> None:
        self.name = name
        self.pool = pool
        self.weight = weight
        self.outlier = outlier
        self.tally = tally

    @property
    def is_ejected(self) -> bool:
        """Tell whether its failures keep it out at present."""
        return self.outlier is not None and self.outlier.is_out

    @property
    def is_healthy(self) -> bool:
        """Tell whether active health checks find it healthy, which without any it is."""
        return self.tally is None or self.tally.healthy

    @property
    def is_available(self) -> bool:
        """Tell whether it may have new requests."""
        return self.weight > 0 and self.is_healthy and not self.is_ejected

    @property
    def state(self) -> str:
        """Say how it stands: `available`, `ejected`, `unhealthy` or `drained` (weight 0)."""
        if self.weight <= 0:
            return "drained"
        if not self.is_healthy:
            return "unhealthy"
        return "ejected" if self.is_ejected else "available"

    def effective_weight(self, now: float) -> float:
        """Return its weight, less while it is eased back in."""
        return self.weight if self.outlier is None else self.weight * self.outlier.share(now)
