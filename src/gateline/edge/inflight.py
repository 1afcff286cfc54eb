"""Watches the requests that are under way: clients that leave, bodies that never end.

Most requests are answered before anybody needs to look, so nothing is started per request. One
sweep now and then looks at those that have been here for a while: only they get a task that
listens for the client's leaving, and only they can pass a deadline.
"""

import asyncio
from typing import Final

from gateline.edge.exchange import ClientGone, Exchange

_SWEEP_SECONDS: Final = 0.1
_EVENTS: Final = b"text/event-stream"


class ClientTooSlow(Exception):
    """The client did not send its request, or take its answer, in time."""


class WorkerEnds(Exception):
    """The worker ends; the client's stream of events would outlast it."""


class InFlight:
    """The exchanges of one worker that are not finished."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()
        self.add = self._exchanges.add

    def __len__(self) -> int:
        """Return how many requests are under way."""
        return len(self._exchanges)

    def discard(self, exchange: Exchange) -> None:
        """Forget a finished exchange."""
        self._exchanges.discard(exchange)
        if exchange.watcher is not None:
            exchange.watcher.cancel()

    def end_event_streams(self) -> None:
        """End streams of server-sent events: their clients come again by themselves.

        (HTML, section 9.2.3. What asks for such a stream says so in its Accept header.)
        """
        for exchange in list(self._exchanges):
            if exchange.answered and _EVENTS in exchange.fields.get(b"accept", b""):
                end(exchange, WorkerEnds)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """End what passed its deadline and start listening on what has waited."""
        for exchange in list(self._exchanges):
            if exchange.deadline is not None and now > exchange.deadline:
                end(exchange, ClientTooSlow)
            elif (
                exchange.watcher is None
                and exchange.body_done
                and now - exchange.since >= _SWEEP_SECONDS
            ):
                exchange.watcher = asyncio.ensure_future(_until_client_leaves(exchange))


async def _until_client_leaves(exchange: Exchange) -> None:
    """Wait for the disconnect; a bodiless request's first message is its empty body."""
    while True:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            end(exchange, ClientGone)
            return


def end(exchange: Exchange, why: type[Exception]) -> None:
    """Cancel the exchange's task, once."""
    if exchange.cancelled_for is None and exchange.task is not None:
        exchange.cancelled_for = why
        exchange.task.cancel()
