"""Copies of a share of the traffic to another service; nobody waits for their answers."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from gateline.edge.addressing import FOR_ONE_SERVICE, address_headers, target_of
from gateline.edge.attempts import Outgoing
from gateline.edge.exchange import Exchange
from gateline.edge.record import MIRRORED
from gateline.edge.upstream import BodyStream, UpstreamError
from gateline.edge.upstreams import Upstream
from gateline.policy.services import Mirror, Service

MARK: Final = b"x-gateline-mirror"
"""Tells the service that its answer goes nowhere; a client's own is dropped."""

_MOST_IN_FLIGHT: Final = 64


class Mirrors:
    """Sends the copies of one worker, at most `most` at a time; what is over is left out.

    A copy is sent once and never again, and what becomes of it touches neither the request nor
    the standing of any target. Bodies that are streamed cannot be copied.
    """

    __slots__ = ("_draw", "_in_flight", "_most")

    def __init__(
        self, *, most: int = _MOST_IN_FLIGHT, draw: Callable[[], float] = random.random
    ) -> None:
        self._most = most
        self._draw = draw
        self._in_flight: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._in_flight)

    def copy(self, exchange: Exchange, mirror: Mirror, outgoing: Outgoing) -> None:
        """Send a copy of a request if its turn comes; returns at once and raises nothing."""
        if self._draw() >= mirror.share:
            return
        upstream = exchange.gateway.upstreams.get(mirror.service)
        if upstream is None or len(self._in_flight) >= self._most:
            MIRRORED.labels(mirror.service, "left_out").inc()
        elif isinstance(outgoing.body, BodyStream):
            MIRRORED.labels(mirror.service, "too_large").inc()
        else:
            task = asyncio.get_running_loop().create_task(
                _send(exchange, upstream, outgoing, outgoing.body)
            )
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)


async def _send(
    exchange: Exchange, upstream: Upstream, outgoing: Outgoing, body: bytes | None
) -> None:
    service = upstream.service
    target, headers = _addressed(exchange, outgoing, service)
    deadline = asyncio.get_running_loop().time() + service.timeout
    outcome = "sent"
    try:
        async with asyncio.timeout_at(deadline):
            response = await upstream.choose(exchange).pool.send(
                outgoing.method,
                target,
                [*headers, (MARK, b"1")],
                body,
                deadline=deadline,
                connect_timeout=service.connect_timeout,
                read_timeout=service.timeout,
            )
            try:
                while await response.read_chunk():
                    pass
            finally:
                response.close()
    except (UpstreamError, TimeoutError):
        outcome = "failed"
    MIRRORED.labels(service.name, outcome).inc()


def _addressed(
    exchange: Exchange, outgoing: Outgoing, service: Service
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return target and headers for the mirror: the route's changes, and a prefix of its own."""
    route = exchange.route
    destination = None if route is None else route.destination_for(exchange.identity)
    if destination is None:
        return outgoing.path, list(outgoing.headers)
    path = destination.path(exchange.path, service.prefix)
    headers = [pair for pair in outgoing.headers if pair[0] not in FOR_ONE_SERVICE]
    return target_of(exchange, path), headers + address_headers(exchange, service, path)
