"""Replace the workers of an edge under load and see who notices.

    python benchmarks/rolling.py [--replacements 5] [--workers 2] [--quick]

Some clients reuse their connection, others open one for each request, both as fast as they can;
sockets are open meanwhile. Shown as it is, and what becomes of it when the kernel is not told to
send new connections to the new workers: as the system is set up, and with
`net.ipv4.tcp_migrate_req` (Linux 5.14) the other way round, which root may try.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from rig import Rig, RunningEdge, free_port, process, rig, wait_until_answered
from socket_client import SocketClient, open_socket

_HERE = Path(__file__).parent
_SETTING = Path("/proc/sys/net/ipv4/tcp_migrate_req")
_KEEPERS, _OPENERS, _SOCKETS = 8, 8, 100
_ROUND_SECONDS = 9.0
_REQUEST = b"GET /shop/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_FILE = """
[gateway]
platform = false
rate_limit = false

[services.shop]
url = "{shop}"

[services.live]
url = "http://127.0.0.1:{live}"

[[routes]]
path = "/shop/*"
service = "shop"
auth = "none"

[[routes]]
path = "/live"
service = "live"
auth = "none"
"""


class Seen:
    """What the clients saw."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.closed: Counter[int | None] = Counter()
        self.over = False


def main() -> None:
    """Run all variants and print a table; exit with 1 when a reused connection failed."""
    options = _options()
    live, lost = free_port(), 0
    with rig() as ready:
        command = [sys.executable, str(_HERE / "socket_upstream.py"), str(live)]
        with process(command, dict(os.environ), ready.folder, None):
            wait_until_answered(f"http://127.0.0.1:{live}/", ready.folder)
            print(
                f"{options.replacements} replacements of {options.workers} workers; failed of all"
            )
            print("| variant | reused connections | new connections | sockets closed with |")
            print("|---|---|---|---|")
            for name, steered, migrate in _variants(options):
                with _migrating(migrate):
                    seen = _measure(ready, live, options, steered=steered)
                _print(name, seen)
                lost += seen.failures["reused"] if steered else 0
    if lost:
        sys.exit("a client that reuses its connection lost a request")


def _variants(options: argparse.Namespace) -> Iterator[tuple[str, bool, str | None]]:
    """Name the variants: whether connections are steered, and what the setting is to be."""
    now = _SETTING.read_text().strip() if _SETTING.exists() else "missing"
    yield f"as it is (tcp_migrate_req {now})", True, None
    if options.quick:
        return
    yield f"not steered, tcp_migrate_req {now}", False, None
    other = {"0": "1", "1": "0"}.get(now)
    if other is not None and os.access(_SETTING, os.W_OK):
        yield f"not steered, tcp_migrate_req {other}", False, other


@contextmanager
def _migrating(value: str | None) -> Iterator[None]:
    """Change the setting for a while."""
    if value is None:
        yield
        return
    before = _SETTING.read_text()
    _SETTING.write_text(value)
    try:
        yield
    finally:
        _SETTING.write_text(before)


def _measure(ready: Rig, live: int, options: argparse.Namespace, *, steered: bool) -> Seen:
    program = ("-m", "gateline") if steered else (str(_HERE / "unsteered.py"),)
    with ready.edge(
        _FILE.format(shop=ready.upstream, live=live), workers=options.workers, program=program
    ) as edge:
        return uvloop.run(_run(edge, options))


async def _run(edge: RunningEdge, options: argparse.Namespace) -> Seen:
    seen = Seen()
    sockets = [asyncio.create_task(_hold(edge.port, seen)) for _ in range(_SOCKETS)]
    clients = [
        asyncio.create_task(_ask(edge.port, seen, keep=number < _KEEPERS))
        for number in range(_KEEPERS + _OPENERS)
    ]
    await asyncio.sleep(1.0)
    for _ in range(options.replacements):
        edge.process.send_signal(signal.SIGUSR2)
        await asyncio.sleep(_ROUND_SECONDS)
    seen.over = True
    await asyncio.gather(*clients)
    for task in sockets:
        task.cancel()
    await asyncio.gather(*sockets, return_exceptions=True)
    return seen


async def _ask(port: int, seen: Seen, *, keep: bool) -> None:
    """Ask as fast as answers come, on one connection for as long as it may be kept, or on new ones.

    A connection that the edge announced to close is no failure, one that it just closes is.
    """
    name = "reused" if keep else "new"
    pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while not seen.over:
        try:
            pair = pair or await asyncio.open_connection("127.0.0.1", port)
            closes = await _exchange(*pair)
        except (OSError, EOFError) as error:
            seen.failures[name] += 1
            seen.failures[f"{name}: {type(error).__name__}"] += 1
            pair = None
            continue
        seen.answers[name] += 1
        if closes or not keep:
            pair[1].close()
            pair = None
    if pair is not None:
        pair[1].close()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send a request and read its answer; tell whether the connection ends with it."""
    writer.write(_REQUEST)
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    return b"connection: close" in head


async def _hold(port: int, seen: Seen) -> None:
    """Keep a socket open, and open it again when it is closed."""
    while True:
        client: SocketClient = await open_socket(port, "/live")
        seen.closed[await client.ended] += 1


def _print(name: str, seen: Seen) -> None:
    cells = [
        f"{seen.failures[kind]:,} of {seen.answers[kind] + seen.failures[kind]:,}"
        for kind in ("reused", "new")
    ]
    closed = ", ".join(f"{code or 'nothing'}: {count}" for code, count in seen.closed.items())
    print(f"| {name} | {' | '.join(cells)} | {closed} |", flush=True)
    for kind, count in seen.failures.items():
        if ":" in kind:
            print(f"    {kind}: {count}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replacements", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="Show that it works, in seconds.")
    options = parser.parse_args()
    if options.quick:
        options.replacements = 1
    return options


if __name__ == "__main__":
    main()
