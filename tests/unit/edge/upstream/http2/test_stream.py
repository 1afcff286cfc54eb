"""One exchange over HTTP/2: what goes out, what comes back, and what breaks."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
import uvloop
from http2_upstream import Handler, Http2Upstream, Visit

from gateline.edge.upstream import (
    BodyStream,
    BodyTruncated,
    ConnectionLost,
    InvalidResponse,
    Limits,
    Response,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)

MEGABYTE = 2**20


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on the loop that the edge runs on."""
    uvloop.run(asyncio.wait_for(scenario, 20))


async def hang(visit: Visit) -> None:
    """Take the request and never answer."""
    await visit.was_reset.wait()


def test_a_request_and_its_answer() -> None:
    """Method, path, headers and body arrive; status, headers and body come back."""

    async def echo(visit: Visit) -> None:
        await visit.ended.wait()
        await visit.answer(
            201, visit.body, [(b"x-b", b"2"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
        )

    async def scenario() -> None:
        async with Http2Upstream(echo) as upstream:
            response = await upstream.send(b"POST", b"/a%2Fb?c", ((b"X-A", b"1"),), b"body")
            assert (response.status, response.body) == (201, b"body")
            assert response.headers[:3] == [
                (b"x-b", b"2"),
                (b"set-cookie", b"a"),
                (b"set-cookie", b"b"),
            ]
            (visit,) = upstream.visits
            assert visit.value(b":method") == b"POST"
            assert visit.value(b":path") == b"/a%2Fb?c"
            assert visit.value(b":authority") == b"127.0.0.1:%d" % upstream.port
            assert visit.value(b"x-a") == b"1"
            assert visit.value(b"content-length") == b"4"

    run(scenario())


def test_answers_without_a_body() -> None:
    """HEAD, 204 and 304 have none, whatever length they announce."""

    async def bare(visit: Visit) -> None:
        status = int((visit.value(b":path") or b"").strip(b"/"))
        visit.start(status, [(b"content-length", b"5")] if status != 204 else [], end=True)

    async def scenario() -> None:
        async with Http2Upstream(bare) as upstream:
            for method, path in ((b"HEAD", b"/200"), (b"GET", b"/204"), (b"GET", b"/304")):
                response = await upstream.send(method, path)
                assert (response.status, response.body) == (int(path[1:]), b"")
            assert upstream.pool.opened_total == 1

    run(scenario())


def test_interim_answers_and_trailers_are_dropped() -> None:
    """What comes before the answer and after its body is not passed on."""

    async def chatty(visit: Visit) -> None:
        visit.start(100)
        visit.start(103, [(b"link", b"</a.css>")])
        visit.start(200, [(b"content-length", b"2")])
        await visit.send(b"ok")
        visit.peer.engine.send_headers(visit.stream_id, [(b"x-sum", b"1")], end_stream=True)
        visit.peer.flush()

    async def scenario() -> None:
        async with Http2Upstream(chatty) as upstream:
            response = await upstream.send()
            assert (response.status, response.body) == (200, b"ok")
            assert response.headers == [(b"content-length", b"2")]

    run(scenario())


def test_a_streamed_answer_comes_as_it_is_sent() -> None:
    """The first bytes are there while the rest is not even thought of."""
    more = asyncio.Event()

    async def trickle(visit: Visit) -> None:
        visit.start(200, [(b"content-type", b"text/event-stream")])
        await visit.send(b"data: 1\n\n")
        await more.wait()
        await visit.send(b"data: 2\n\n", end=True)

    async def scenario() -> None:
        async with Http2Upstream(trickle) as upstream:
            response = await upstream.send()
            assert response.body is None
            assert await response.read_chunk() == b"data: 1\n\n"
            more.set()
            assert await response.read() == b"data: 2\n\n"
            assert upstream.pool.in_use == 0

    run(scenario())


def test_a_slow_reader_stops_its_upstream_and_no_other() -> None:
    """What is not read is not sent: memory is bounded, and others use the same connection."""
    sent: list[int] = []

    async def large(visit: Visit) -> None:
        if visit.value(b":path") == b"/small":
            await visit.answer(body=b"ok")
            return
        visit.start(200)
        for _ in range(16):
            await visit.send(b"x" * MEGABYTE)
            sent.append(MEGABYTE)
        await visit.send(b"", end=True)

    async def scenario() -> None:
        async with Http2Upstream(large) as upstream:
            response = await upstream.send()
            await asyncio.sleep(0.05)
            assert sum(sent) < 2 * MEGABYTE
            assert (await upstream.send(path=b"/small")).body == b"ok"
            assert upstream.pool.open == 1
            assert len(await response.read()) == 16 * MEGABYTE

    run(scenario())


def test_an_upload_waits_for_its_upstream() -> None:
    """What the upstream does not take is not read from the client either."""
    taken: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            taken.append(1)
            yield b"x" * 65536

    async def slow(visit: Visit) -> None:
        visit.reads = False
        await asyncio.sleep(0.05)
        held.append(len(taken))
        visit.read()
        await visit.ended.wait()
        await visit.answer(body=b"%d" % len(visit.body))

    held: list[int] = []

    async def scenario() -> None:
        async with Http2Upstream(slow) as upstream:
            response = await upstream.send(b"PUT", body=BodyStream(chunks()))
            assert await response.read() == b"%d" % (64 * 65536)
            assert held[0] < 4
            assert upstream.visits[0].value(b"content-length") is None

    run(scenario())


def test_an_upload_that_breaks_off_resets_its_stream(until: Any) -> None:
    """An error of the client's side comes through; the upstream must not take it for the whole."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 10
        raise KeyError("gone")

    async def scenario() -> None:
        async with Http2Upstream(hang) as upstream:
            for body in (BodyStream(broken()), BodyStream(broken(), 20)):
                with pytest.raises(KeyError):
                    await upstream.send(b"PUT", body=body)
            with pytest.raises(ValueError, match="longer"):
                await upstream.send(b"PUT", body=BodyStream(broken(), 5))
            await until(lambda: all(visit.was_reset.is_set() for visit in upstream.visits))
            assert upstream.pool.open == 1

    run(scenario())


def test_an_answer_before_the_whole_request() -> None:
    """An upstream may answer early; the rest of the upload is given up, the connection is not."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    async def refuse(visit: Visit) -> None:
        await visit.answer(413, b"too large")
        visit.reset(0)

    async def scenario() -> None:
        async with Http2Upstream(refuse) as upstream:
            for _ in range(2):
                response = await upstream.send(b"POST", body=BodyStream(endless()))
                assert (response.status, await response.read()) == (413, b"too large")
            assert (upstream.pool.open, upstream.pool.in_use) == (1, 0)

    run(scenario())


def test_cancelling_resets_the_stream_at_once(until: Any) -> None:
    """A client that leaves is told to the upstream; the connection serves the others."""

    async def scenario() -> None:
        async with Http2Upstream(hang) as upstream:
            sent = [asyncio.create_task(upstream.send(within=60)) for _ in range(50)]
            await until(lambda: len(upstream.visits) == 50)
            for task in sent:
                task.cancel()
            await until(lambda: all(one.was_reset.is_set() for one in upstream.visits))
            assert (upstream.pool.open, upstream.pool.in_use) == (1, 0)

    run(scenario())


def test_silence_may_be_allowed_to_what_is_under_way() -> None:
    """It takes the place of the read time-out."""

    async def pausing(visit: Visit) -> None:
        visit.start(200)
        await visit.send(b"one")
        await asyncio.sleep(0.3)
        await visit.send(b"two", end=True)

    async def scenario() -> None:
        async with Http2Upstream(pausing) as upstream:
            response = await upstream.send(read_timeout=0.1)
            response.allow_silence(5.0)
            assert await response.read() == b"onetwo"
            broken = await upstream.send(read_timeout=0.1)
            with pytest.raises(UpstreamTimeout):
                await broken.read()

    asyncio.run(scenario())


def test_closing_a_body_resets_the_stream(until: Any) -> None:
    """A body that nobody reads to its end stops coming."""

    async def endless(visit: Visit) -> None:
        visit.start(200)
        while not visit.was_reset.is_set():
            await visit.send(b"x" * 1000)
            await asyncio.sleep(0)

    async def scenario() -> None:
        async with Http2Upstream(endless) as upstream:
            response = await upstream.send()
            await response.read_chunk()
            response.close()
            await until(upstream.visits[0].was_reset.is_set)
            assert (upstream.pool.open, upstream.pool.in_use) == (1, 0)

    run(scenario())


@pytest.mark.parametrize(("code", "arrived"), [(7, False), (2, True)])
def test_a_reset_tells_whether_the_request_was_touched(code: int, arrived: bool) -> None:
    """REFUSED_STREAM proves that nothing was done, so anything may be repeated (8.7)."""

    async def refuse(visit: Visit) -> None:
        visit.reset(code)

    async def scenario() -> None:
        async with Http2Upstream(refuse) as upstream:
            with pytest.raises(ConnectionLost, match=f"code {code}") as caught:
                await upstream.send(b"POST", body=b"x")
            assert caught.value.may_have_arrived == arrived

    run(scenario())


def test_a_connection_that_breaks() -> None:
    """Before the answer it is a lost one (a stale one on a used connection), within it a torn."""

    async def scenario() -> None:
        async with Http2Upstream(behave) as upstream:
            with pytest.raises(ConnectionLost) as caught:
                await upstream.send(path=b"/lost")
            assert type(caught.value) is ConnectionLost
            await upstream.send(path=b"/ok")
            with pytest.raises(StaleConnection) as stale:
                await upstream.send(path=b"/lost")
            assert stale.value.reused
            assert stale.value.may_have_arrived
            response = await upstream.send(path=b"/torn")
            assert await response.read_chunk() == b"part"
            with pytest.raises(BodyTruncated):
                await response.read_chunk()

    async def behave(visit: Visit) -> None:
        if visit.value(b":path") == b"/ok":
            await visit.answer(body=b"ok")
            return
        if visit.value(b":path") == b"/torn":
            visit.start(200)
            await visit.send(b"part")
        await asyncio.sleep(0.01)
        visit.peer.transport.abort()

    run(scenario())


def test_time_outs_by_phase() -> None:
    """Silence before the answer, within it, and an upstream that takes no body."""

    async def silent(visit: Visit) -> None:
        if visit.value(b":path") == b"/body":
            visit.start(200)
            await visit.send(b"part")
        if visit.value(b":path") == b"/send":
            visit.reads = False

    async def answer_of(upstream: Http2Upstream, path: bytes, body: bytes = b"") -> Response:
        response = await upstream.send(b"POST", path, body=body, read_timeout=0.1)
        await response.read()
        return response

    async def scenario() -> None:
        async with Http2Upstream(silent) as upstream:
            for path, phase in ((b"/response", "response"), (b"/body", "body"), (b"/send", "send")):
                body = b"x" * MEGABYTE if path == b"/send" else b""
                with pytest.raises(UpstreamTimeout) as caught:
                    await answer_of(upstream, path, body)
                assert caught.value.phase == phase
            with pytest.raises(UpstreamTimeout):
                await upstream.send(within=0.1)
            with pytest.raises(UpstreamTimeout, match="queue"):
                await upstream.send(within=-1)

    run(scenario())


def answering(*fields: tuple[bytes, bytes], body: bytes = b"") -> Handler:
    """Return a handler that sends exactly these fields."""

    async def behave(visit: Visit) -> None:
        visit.peer.engine.config.validate_outbound_headers = False
        visit.peer.engine.config.normalize_outbound_headers = False
        visit.peer.engine.send_headers(visit.stream_id, list(fields), end_stream=not body)
        if body:
            visit.peer.engine.send_data(visit.stream_id, body, end_stream=True)
        visit.peer.flush()

    return behave


@pytest.mark.parametrize(
    "handler",
    [
        answering((b":status", b"600")),
        answering((b":status", b"abc")),
        answering((b":status", b"200"), *[(b"x-a", b"1")] * 201),
        answering((b":status", b"200"), (b"x-a", b"1" * 20_000)),
        answering((b":status", b"200"), (b"content-length", b"3"), body=b"four"),
        answering((b":status", b"200"), (b"connection", b"close")),
    ],
)
def test_answers_that_are_not_acceptable(handler: Handler) -> None:
    """A head that is too large, no status, a wrong length: never passed on as an answer."""

    async def scenario() -> None:
        async with Http2Upstream(
            handler, Limits(max_headers=200, max_head_bytes=16384)
        ) as upstream:
            with pytest.raises(InvalidResponse) as caught:
                await upstream.send()
            assert caught.value.may_have_arrived
            with pytest.raises(UpstreamError):
                await upstream.send()

    run(scenario())
