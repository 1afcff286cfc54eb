"""Request bodies: buffered, streamed, too large, too slow; and large answers on their way back."""

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from edge_exchange import Answered
from edge_people import edge_environment
from running_edge import RunningEdge, Wire
from scripted_services import ScriptedServices, Visit, answer

from gateline.edge.bodies import BUFFERED_BYTES, RequestBody, find_body
from gateline.edge.composition import compose
from gateline.edge.exchange import ClientGone, Exchange, Message, Refused
from gateline.shared.config import Settings
from gateline.shared.telemetry.writing import Backlog

MEGABYTE = 1024 * 1024
LIMIT = 1_000_000
"""What the strict edge takes."""


def send_chunked(wire: Wire, target: str, pieces: list[bytes]) -> None:
    """Send a POST with a chunked body."""
    wire.send_head("POST", target, [(b"Transfer-Encoding", b"chunked")])
    for piece in pieces:
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    wire.send(b"0\r\n\r\n")


@pytest.mark.parametrize("size", [1, BUFFERED_BYTES, BUFFERED_BYTES + 1, 3 * MEGABYTE])
def test_bodies_arrive_unchanged(edge: RunningEdge, services: ScriptedServices, size: int) -> None:
    """Whatever its size a body with a length arrives whole, with that length."""
    body = bytes(range(256)) * (size // 256 + 1)
    edge.ask("POST", "/upload", body=body[:size])
    (seen,) = services.seen("/upload")
    assert seen.body == body[:size]
    assert seen.values(b"content-length") == [b"%d" % size]
    assert seen.values(b"transfer-encoding") == []


@pytest.mark.parametrize("count", [1, 40])
def test_chunked_bodies_arrive_unchanged(
    edge: RunningEdge, services: ScriptedServices, count: int
) -> None:
    """A chunked body arrives whole: small ones with a length, large ones chunked again."""
    pieces = [bytes([number]) * 10_000 for number in range(count)]
    with edge.connect() as wire:
        send_chunked(wire, "/chunks", pieces)
        assert wire.read().status == 200
    (seen,) = services.seen("/chunks")
    assert seen.body == b"".join(pieces)
    assert bool(seen.values(b"content-length")) is (count == 1)


def test_a_get_may_have_a_body(edge: RunningEdge, services: ScriptedServices) -> None:
    """A body is passed on whatever the method."""
    edge.ask("GET", "/search", body=b'{"query":1}')
    assert services.seen("/search")[0].body == b'{"query":1}'


def test_an_announced_body_that_is_too_large_is_refused_at_once(
    strict_edge: RunningEdge, services: ScriptedServices
) -> None:
    """413 comes before a byte of the body is read."""
    with strict_edge.connect() as wire:
        wire.send_head("POST", "/upload", [(b"Content-Length", b"%d" % (LIMIT + 1))])
        got = wire.read()
    assert (got.status, got.reason) == (413, "payload_too_large")
    assert services.requests == []


def test_a_chunked_body_that_grows_too_large_is_refused(
    strict_edge: RunningEdge, services: ScriptedServices
) -> None:
    """413 comes when the limit is passed; the service sees an aborted request, not a whole one."""
    with strict_edge.connect() as wire:
        # Refused and closed while we are still sending.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            send_chunked(wire, "/upload", [b"x" * 50_000] * 30)
        got = wire.read()
    assert (got.status, got.reason) == (413, "payload_too_large")
    assert not any(one.whole for one in services.seen("/upload"))


def test_a_refused_body_is_never_asked_for(
    strict_edge: RunningEdge, services: ScriptedServices
) -> None:
    """With Expect: 100-continue a refusal comes without the interim answer."""
    for target, length, status in (("/upload", LIMIT + 1, 413), ("/api/v1/doctors/", 5, 401)):
        expect = [(b"Expect", b"100-continue"), (b"Content-Length", b"%d" % length)]
        with strict_edge.connect() as wire:
            wire.send_head("POST", target, expect)
            assert wire.read_head()[0] == status
    assert services.requests == []


def test_an_expected_body_is_asked_for(edge: RunningEdge, services: ScriptedServices) -> None:
    """With Expect: 100-continue an admitted body is asked for, then passed on without Expect."""
    with edge.connect() as wire:
        wire.send_head("POST", "/upload", [(b"Expect", b"100-continue"), (b"Content-Length", b"5")])
        assert wire.read_head()[0] == 100
        wire.send(b"hello")
        assert wire.read().status == 200
    assert services.seen("/upload")[0].body == b"hello"
    assert services.seen("/upload")[0].values(b"expect") == []


def test_an_upload_waits_for_a_slow_service(edge: RunningEdge, services: ScriptedServices) -> None:
    """A service that does not read holds the client back, and the edge keeps little in memory."""
    go_on = asyncio.Event()

    async def slow(visit: Visit) -> None:
        go_on_here.append(asyncio.get_running_loop())
        await go_on.wait()
        await visit.read_body()
        await visit.send(answer(200, hashlib.sha256(visit.received.body).hexdigest().encode()))

    go_on_here: list[asyncio.AbstractEventLoop] = []
    services.on("/slow-reader", slow)
    body = b"0123456789abcdef" * (4 * MEGABYTE)
    before = edge.worker_memory()
    with edge.connect() as wire:
        wire.send_head("POST", "/slow-reader", [(b"Content-Length", b"%d" % len(body))])
        wire.socket.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):  # the time-out is the proof: nobody takes more
            while sent < len(body):
                sent += wire.socket.send(body[sent : sent + 65536])
        assert sent < len(body)
        assert edge.worker_memory() - before < 16 * MEGABYTE
        go_on_here[0].call_soon_threadsafe(go_on.set)
        wire.socket.settimeout(10)
        wire.send(body[sent:])
        assert wire.read().body.decode() == hashlib.sha256(body).hexdigest()


