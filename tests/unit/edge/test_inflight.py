"""The sweep over requests under way: who is ended, who is listened to."""

import asyncio
from typing import Any, cast

from gateline.edge.exchange import ClientGone, Exchange, Message
from gateline.edge.inflight import ClientTooSlow, InFlight, end


class Client:
    """A client whose messages a test sends one by one."""

    def __init__(self, since: float = 0.0, headers: Any = ()) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        scope = {
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "scheme": "http",
            "client": ("10.0.0.1", 1),
            "headers": list(headers),
        }
        self.exchange = Exchange(scope, self.messages.get, cast("Any", None), since)
        self.exchange.task = asyncio.ensure_future(asyncio.Event().wait())

    async def settle(self) -> None:
        """Let everything that is due happen."""
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def ended(self) -> bool:
        """Tell whether the request's task was cancelled."""
        task = self.exchange.task
        assert task is not None
        return task.cancelled()


def test_a_client_that_leaves_ends_its_request() -> None:
    """Once a request has waited a while, the disconnect cancels it."""

    async def scenario() -> None:
        in_flight, client = InFlight(), Client(since=10.0)
        in_flight.add(client.exchange)
        in_flight.sweep(10.05)
        assert client.exchange.watcher is None, "most requests are answered before this"
        in_flight.sweep(10.2)
        client.messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await client.settle()
        assert not client.ended
        client.messages.put_nowait({"type": "http.disconnect"})
        await client.settle()
        assert client.ended
        assert client.exchange.cancelled_for is ClientGone

    asyncio.run(scenario())


def test_nobody_listens_while_a_body_is_read() -> None:
    """The watcher would eat pieces of the body: it starts when the body is whole."""

    async def scenario() -> None:
        in_flight = InFlight()
        client = Client(headers=[(b"content-length", b"5")])
        in_flight.add(client.exchange)
        in_flight.sweep(100.0)
        assert client.exchange.watcher is None
        client.exchange.body_done = True
        in_flight.sweep(100.0)
        assert client.exchange.watcher is not None
        in_flight.discard(client.exchange)
        await client.settle()
        assert client.exchange.watcher.cancelled()

    asyncio.run(scenario())


def test_a_deadline_ends_a_request() -> None:
    """A body that does not come in time cancels, and says that it was the time."""

    async def scenario() -> None:
        in_flight = InFlight()
        slow, quick = Client(), Client()
        slow.exchange.deadline = 5.0
        quick.exchange.deadline = 50.0
        in_flight.add(slow.exchange)
        in_flight.add(quick.exchange)
        in_flight.sweep(4.9)
        await slow.settle()
        assert not slow.ended
        in_flight.sweep(5.1)
        await slow.settle()
        assert (slow.ended, quick.ended) == (True, False)
        assert slow.exchange.cancelled_for is ClientTooSlow
        assert len(in_flight) == 2
        in_flight.discard(slow.exchange)
        assert len(in_flight) == 1

    asyncio.run(scenario())


def test_the_first_cause_stays() -> None:
    """A request that is being ended is not ended again for another reason."""

    async def scenario() -> None:
        client = Client()
        end(client.exchange, ClientGone)
        end(client.exchange, ClientTooSlow)
        await client.settle()
        assert client.exchange.cancelled_for is ClientGone
        task = client.exchange.task
        assert task is not None
        assert task.cancelling() == 1

    asyncio.run(scenario())


def test_the_sweep_goes_on_by_itself() -> None:
    """`run` sweeps until it is cancelled."""

    async def scenario() -> None:
        in_flight, client = InFlight(), Client()
        client.exchange.deadline = 0.0
        in_flight.add(client.exchange)
        sweeping = asyncio.ensure_future(in_flight.run())
        task = client.exchange.task
        assert task is not None
        await asyncio.wait({task}, timeout=5)
        assert client.ended
        sweeping.cancel()

    asyncio.run(scenario())
