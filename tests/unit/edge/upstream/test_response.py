"""Bodies between the socket and the task that reads."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateline.edge.upstream import BodyTruncated, Response
from gateline.edge.upstream.response import BodyReader

Run = Callable[[Coroutine[Any, Any, None]], None]


class Socket:
    """A source that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_reading(self) -> None:
        """Note it."""
        self.told.append("pause")

    def resume_reading(self) -> None:
        """Note it."""
        self.told.append("resume")

    def allow_silence(self, seconds: float) -> None:
        """Wait longer."""

    def abort(self) -> None:
        """Note it."""
        self.told.append("abort")


def reader(source: Socket, high_water: int = 10) -> BodyReader:
    """Build a reader on the running loop."""
    return BodyReader(asyncio.get_running_loop(), source, high_water)


def test_a_whole_body_needs_no_waiting(run: Run) -> None:
    """A whole body is an attribute; reading it gives it once."""

    async def scenario() -> None:
        response = Response(200, [], b"abc")
        assert response.body == b"abc"
        assert await response.read_chunk() == b"abc"
        assert await response.read_chunk() == b""
        response.close()
        assert await Response(200, [], b"").read() == b""

    run(scenario())


def test_chunks_come_as_they_are(run: Run) -> None:
    """Reading gives all that is there, waits for more, and ends with nothing."""

    async def scenario() -> None:
        body = reader(Socket())
        response = Response(200, [], None, body)
        body.feed([b"a"])
        body.feed([b"b", b"c"])
        assert await response.read_chunk() == b"abc"
        asyncio.get_running_loop().call_soon(body.feed, [b"d"])
        assert await response.read_chunk() == b"d"
        asyncio.get_running_loop().call_soon(body.end)
        assert await response.read_chunk() == b""
        assert await response.read_chunk() == b""

    run(scenario())


def test_the_socket_is_paused_above_high_water(run: Run) -> None:
    """Too many unread bytes pause the socket; reading them resumes it."""

    async def scenario() -> None:
        source = Socket()
        body = reader(source)
        body.feed([b"x" * 10])
        assert source.told == []
        body.feed([b"x"])
        body.feed([b"x"])
        assert source.told == ["pause"]
        assert len(await body.read()) == 12
        assert source.told == ["pause", "resume"]

    run(scenario())


def test_an_error_comes_after_what_was_received(run: Run) -> None:
    """A broken body gives its bytes first, and then the error every time."""

    async def scenario() -> None:
        body = reader(Socket())
        body.feed([b"part"])
        body.fail(BodyTruncated("cut"))
        assert await body.read() == b"part"
        for _ in range(2):
            with pytest.raises(BodyTruncated):
                await body.read()

    run(scenario())


def test_a_closed_body_never_passes_for_whole(run: Run) -> None:
    """Closing ends the connection once, and reading afterwards raises."""

    async def scenario() -> None:
        source = Socket()
        body = reader(source)
        body.feed([b"part"])
        body.close()
        body.close()
        assert source.told == ["abort"]
        with pytest.raises(BodyTruncated):
            await body.read()

    run(scenario())


def test_a_body_that_is_received_needs_no_connection(run: Run) -> None:
    """Closing after the end leaves the connection alone."""

    async def scenario() -> None:
        source = Socket()
        body = reader(source)
        body.feed([b"all"])
        body.end()
        body.close()
        assert source.told == []

    run(scenario())


def test_a_cancelled_reader_closes_the_connection(run: Run) -> None:
    """Cancelling a task that waits for bytes closes the connection at once."""

    async def scenario() -> None:
        source = Socket()
        task = asyncio.create_task(reader(source).read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.told == ["abort"]

    run(scenario())


def test_two_readers_are_a_mistake(run: Run) -> None:
    """A second task that waits for the same body raises."""

    async def scenario() -> None:
        body = reader(Socket())
        task = asyncio.create_task(body.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await body.read()
        body.end()
        assert await task == b""

    run(scenario())
