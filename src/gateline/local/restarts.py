"""When to start a dead child again, and when to stop trying. Pure: the clock is handed in."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How patient to be: `delays` between the starts in a row of deaths, in seconds.

    A child that has answered for `settled` seconds has recovered, and its next death counts as the
    first one.
    """

    delays: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
    settled: float = 15.0


@dataclass(frozen=True, slots=True)
class Restarts:
    """The deaths in a row of one child."""

    policy: RestartPolicy = RestartPolicy()
    deaths: int = 0

    def after_death(self, *, ready_at: float | None, now: float) -> "Restarts":
        """Count a death of a child that answered since `ready_at` (None: never did)."""
        recovered = ready_at is not None and now - ready_at >= self.policy.settled
        return replace(self, deaths=1 if recovered else self.deaths + 1)

    @property
    def delay(self) -> float | None:
        """Seconds to wait before the next start; None to give up."""
        if self.deaths > len(self.policy.delays):
            return None
        return self.policy.delays[self.deaths - 1]

    @property
    def patient_delay(self) -> float:
        """Seconds to wait before the next start of a child that is never given up."""
        return self.policy.delays[min(self.deaths, len(self.policy.delays)) - 1]
