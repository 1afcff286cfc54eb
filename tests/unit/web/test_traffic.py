"""From the telemetry of several edges to points of a chart."""

from typing import Any

from gateline.web.traffic import merged_seconds


def event(at: str, edge: str = "one", **values: Any) -> dict[str, Any]:
    """Return a traffic event of two requests that took about 4 ms."""
    counts = {"requests": 2, "duration_us_sum": 8000, "bucket_2": 2}
    return {"at": at, "edge": edge, "p50_ms": 3.5, "p99_ms": 4.5, "counts": counts, **values}


def test_a_second_of_one_edge_keeps_its_exact_quantiles() -> None:
    """What one edge measured exactly is not rounded to its histogram."""
    (point,) = merged_seconds([event("2026-01-02T03:04:05Z")])
    assert (point.requests, point.p50_ms, point.p99_ms) == (2, 3.5, 4.5)


def test_edges_are_added_up_by_second() -> None:
    """Two edges in one second make one point, whatever their milliseconds, in order of time."""
    points = merged_seconds(
        [
            event("2026-01-02T03:04:06Z"),
            event("2026-01-02T03:04:05.100Z"),
            event("2026-01-02T03:04:05.900Z", "two"),
        ]
    )
    assert [(point.at.second, point.requests) for point in points] == [(5, 4), (6, 2)]
    assert points[0].mean_ms == 4


def test_what_has_no_time_is_left_out() -> None:
    """Anybody with access to the store may have written there."""
    assert merged_seconds([event("yesterday"), {}]) == []
