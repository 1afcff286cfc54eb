"""A service that fails, wholly or in part, under load: what the edge makes of it.

    python benchmarks/resilience.py [--clients 100] [--seconds 10] [--quick]

All four targets fail (busy, broken off, gone, each without and with the circuit breaker): how many
attempts the edge makes of a request. Then one of four fails in each of four ways: how many
requests fail before it is left out and afterwards, and how it comes back. Exits with 1 when
attempts exceed 1.25 a request or a request fails after the ejection.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Rig, RunningEdge, rig

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from failing_targets import Mode, Targets
from steady_load import Load

_MOST_ATTEMPTS = 1.25
_SETTLE_SECONDS = 1.1
_PATIENCE_SECONDS = 60.0
_BACK_SHARE = 0.2
_ALL: tuple[Mode, ...] = ("busy", "broken", "gone")
_ONE: tuple[Mode, ...] = ("busy", "broken", "gone", "hanging")
_FILE = """
[gateway]
platform = false
rate_limit = false
access_log = {access_log}

[services.shop]
urls = {urls}
timeout = "1s"
retries = {{ backoff = "100ms" }}
ejection = {{ base = "2s", slow_start = "3s" }}
{more}

[[routes]]
path = "/shop/*"
service = "shop"
auth = "none"
"""


def main() -> None:
    """Run all cases and print a line for each."""
    options = _options()
    problems: list[str] = []
    with rig() as ready, Targets(4) as targets:
        print(f"{options.clients} clients, {options.seconds:g} s each\n\nall four targets fail")
        for breaker in (False, True):
            for mode in _ALL:
                problems += _all_fail(ready, targets, mode, breaker, options)
        print("\none of four targets fails, GET")
        for mode in _ONE:
            problems += _one_fails(ready, targets, mode, options)
    if problems:
        sys.exit("\n".join(problems))


def _all_fail(
    ready: Rig, targets: Targets, mode: Mode, breaker: bool, options: argparse.Namespace
) -> list[str]:
    with _edge(ready, targets, "" if breaker else "breaker = false", access_log=True) as edge:
        targets.become(mode, delay=0.02)
        with Load(edge.port, clients=options.clients) as load:
            time.sleep(options.seconds)
        time.sleep(_SETTLE_SECONDS)
        attempts = [int(found) for found in re.findall(r"attempts=(\d+)", _log(edge))]
    requests = load.statuses().total()
    each = sum(attempts) / max(1, requests)
    with_breaker = "with breaker" if breaker else "without breaker"
    print(f"  {mode:<8} {with_breaker:<16} {requests:>7} requests, {each:.3f} attempts each")
    return [f"{mode}: {each:.3f} attempts a request"] if each > _MOST_ATTEMPTS else []


def _one_fails(ready: Rig, targets: Targets, mode: Mode, options: argparse.Namespace) -> list[str]:
    url = targets.urls[3]
    with _edge(ready, targets) as edge, Load(edge.port, clients=options.clients) as load:
        load.wait(lambda: load.statuses()[200] > options.clients)
        targets.become(mode, 3)
        failed = time.monotonic()
        ejected = load.wait(lambda: f"{url} of service shop is left out" in _log(edge))
        # Requests that hung there when it was left out come to their end within the time-out.
        settled = ejected + _SETTLE_SECONDS
        time.sleep(options.seconds)
        targets.become("well", 3)
        back = _seconds_until(lambda: _share(targets) > _BACK_SHARE)
    before, after = load.failures(until=settled), load.failures(since=settled)
    print(
        f"  {mode:<8} left out after {(ejected - failed) * 1000:4.0f} ms with {before} failed;"
        f" {after} failed of {load.statuses(since=settled).total()} afterwards;"
        f" its full share again {back:.1f} s after it was well"
    )
    return [f"one target {mode}: {after} failed after the ejection"] if after else []


def _share(targets: Targets) -> float:
    """Return the share of the requests that the last target gets just now."""
    targets.forget()
    time.sleep(0.5)
    return targets.all[3].requests / max(1, targets.requests)


def _seconds_until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + _PATIENCE_SECONDS:
            sys.exit("the target does not come back")
    return time.monotonic() - began


@contextmanager
def _edge(
    ready: Rig, targets: Targets, more: str = "", *, access_log: bool = False
) -> Iterator[RunningEdge]:
    targets.become("well")
    targets.forget()
    text = _FILE.format(urls=targets.urls, more=more, access_log=str(access_log).lower())
    with ready.edge(text) as edge:
        yield edge


def _log(edge: RunningEdge) -> str:
    return (edge.file.parent / "output.log").read_text(encoding="utf-8", errors="replace")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="20 clients, a second each")
    options = parser.parse_args()
    if options.quick:
        options.clients, options.seconds = 20, 1.0
    return options


if __name__ == "__main__":
    main()