def test_a_download_waits_for_a_slow_client(edge: RunningEdge, services: ScriptedServices) -> None:
    """A client that does not read holds the service back; then it gets every byte."""
    total = 64 * MEGABYTE
    written = [0]
    stuck = threading.Event()

    async def pour(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while written[0] < total:
            visit.writer.write(b"z" * MEGABYTE)
            try:
                async with asyncio.timeout(None if stuck.is_set() else 0.5):
                    await visit.writer.drain()
            except TimeoutError:
                stuck.set()
                await visit.writer.drain()
            written[0] += MEGABYTE

    services.on("/pour", pour)
    before = edge.worker_memory()
    with edge.connect() as wire:
        wire.send_head("GET", "/pour")
        assert stuck.wait(10), "the service was never held back"
        assert written[0] < total / 2
        assert edge.worker_memory() - before < 16 * MEGABYTE
        got = wire.read()
        assert (got.whole, len(got.body)) == (True, total)
    assert edge.worker_memory() - before < 24 * MEGABYTE
    assert edge.get("/after").status == 200  # over the connection that had been held back


def scripted(
    *messages: Message, length: int | None = None, most: int = 200_000
) -> tuple[Exchange, RequestBody]:
    """Return an exchange whose client sends these messages and then nothing more."""
    queue = list(messages)

    async def receive() -> Message:
        return queue.pop(0) if queue else await asyncio.get_running_loop().create_future()

    announced = b"chunked" if length is None else b"%d" % length
    name = b"transfer-encoding" if length is None else b"content-length"
    scope = {
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "scheme": "http",
        "client": ("10.0.0.1", 1),
        "headers": [(b"host", b"x"), (name, announced)],
    }
    exchange = Exchange(scope, receive, cast("Any", None), 0.0)
    return exchange, RequestBody(exchange, most)


def part(body: bytes, *, more: bool = True) -> Message:
    """Return a piece of a body as the server hands it over."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_small_body_is_bytes_and_may_be_sent_twice() -> None:
    """Pieces that together stay small come as one value."""

    async def scenario() -> None:
        exchange, body = scripted(part(b"ab"), part(b"cd", more=False))
        assert await body.read() == b"abcd"
        assert (exchange.body_done, exchange.received_bytes) == (True, 4)

    asyncio.run(scenario())


def test_a_large_body_is_a_stream_that_begins_at_the_beginning() -> None:
    """Pieces that were read before the size was known are not lost."""

    async def scenario() -> None:
        pieces = [b"a" * 40_000, b"b" * 40_000, b"c" * 40_000]
        _, body = scripted(*map(part, pieces), part(b"", more=False))
        stream = cast("AsyncIterator[bytes]", await body.read())
        assert b"".join([chunk async for chunk in stream]) == b"".join(pieces)

    asyncio.run(scenario())


def test_a_client_that_leaves_within_its_body_is_gone() -> None:
    """A disconnect inside the body ends the request, in both forms."""

    async def scenario() -> None:
        _, small = scripted(part(b"ab"), {"type": "http.disconnect"}, length=5)
        with pytest.raises(ClientGone):
            await small.read()
        _, large = scripted(part(b"a" * 70_000), {"type": "http.disconnect"}, length=100_000)
        stream = cast("AsyncIterator[bytes]", await large.read())
        with pytest.raises(ClientGone):
            async for _ in stream:
                pass

    asyncio.run(scenario())


def test_chunks_that_end_early_are_a_bad_request() -> None:
    """The server tells of chunks that it cannot read as of a client that left: it gets a 400."""

    async def scenario() -> None:
        _, body = scripted(part(b"ab"), {"type": "http.disconnect"})
        with pytest.raises(Refused, match="bad_request"):
            await body.read()

    asyncio.run(scenario())


def test_a_body_that_was_looked_for_is_read_whole() -> None:
    """What came while nobody knew whether there is one is not lost."""

    async def scenario() -> None:
        exchange, body = scripted(part(b"ab"), part(b"cd", more=False))
        await find_body(exchange)
        assert not exchange.body_done
        assert await body.read() == b"abcd"
        exchange, _ = scripted(part(b"", more=False))
        await find_body(exchange)
        assert (exchange.body_done, exchange.deadline) == (True, None)
        exchange, _ = scripted({"type": "http.disconnect"})
        with pytest.raises(ClientGone):
            await find_body(exchange)

    asyncio.run(scenario())


def test_a_stream_over_the_limit_is_refused_in_its_midst() -> None:
    """The limit holds for what arrives, whatever was announced."""

    async def scenario() -> None:
        _, body = scripted(part(b"a" * 70_000), part(b"b" * 70_000), most=100_000)
        stream = cast("AsyncIterator[bytes]", await body.read())
        with pytest.raises(Refused, match="payload_too_large"):
            async for _ in stream:
                pass

    asyncio.run(scenario())


def test_each_piece_has_a_deadline_that_bytes_prolong() -> None:
    """A client has 20 s for a piece; overall, what 512 bytes a second would take besides."""

    async def scenario() -> None:
        exchange, body = scripted(part(b"a" * 5120), length=10_000)
        reading = asyncio.ensure_future(body.read())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        assert exchange.deadline is not None
        assert 19.0 < exchange.deadline - now <= 20.0
        body._waited = 25.0  # of the 20 s + 10 s that these bytes have earned
        reading.cancel()
        waiting = asyncio.ensure_future(body.read())
        await asyncio.sleep(0)
        assert 4.0 < exchange.deadline - now <= 5.1
        waiting.cancel()

    asyncio.run(scenario())


def test_a_client_that_takes_nothing_is_let_go(services: ScriptedServices, tmp_path: Path) -> None:
    """After a minute in which a client takes no piece of its answer, the service is freed."""
    services.on("/pour", answer(200, b"z" * MEGABYTE))
    environment = edge_environment("redis://127.0.0.1:1/0") | services.environment
    stuck = asyncio.Event()

    async def receive() -> Message:
        message: Message = await asyncio.get_running_loop().create_future()
        return message

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        parts = compose(Settings.load(environment, folder=tmp_path), Backlog(10))
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/pour",
            "raw_path": b"/pour",
            "query_string": b"",
            "scheme": "http",
            "client": ("10.0.0.1", 1),
            "headers": [(b"host", b"x")],
        }
        before = services.open["web"]
        handling = asyncio.ensure_future(parts.pipeline.handle(scope, receive, send))
        await asyncio.wait_for(stuck.wait(), 5)
        now = asyncio.get_running_loop().time()
        parts.in_flight.sweep(now + 59.0)
        assert len(parts.in_flight) == 1
        parts.in_flight.sweep(now + 61.0)
        await asyncio.wait_for(handling, 5)
        assert len(parts.in_flight) == 0
        closed = partial(services.wait, lambda: services.open["web"] <= before, 2.0)
        await asyncio.get_running_loop().run_in_executor(None, closed)
        await parts.client.aclose()
        await parts.kv.aclose()

    asyncio.run(scenario())


def test_a_body_that_does_not_come_is_a_408(tmp_path: Path) -> None:
    """After the patience with its client the edge answers 408 and closes the connection."""
    environment = edge_environment(
        "redis://127.0.0.1:1/0", WEB_SERVICE_URL="http://127.0.0.1:1", REDIS_TIMEOUT="0.2"
    )
    answered = Answered()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        parts = compose(Settings.load(environment, folder=tmp_path), Backlog(10))
        asked = asyncio.Event()

        async def receive() -> Message:
            asked.set()
            message: Message = await loop.create_future()
            return message

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/upload",
            "raw_path": b"/upload",
            "query_string": b"",
            "scheme": "http",
            "client": ("10.0.0.1", 1),
            "headers": [(b"host", b"x"), (b"content-length", b"5")],
        }
        handling = asyncio.ensure_future(parts.pipeline.handle(scope, receive, answered.send))
        await asyncio.wait_for(asked.wait(), 5)
        parts.in_flight.sweep(loop.time() + 19.0)
        assert not answered.messages
        parts.in_flight.sweep(loop.time() + 21.0)
        await asyncio.wait_for(handling, 5)
        await parts.client.aclose()
        await parts.kv.aclose()

    asyncio.run(scenario())
    assert answered.status == 408
    assert answered.headers[b"connection"] == b"close"
    assert answered.headers[b"x-gateline-error"] == b"request_timeout"
    assert answered.whole
