"""Edges that share one store and one gateway file with limits, each in a process of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from edge_people import edge_environment
from running_edge import START_SECONDS, RunningEdge

from gateline.local.engines import wait_until

_FILE = """\
[gateway]
platform = false
access_log = false

[services.shop]
url = "http://127.0.0.1:{port}"
"""
_ROUTE = """
[[routes]]
name = "{name}"
path = "/{name}"
service = "shop"
auth = "none"
rate_limit = {{ limit = "{limit}", burst = {burst}, by = "route" }}
"""


@contextmanager
def limited_edges(
    folder: Path,
    redis_url: str,
    upstream_port: int,
    limits: dict[str, tuple[str, int]],
    count: int,
    **more: str,
) -> Iterator[list[RunningEdge]]:
    """Run edges; `limits` gives rate and burst of the routes, whose paths are their names."""
    text = _FILE.format(port=upstream_port)
    for name, (limit, burst) in limits.items():
        text += _ROUTE.format(name=name, limit=limit, burst=burst)
    path = folder / "gateline.toml"
    path.write_text(text, encoding="utf-8")
    environment = edge_environment(redis_url, GATELINE_CONFIG=str(path), **more)
    with ExitStack() as stack:
        edges = [RunningEdge(folder, environment) for _ in range(count)]
        for edge in edges:
            stack.callback(edge.stop)
            edge.launch()
        for edge in edges:
            assert wait_until(edge.is_ready, seconds=START_SECONDS), edge.output
        yield edges


def store_operations(store: "redis.Redis") -> int:
    """Return how often the store has run a script by its hash: only limits do so here."""
    stats = store.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])
