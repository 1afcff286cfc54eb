"""Many requests at once over several edges, and how many of them were admitted."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import uvloop


@dataclass
class Pressed:
    """What became of the requests; `seconds` is the time from the first to the last answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    errors: int = 0

    @property
    def admitted(self) -> int:
        """How many were answered by the service."""
        return self.statuses[200]


def press(
    ports: Sequence[int], path: str, *, total: int, connections: int, headers: str = ""
) -> Pressed:
    """Send `total` GETs over this many connections, spread evenly over the ports."""
    return uvloop.run(_press(ports, path, total, connections, headers))


async def _press(
    ports: Sequence[int], path: str, total: int, connections: int, headers: str
) -> Pressed:
    pressed = Pressed()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()
    left = [total]
    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(_client(ports[number % len(ports)], request, left, pressed))
    pressed.seconds = perf_counter() - began
    return pressed


async def _client(port: int, request: bytes, left: list[int], pressed: Pressed) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while left[0] > 0:
            left[0] -= 1
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [
                line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            ]
            await reader.readexactly(int(lengths[0].partition(b":")[2]))
            pressed.statuses[int(head[9:12])] += 1
    except (OSError, EOFError):
        pressed.errors += 1
    finally:
        writer.close()
