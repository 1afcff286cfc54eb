"""The edge as an ASGI application: what it does besides answering HTTP."""

import asyncio
import logging
from typing import Any, cast

import pytest

from gateline.edge import app
from gateline.edge.app import Edge, Parts, _keep_running
from gateline.edge.exchange import Message


def broken_parts() -> Parts:
    """Fail to build."""
    raise ValueError("JWT_KEYS_FILE is no key set")


class Server:
    """The server's side of one ASGI conversation."""

    def __init__(self, *messages: str) -> None:
        self.to_say = list(messages)
        self.heard: list[Message] = []

    async def receive(self) -> Message:
        """Say the next thing."""
        return {"type": self.to_say.pop(0)}

    async def send(self, message: Message) -> None:
        """Hear something."""
        self.heard.append(message)


def test_a_start_that_fails_is_told_to_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """The server learns the kind of error; the log has the rest."""
    server = Server("lifespan.startup")
    edge = Edge(broken_parts)
    asyncio.run(edge({"type": "lifespan"}, server.receive, server.send))
    assert server.heard == [{"type": "lifespan.startup.failed", "message": "ValueError"}]
    assert "JWT_KEYS_FILE is no key set" in caplog.text


def test_a_request_before_the_start_is_an_error_of_the_server() -> None:
    """Without the lifespan there are no parts to answer with."""
    server = Server()
    with pytest.raises(RuntimeError, match="lifespan"):
        asyncio.run(Edge(broken_parts)({"type": "http"}, server.receive, server.send))


def test_background_work_is_started_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that fails is said and repeated, until it is cancelled."""
    monkeypatch.setattr(app, "_TICK_SECONDS", 0.0)
    caplog.set_level(logging.ERROR)
    runs = 0

    async def scenario() -> None:
        done = asyncio.Event()

        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs == 3:
                done.set()
                await asyncio.Event().wait()
            raise KeyError("fault")

        task = asyncio.ensure_future(_keep_running(work))
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(scenario())
    assert caplog.text.count("background work failed") == 2


def test_figures_that_cannot_be_published_stop_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk under the metrics is logged; renewals are written all the same."""
    flushed: list[bool] = []

    class Broken:
        def publish(self) -> None:
            raise OSError("no space left")

        async def flush_renewals(self) -> None:
            flushed.append(True)

        async def ship(self) -> None:
            pass

        send = ship
        flush = ship

    class Some:
        recorder = Broken()
        sessions = Broken()
        telemetry = Broken()

    asyncio.run(app._housekeeping(cast("Any", Some())))
    assert flushed == [True]
    assert "figures could not be published" in caplog.text
