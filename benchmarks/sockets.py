"""Thousands of idle WebSockets through one edge: all echo, what each costs, the dead are found.

    python benchmarks/sockets.py [--sockets 5000] [--dead 50] [--quick]

Clients, edge and service run on this machine. A dead client is one that is gone without a packet
(its socket is closed in repair mode, for which root is needed): the edge learns of it by the
kernel's keep-alive probes, 30 seconds after its last sign of life.
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from pathlib import Path

import uvloop

from rig import RunningEdge, free_port, process, rig, wait_until_answered
from socket_client import SocketClient, open_socket

_HERE = Path(__file__).parent
_AT_ONCE = 100
_PATIENCE_SECONDS = 120.0
_FILE = """
[gateway]
platform = false
rate_limit = false

[services.live]
url = "http://127.0.0.1:{port}"

[[routes]]
path = "/live"
service = "live"
auth = "none"
"""


def main() -> None:
    """Run it and print what was found."""
    options = _options()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 2 * options.sockets + 500:
        sys.exit(f"{hard} descriptors (soft {soft}) are too few for {options.sockets} sockets")
    port = free_port()
    most = str(options.sockets + 100)
    settings = {"GATELINE_MAX_SOCKETS": most, "GATELINE_MAX_SOCKETS_PER_CLIENT": most}
    with rig() as ready:
        command = [sys.executable, str(_HERE / "socket_upstream.py"), str(port)]
        with process(command, dict(os.environ), ready.folder, None):
            wait_until_answered(f"http://127.0.0.1:{port}/", ready.folder)
            with ready.edge(_FILE.format(port=port), settings=settings) as edge:
                uvloop.run(_run(edge, options))


async def _run(edge: RunningEdge, options: argparse.Namespace) -> None:
    before = edge.memory_mb()
    began = time.perf_counter()
    clients = await _open(edge.port, options.sockets)
    opened = time.perf_counter() - began
    await _echo_all(clients)
    await asyncio.sleep(1.0)
    each = (edge.memory_mb() - before) * 1000 / len(clients)
    print(f"{len(clients)} sockets opened in {opened:.1f} s, {each:.0f} kB of the edge for each")
    await _report_idle(edge)
    took = await _echo_all(clients)
    print(
        f"all {len(took)} echo: p50 {_share(took, 0.5):.1f} ms, p99 {_share(took, 0.99):.1f} ms,"
        f" the last after {max(took):.0f} ms"
    )
    await _lose(clients, options.dead)
    closing = time.perf_counter()
    for client in clients:
        client.close()
    await asyncio.wait_for(asyncio.gather(*(one.ended for one in clients)), _PATIENCE_SECONDS)
    print(f"the others closed within {time.perf_counter() - closing:.1f} s")
    await asyncio.sleep(2.0)
    print(f"memory of the edge: {before:.0f} MB before, {edge.memory_mb():.0f} MB afterwards")


async def _open(port: int, count: int) -> list[SocketClient]:
    """Open so many sockets, some at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def open_one() -> SocketClient:
        async with gate:
            return await open_socket(port, "/live")

    return list(await asyncio.gather(*(open_one() for _ in range(count))))


async def _echo_all(clients: list[SocketClient]) -> list[float]:
    """Have every client say something and hear it again; return the milliseconds each waited."""

    async def echo(number: int, client: SocketClient) -> float:
        began = time.perf_counter()
        if await client.ask(f"hello {number}") != f"hello {number}":
            sys.exit("a client heard what another said")
        return (time.perf_counter() - began) * 1000

    return list(await asyncio.gather(*(echo(*pair) for pair in enumerate(clients))))


async def _report_idle(edge: RunningEdge) -> None:
    """Print what it costs to have them open and silent."""
    seconds, before = 5.0, edge.cpu_seconds()
    await asyncio.sleep(seconds)
    share = (edge.cpu_seconds() - before) / seconds * 100
    print(f"silent, they take {share:.1f} % of a core")


async def _lose(clients: list[SocketClient], count: int) -> None:
    """Let some vanish and print when their service has learnt of all of them."""
    if not count:
        return
    lost = [clients.pop() for _ in range(count)]
    try:
        for client in lost:
            client.vanish()
    except PermissionError:
        print("nobody vanished: that needs root")
        return
    began = time.perf_counter()
    while (left := int(await clients[0].ask("count"))) > len(clients):
        if time.perf_counter() - began > _PATIENCE_SECONDS:
            sys.exit(f"{left - len(clients)} dead clients were not found")
        await asyncio.sleep(0.5)
    print(f"{count} vanished clients found within {time.perf_counter() - began:.0f} s")


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--dead", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="Show that it works, in seconds.")
    options = parser.parse_args()
    if options.quick:
        options.sockets, options.dead = 200, 0
    return options


if __name__ == "__main__":
    main()
