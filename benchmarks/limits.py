"""Two edges, one limit, 20,000 requests at once: how many are admitted, and what asking costs.

    python benchmarks/limits.py [--requests 20000] [--connections 400] [--edges 2] [--quick]

Three limits are pressed, one after the other, by everybody together: one of which all may come at
once, one with a small burst and a fast rate, and one as fast as the requests come. Each must admit
no more than its rate in the time that it was pressed plus its burst, and no fewer than the burst.
Exits with 1 when one does not, or when a limit costs more than one store operation in ten requests.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import redis

_ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(_ROOT / "tests" / "support"))

from limit_load import press  # noqa: E402 - found on the path that the line above adds
from limited_edges import limited_edges, store_operations  # noqa: E402 - as above
from running_edge import free_port  # noqa: E402 - as above

from gateline.local.engines import Valkey, running  # noqa: E402 - as above
from gateline.policy.limits import Limit  # noqa: E402 - as above

_LIMITS = {
    "whole-at-once": ("5000/hour", 5000),
    "small-burst": ("12000/minute", 300),
    "as-fast-as-they-come": ("500000/minute", 20_000),
}
_ROW = "{:<22}{:>14}{:>8}{:>9}{:>10}{:>11}{:>11}{:>10}{:>13}"


def main() -> int:
    """Press each limit and print a line for it."""
    options = _options()
    total = 4000 if options.quick else options.requests
    with tempfile.TemporaryDirectory(prefix="gateline-limits-") as name:
        folder = Path(name)
        engine = Valkey(folder / "valkey", folder / "run")
        upstream_port = free_port()
        upstream = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "upstream.py"), str(upstream_port)]
        )
        try:
            with (
                running(engine),
                limited_edges(folder, engine.url(), upstream_port, _LIMITS, options.edges) as edges,
            ):
                store = redis.Redis.from_url(engine.url())
                ports = [edge.port for edge in edges]
                print(_ROW.format(*_COLUMNS))
                rows = [_press(store, ports, name, total, options.connections) for name in _LIMITS]
                return 0 if all(rows) else 1
        finally:
            upstream.terminate()
            upstream.wait()


_COLUMNS = (
    "limit",
    "rate",
    "burst",
    "seconds",
    "requests",
    "admitted",
    "at most",
    "asked",
    "per request",
)


def _press(store: redis.Redis, ports: list[int], name: str, total: int, connections: int) -> bool:
    """Press one limit; tell whether it held and was cheap."""
    rate, burst = _LIMITS[name]
    limit = Limit.parse(rate)
    before = store_operations(store)
    pressed = press(ports, f"/{name}", total=total, connections=connections)
    asked = store_operations(store) - before
    most = burst + pressed.seconds * limit.requests / limit.seconds + 1
    sent = pressed.statuses.total()
    print(
        _ROW.format(
            name,
            rate,
            burst,
            f"{pressed.seconds:.2f}",
            sent,
            pressed.admitted,
            f"{most:.1f}",
            asked,
            f"{asked / sent:.4f}",
        )
    )
    return min(burst, total) <= pressed.admitted <= most and asked <= sent / 10 and sent == total


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=400)
    parser.add_argument("--edges", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="4,000 requests for each limit")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
