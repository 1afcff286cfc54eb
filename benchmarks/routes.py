"""Measure what the number of routes costs: CPU per request with 10 and with 10,000 of them.

    python benchmarks/routes.py [--many 10000] [--rounds 30] [--seconds 1] [--quick]

Both edges run on the first core, the upstream and the load on the others, in turn. Requests go to
all routes alike. Fails when many routes cost over 10 % more.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rig import RunningEdge, rig

_FEW = 10
_MOST_SHARE = 1.10
_OTHER_CORES = f"1-{max(1, (os.cpu_count() or 2) - 1)}"
_SCRIPT = """
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", "/team-" .. math.random({most}) .. "/orders/" .. number)
end
"""


def main() -> None:
    """Run the rounds and print both medians."""
    options = _options()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed for the load: install it (apt-get install wrk)")
    counts = (_FEW, options.many)
    costs: dict[int, list[float]] = {count: [] for count in counts}
    with rig(core=_OTHER_CORES) as ready:
        few, many = (gateway_file(count, ready.upstream) for count in counts)
        with ready.edge(few, core="0") as one, ready.edge(many, core="0") as other:
            edges = dict(zip(counts, (one, other), strict=True))
            for edge, count in ((one, _FEW), (other, options.many)):
                _load(edge, count, min(2, options.seconds))
            for number in range(options.rounds):
                for count in counts if number % 2 else reversed(counts):
                    costs[count].append(_cost(edges[count], count, options.seconds))
            memory = {count: edge.memory_mb() for count, edge in edges.items()}
    medians = {count: statistics.median(costs[count]) for count in counts}
    for count in counts:
        least, most = min(costs[count]), max(costs[count])
        print(
            f"{count:>6} routes: {medians[count]:.1f} µs ({least:.1f} to {most:.1f}), "
            f"{memory[count]:.0f} MB"
        )
    # Neighbours on the machine come and go: each round compares what ran side by side.
    pairs = zip(costs[options.many], costs[_FEW], strict=True)
    share = statistics.median(much / little for much, little in pairs)
    print(f"{options.many} routes cost {share:.3f} times what {_FEW} do")
    if share > _MOST_SHARE and not options.quick:
        sys.exit(f"that is more than {_MOST_SHARE}")


def gateway_file(count: int, upstream: str) -> str:
    """Return a gateway file with this many routes to one service."""
    head = (
        f'[gateway]\nplatform = false\nrate_limit = false\n\n[services.shop]\nurl = "{upstream}"\n'
    )
    routes = (
        f'\n[[routes]]\nname = "team-{number}"\npath = "/team-{number}/*"\n'
        'service = "shop"\nauth = "none"\n'
        for number in range(1, count + 1)
    )
    return head + "".join(routes)


def _cost(edge: RunningEdge, count: int, seconds: int) -> float:
    """Return the CPU microseconds of one request."""
    before = edge.cpu_seconds()
    answered = _load(edge, count, seconds)
    return (edge.cpu_seconds() - before) / answered * 1e6


def _load(edge: RunningEdge, count: int, seconds: int) -> int:
    """Ask all routes alike; return how many requests were answered."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "ask.lua"
        script.write_text(_SCRIPT.format(most=count))
        command = [
            *("taskset", "-c", _OTHER_CORES, "wrk", "-t1", "-c32", f"-d{seconds}s"),
            *("-s", str(script), edge.url),
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"some requests failed: these figures mean nothing\n{output}")
    found = re.search(r"(\d+) requests in", output)
    if found is None:
        sys.exit(f"wrk printed no count:\n{output}")
    return int(found[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="Show that it works, in seconds.")
    options = parser.parse_args()
    if options.quick:
        options.many, options.rounds, options.seconds = 2_000, 1, 1
    return options


if __name__ == "__main__":
    main()
