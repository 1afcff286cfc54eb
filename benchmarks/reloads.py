"""Read the gateway file anew under load, again and again: nothing fails, and nobody notices.

    python benchmarks/reloads.py [--reloads 100] [--routes 1000] [--quick]

Clients with open connections, and others that open one for each request, ask all routes at a
steady pace: while nothing changes, then while the file changes, then while nothing changes again.
Every version says its number in a header of each answer: no client may see it go back. Fails when
a request fails, or when the 99th percentile of a quarter of the changes is above all those of the
quiet times by more than these differ among each other.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import uvloop

from rig import Rig, RunningEdge, rig

_KEEPERS, _OPENERS = 12, 4
_PAUSE_SECONDS = 0.03
_SETTLE_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0
_WARM_SECONDS = 3.0
_LEAST_NOISE_MS = 1.0
_QUIET = ("before", "still before", "after", "long after")
_CHANGING = ("1st", "2nd", "3rd", "4th")
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
    version: str = ""


def main() -> None:
    """Run it and print what the clients saw, in the quiet times and quarter by quarter."""
    options = _options()
    with rig() as ready, ready.edge(gateway_file(0, options.routes, ready.upstream)) as edge:
        found, marks, before = uvloop.run(_run(ready, edge, options))
        memory = edge.memory_mb()
    print(
        f"{len(found.answers)} requests, {options.reloads} reloads of {options.routes} routes, ",
        end="",
    )
    print(f"{len(found.failures)} failed, {before:.0f} MB before and {memory:.0f} MB afterwards")
    if found.failures:
        sys.exit("\n".join(found.failures[:20]))
    phases = _phases(found, marks)
    for name, took in phases.items():
        print(
            f"{name:>12}: p50 {_share(took, 0.5):.2f} ms, p99 {_share(took, 0.99):.2f} ms, "
            f"longest {max(took):.2f} ms ({len(took)} requests)"
        )
    quiet = [_share(phases[name], 0.99) for name in _QUIET]
    most = max(quiet) + max(max(quiet) - min(quiet), _LEAST_NOISE_MS)
    worst = max(_share(phases[name], 0.99) for name in _CHANGING)
    print(
        f"the worst quarter has p99 {worst:.2f} ms; the quiet times and their noise: {most:.2f} ms"
    )
    if worst > most and not options.quick:
        sys.exit("the 99th percentile has a step while versions change")


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
) -> tuple[Found, list[float], float]:
    """Return what the clients saw, when each phase began, and the megabytes before all changes."""
    # Made beforehand: what this process does besides would slow its clients.
    texts = [
        gateway_file(number + 1, options.routes, ready.upstream)
        for number in range(options.reloads)
    ]
    found, over = Found(), asyncio.Event()
    clients = [
        asyncio.create_task(_ask(edge.port, options.routes, found, over, keep=number < _KEEPERS))
        for number in range(_KEEPERS + _OPENERS)
    ]
    clients.append(asyncio.create_task(_watch(edge.port, found, over)))
    await asyncio.sleep(options.warm)
    memory = edge.memory_mb()
    marks = await _be_quiet(options.around)
    for number, text in enumerate(texts):
        if number % max(1, options.reloads // 4) == 0 and len(marks) < 6:
            marks.append(time.monotonic())
        version = edge.write(text)
        edge.reload()
        await _until_serving(found, version)
        await asyncio.sleep(_SETTLE_SECONDS)
    marks += await _be_quiet(options.around)
    marks.append(time.monotonic())
    over.set()
    await asyncio.gather(*clients)
    return found, marks, memory


async def _be_quiet(seconds: float) -> list[float]:
    """Change nothing for two times as many seconds; return when each of them began."""
    marks = []
    for _ in range(2):
        marks.append(time.monotonic())
        await asyncio.sleep(seconds)
    return marks


async def _watch(port: int, found: Found, over: asyncio.Event) -> None:
    """Note which version serves; ask all the time, so that the quiet times have as much to do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not over.is_set():
        _, _, body = await _exchange(reader, writer, port, "/health", keep=True)
        found.version = json.loads(body)["config"]["version"]
        await asyncio.sleep(_SETTLE_SECONDS)
    writer.close()


async def _until_serving(found: Found, version: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while found.version != version:
        if time.monotonic() > end:
            sys.exit("the new version never came")
        await asyncio.sleep(_SETTLE_SECONDS / 10)


async def _ask(port: int, routes: int, found: Found, over: asyncio.Event, *, keep: bool) -> None:
    """Ask until it is over, on one connection or each time on a new one."""
    pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    seen = 0
    while not over.is_set():
        path = f"/team-{_draw.randrange(routes)}/orders"
        asked = time.monotonic()
        try:
            pair = pair or await asyncio.open_connection("127.0.0.1", port)
            status, fields, _ = await _exchange(*pair, port, path, keep=keep)
            version = int(fields["x-version"])
        except (OSError, EOFError, KeyError, ValueError) as error:
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
) -> tuple[int, dict[str, str], bytes]:
    """Send one request; return the answer's status, headers (in lower case) and body."""
    close = "" if keep else "Connection: close\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{close}\r\n".encode())
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(fields["content-length"]))
    return int(lines[0].split(" ")[1]), fields, body


def _phases(found: Found, marks: Iterable[float]) -> dict[str, list[float]]:
    """Return the milliseconds of each phase; what was asked for before the first is left out."""
    names = (*_QUIET[:2], *_CHANGING, *_QUIET[2:])
    return {
        name: [one.took_ms for one in found.answers if start <= one.at < end]
        for name, (start, end) in zip(names, pairwise(marks), strict=True)
    }


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument(
        "--around", type=float, default=10.0, help="Seconds of each of the four quiet times."
    )
    parser.add_argument("--quick", action="store_true", help="Show that it works, in seconds.")
    options = parser.parse_args()
    if options.quick:
        options.reloads, options.routes, options.around = 8, 200, 0.5
    options.warm = 0.5 if options.quick else _WARM_SECONDS
    return options


if __name__ == "__main__":
    main()
