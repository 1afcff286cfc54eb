"""Read the gateway file anew under load, again and again: nothing fails, and nobody notices.

    python benchmarks/reloads.py [--reloads 100] [--routes 1000] [--quick]

Clients with open connections, and others that open one for each request, ask all routes at a
steady pace while the file changes. Every version says its number in a header of each answer: no
client may see it go back. Fails when a request fails, or when the 99th percentile grows from the
first to the last quarter.
"""

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise

import uvloop

from rig import Rig, RunningEdge, rig

_KEEPERS, _OPENERS = 12, 4
_PAUSE_SECONDS = 0.03
_SETTLE_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0
_MOST_GROWTH, _NOISE_MS = 2.0, 5.0
_draw = random.Random()  # noqa: S311 - which route to ask, and when


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: when it was asked for, and how many milliseconds it took."""

    at: float
    took_ms: float


@dataclass(slots=True)
class Found:
    """What all clients saw."""

    answers: list[Answered] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> None:
    """Run it and print what the clients saw, quarter by quarter."""
    options = _options()
    with rig() as ready, ready.edge(gateway_file(0, options.routes, ready.upstream)) as edge:
        found, marks = uvloop.run(_run(ready, edge, options))
        memory = edge.memory_mb()
    print(f"{len(found.answers)} requests during {options.reloads} reloads, ", end="")
    print(f"{len(found.failures)} failed, {memory:.0f} MB afterwards")
    if found.failures:
        sys.exit("\n".join(found.failures[:20]))
    quarters = _quarters(found, marks)
    for name, took in quarters.items():
        print(f"{name:>8}: p50 {_share(took, 0.5):.2f} ms, p99 {_share(took, 0.99):.2f} ms")
    first, last = (_share(quarters[name], 0.99) for name in ("1st", "4th"))
    if last > first * _MOST_GROWTH + _NOISE_MS and not options.quick:
        sys.exit("the 99th percentile grew from the first to the last quarter")


def gateway_file(version: int, routes: int, upstream: str) -> str:
    """Return the gateway file of a version; each answer says which it is."""
    head = (
        f'[gateway]\nplatform = false\nrate_limit = false\n\n[services.shop]\nurl = "{upstream}"\n'
    )
    return head + "".join(
        f'\n[[routes]]\nname = "team-{number}"\npath = "/team-{number}/*"\nservice = "shop"\n'
        f'auth = "none"\nresponse_headers = {{ set = {{ X-Version = "{version}" }} }}\n'
        for number in range(routes)
    )


async def _run(
    ready: Rig, edge: RunningEdge, options: argparse.Namespace
) -> tuple[Found, list[float]]:
    """Return what the clients saw, and the times at which the quarters of the reloads began."""
    found, over = Found(), asyncio.Event()
    clients = [
        asyncio.create_task(_ask(edge.port, options.routes, found, over, keep=number < _KEEPERS))
        for number in range(_KEEPERS + _OPENERS)
    ]
    await asyncio.sleep(options.around)
    marks = []
    for number in range(options.reloads):
        if number % max(1, options.reloads // 4) == 0 and len(marks) < 4:
            marks.append(time.monotonic())
        version = edge.write(gateway_file(number + 1, options.routes, ready.upstream))
        edge.reload()
        await _until_serving(edge, version)
        await asyncio.sleep(_SETTLE_SECONDS)
    marks.append(time.monotonic())
    await asyncio.sleep(options.around)
    over.set()
    await asyncio.gather(*clients)
    return found, marks


async def _until_serving(edge: RunningEdge, version: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while await asyncio.to_thread(edge.version) != version:
        if time.monotonic() > end:
            sys.exit("the new version never came")
        await asyncio.sleep(_SETTLE_SECONDS)


async def _ask(port: int, routes: int, found: Found, over: asyncio.Event, *, keep: bool) -> None:
    """Ask until it is over, on one connection or each time on a new one."""
    pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    seen = 0
    while not over.is_set():
        path = f"/team-{_draw.randrange(routes)}/orders"
        asked = time.monotonic()
        try:
            pair = pair or await asyncio.open_connection("127.0.0.1", port)
            status, version = await _exchange(*pair, port, path, keep=keep)
        except (OSError, EOFError, ValueError) as error:
            found.failures.append(f"{path}: {type(error).__name__} {error}")
            pair = None
            continue
        if status != 200 or version < seen:
            found.failures.append(f"{path}: status {status}, version {version} after {seen}")
        seen = max(seen, version)
        found.answers.append(Answered(asked, (time.monotonic() - asked) * 1000))
        if not keep:
            pair[1].close()
            pair = None
        await asyncio.sleep(_draw.uniform(0.5, 1.5) * _PAUSE_SECONDS)
    if pair is not None:
        pair[1].close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, path: str, *, keep: bool
) -> tuple[int, int]:
    """Send one request; return the answer's status and version."""
    close = "" if keep else "Connection: close\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{close}\r\n".encode())
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
    return int(lines[0].split(" ")[1]), int(fields["x-version"])


def _quarters(found: Found, marks: list[float]) -> dict[str, list[float]]:
    """Return the milliseconds before the reloads, in each quarter of them, and afterwards."""
    bounds = [0.0, *marks, float("inf")]
    names = ("before", "1st", "2nd", "3rd", "4th", "after")
    return {
        name: [one.took_ms for one in found.answers if start <= one.at < end]
        for name, (start, end) in zip(names, pairwise(bounds), strict=True)
    }


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument("--around", type=float, default=3.0, help="Seconds before and after.")
    parser.add_argument("--quick", action="store_true", help="Show that it works, in seconds.")
    options = parser.parse_args()
    if options.quick:
        options.reloads, options.routes, options.around = 8, 200, 0.5
    return options


if __name__ == "__main__":
    main()
