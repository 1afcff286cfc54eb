"""The last moments of a worker."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import edge_environment
from running_edge import RunningEdge
from scripted_services import ScriptedServices, Visit

from gateline.edge.app import DRAIN_SIGNAL
from gateline.edge.draining import saying_goodbye
from gateline.edge.exchange import Message, Receive, Scope, Send
from gateline.local.engines import wait_until

EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"e\r\ndata: hello\n\n\n\r\n"
)


async def never() -> Message:
    """Have no request body."""
    raise AssertionError("nobody asked")


async def answer(_: Scope, __: Receive, send: Send) -> None:
    """Answer in two pieces, with a word about the connection that is not ours."""
    headers = [(b"content-length", b"2"), (b"connection", b"keep-alive")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@pytest.mark.parametrize(
    ("version", "connection"), [("1.1", b"close"), ("1.0", b"close"), ("2", b"keep-alive")]
)
def test_answers_say_that_the_connection_ends(version: str, connection: bytes) -> None:
    """Once, where the protocol has that header; everything else goes through."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await saying_goodbye(answer)({"http_version": version}, never, send)

    asyncio.run(run())
    assert [pair for pair in sent[0]["headers"] if pair[0] == b"connection"] == [
        (b"connection", connection)
    ]
    assert sent[1]["body"] == b"ok"


@pytest.fixture
def ending(
    services: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge that may be ended."""
    environment = edge_environment(redis_url) | services.environment
    running = RunningEdge(tmp_path_factory.mktemp("ending-edge"), environment)
    running.start()
    yield running
    running.stop()


def test_a_replacement_ends_streams_of_events_and_keeps_connections(
    ending: RunningEdge, services: ScriptedServices
) -> None:
    """A stream ends whole, so its client comes again; a kept connection is told to close."""

    async def stream(visit: Visit) -> None:
        await visit.send(EVENTS)
        await visit.until_gone()

    services.on("/pages/events", stream)
    with ending.connect() as listener, ending.connect() as kept:
        listener.send_head("GET", "/pages/events", [(b"Accept", b"text/event-stream")])
        assert listener.read_head()[0] == 200
        assert b"hello" in listener.read_some(19)
        kept.send_head("GET", "/livez")
        assert kept.read().values(b"connection") == []
        assert ending.process is not None
        ending.process.send_signal(signal.SIGUSR2)
        assert listener.read_some(5) == b"0\r\n\r\n"
        kept.send_head("GET", "/readyz")  # it is: others serve on
        answered = kept.read()
        assert (answered.status, answered.values(b"connection")) == (200, [b"close"])
        assert kept.is_closed()
    assert ending.get("/livez").values(b"connection") == []


def test_a_worker_that_ends_is_not_ready(ending: RunningEdge) -> None:
    """Nothing else serves in its place, so a load balancer has to look elsewhere."""
    assert ending.get("/readyz").status == 200
    assert ending.process is not None
    leader = ending.process.pid
    (worker,) = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    os.kill(int(worker), DRAIN_SIGNAL)
    assert wait_until(lambda: ending.get("/readyz").status == 503, seconds=5)
    answered = ending.get("/readyz")
    assert answered.json()["status"] == "draining"
    assert answered.values(b"connection") == [b"close"]
