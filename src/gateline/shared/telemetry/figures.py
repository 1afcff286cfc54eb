"""Figures of traffic that can be added up: counts, time, a histogram of durations."""

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, Self

BOUNDS_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
"""Upper bounds of the histogram's buckets; one more bucket holds what took longer."""
BUCKETS: Final = len(BOUNDS_MS) + 1

ALL: Final = "all"
"""The scope of figures of all services together; no service has that name."""
_COUNTS: Final = ("requests", "errors_4xx", "errors_5xx", "duration_us_sum")
_NO_BUCKETS: Final = (0,) * BUCKETS


def bucket_of(milliseconds: float) -> int:
    """Return the index of the bucket in which a duration is counted."""
    return bisect.bisect_left(BOUNDS_MS, milliseconds)


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened to some requests. `errors_4xx` counts refusals too, by their status."""

    requests: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    duration_us_sum: int = 0
    buckets: tuple[int, ...] = _NO_BUCKETS

    def __add__(self, other: Self) -> "Figures":
        return Figures(
            self.requests + other.requests,
            self.errors_4xx + other.errors_4xx,
            self.errors_5xx + other.errors_5xx,
            self.duration_us_sum + other.duration_us_sum,
            tuple(map(sum, zip(self.buckets, other.buckets, strict=True))),
        )

    @property
    def mean_ms(self) -> float | None:
        """The mean duration, None without a request."""
        return self.duration_us_sum / 1000 / self.requests if self.requests else None

    @property
    def error_share(self) -> float:
        """The share of requests that ended with a status of 500 or more, 0 to 1."""
        return self.errors_5xx / self.requests if self.requests else 0.0

    def quantile_ms(self, share: float) -> float | None:
        """Return the duration that this share (0 to 1) does not exceed, None without a request.

        Interpolated within its bucket, so true only to the bucket's width.
        """
        rank = share * sum(self.buckets)
        below = 0
        for index, count in enumerate(self.buckets):
            if count and below + count >= rank:
                low = BOUNDS_MS[index - 1] if index else 0
                high = BOUNDS_MS[index] if index < len(BOUNDS_MS) else low
                return low + (high - low) * (rank - below) / count
            below += count
        return None

    def counts(self) -> dict[str, int]:
        """Return what is not zero, by the names under which it is stored."""
        named = {name: int(getattr(self, name)) for name in _COUNTS}
        named |= {f"bucket_{index}": count for index, count in enumerate(self.buckets)}
        return {name: count for name, count in named.items() if count}

    @classmethod
    def of_counts(cls, counts: Mapping[str, Any]) -> "Figures":
        """Read what `counts` returned; what is not there is zero."""
        return cls(
            **{name: int(counts.get(name, 0)) for name in _COUNTS},
            buckets=tuple(int(counts.get(f"bucket_{index}", 0)) for index in range(BUCKETS)),
        )


def total(figures: Iterable[Figures]) -> Figures:
    """Return all figures added up."""
    return reduce(Figures.__add__, figures, Figures())


@dataclass(frozen=True, slots=True)
class Minute:
    """What all edges did in one minute; `at` is its start in epoch seconds.

    `by_service` is keyed by the upstream service; `edge` is what the edge answered itself.
    """

    at: int
    total: Figures = field(default_factory=Figures)
    by_service: Mapping[str, Figures] = field(default_factory=dict)

    def fields(self) -> dict[str, int]:
        """Return what is added to the minute's hash."""
        scopes = {ALL: self.total, **self.by_service}
        return {
            f"{scope}:{name}": count
            for scope, figures in scopes.items()
            for name, count in figures.counts().items()
        }

    @classmethod
    def of_fields(cls, at: int, fields: Mapping[str, str]) -> "Minute":
        """Read the minute's hash."""
        scopes: dict[str, dict[str, str]] = {}
        for name, count in fields.items():
            scope, _, figure = name.rpartition(":")
            scopes.setdefault(scope, {})[figure] = count
        by_scope = {scope: Figures.of_counts(counts) for scope, counts in scopes.items()}
        return cls(at, by_scope.pop(ALL, Figures()), by_scope)


@dataclass(frozen=True, slots=True)
class Second:
    """What one edge did in one second; `at` in ISO 8601 with `Z`, `edge` names the process.

    `p50_ms` and `p99_ms` are exact for this edge and second; None without a request.
    """

    at: str
    edge: str
    in_flight: int = 0
    total: Figures = field(default_factory=Figures)
    by_service: Mapping[str, Figures] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None

    def event(self) -> dict[str, Any]:
        """Return it as told on the live channel; `errors` are answers of status 500 and more."""
        return {
            "type": "traffic",
            "at": self.at,
            "edge": self.edge,
            "requests": self.total.requests,
            "errors": self.total.errors_5xx,
            "errors_4xx": self.total.errors_4xx,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "in_flight": self.in_flight,
            "by_service": {
                name: {
                    "requests": figures.requests,
                    "errors": figures.errors_5xx,
                    "errors_4xx": figures.errors_4xx,
                    "mean_ms": round(figures.mean_ms or 0.0, 3),
                }
                for name, figures in self.by_service.items()
            },
            "counts": self.total.counts(),
        }


def figures_of_event(event: Mapping[str, Any]) -> Figures:
    """Return the figures in a traffic event, to be added to those of other edges and seconds."""
    return Figures.of_counts(event.get("counts", {}))
