"""Exchanges that end well, and all the ways in which they do not."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from gateline.edge.upstream import (
    BodyStream,
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    Limits,
    StaleConnection,
    UpstreamTimeout,
)

Run = Callable[[Coroutine[Any, Any, None]], None]
Serve = Callable[..., Any]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LARGE = HEAD + b"content-length: 1000000\r\n\r\n"


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    """Yield chunks."""
    for chunk in chunks:
        yield chunk


def test_header_bytes_come_back_unchanged(run: Run, serve: Serve) -> None:
    """UTF-8 in response headers passes, with order and duplicates."""
    answer = HEAD + "X-Naïve: ü".encode().replace("ï".encode(), b"i")
    answer += b"\r\nA: caf\xe9\r\na: 2\r\ncontent-length: 0\r\n\r\n"

    async def scenario() -> None:
        async with serve(answer) as upstream:
            response = await upstream.send()
            assert response.headers[:3] == [
                (b"X-Naive", "ü".encode()),
                (b"A", b"caf\xe9"),
                (b"a", b"2"),
            ]

    run(scenario())


def test_path_bytes_go_out_verbatim(run: Run, serve: Serve) -> None:
    """Nothing normalises the path after policy has looked at it."""

    async def scenario() -> None:
        async with serve() as upstream:
            await upstream.send(path=b"/pub/%2e%2e/admin/../x//y?a=%20&b=\xc3\xa9")
            assert upstream.requests[0].startswith(
                b"GET /pub/%2e%2e/admin/../x//y?a=%20&b=\xc3\xa9 HTTP/1.1\r\n"
            )

    run(scenario())


def test_a_small_body_arrives_whole(run: Run, serve: Serve) -> None:
    """A short body with a known length is held until whole, however slowly it comes."""

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (HEAD, b"content-length: 6\r\n\r\n", b"abc", b"def"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    async def scenario() -> None:
        async with serve(slowly) as upstream:
            response = await upstream.send()
            assert response.body == b"abcdef"
            assert (upstream.pool.idle, upstream.pool.open) == (1, 1)

    run(scenario())


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"304 Not Modified"])
def test_answers_without_a_body(run: Run, serve: Serve, method: bytes, status: bytes) -> None:
    """HEAD, 204 and 304 have no body, and the connection is good for the next request."""
    answer = b"HTTP/1.1 " + status + b"\r\ncontent-length: 5\r\n\r\n"
    if method == b"GET" and status == b"200 OK":
        answer += b"hello"

    async def scenario() -> None:
        async with serve(answer) as upstream:
            for _ in range(3):
                response = await upstream.send(method)
                assert response.body == (b"hello" if answer.endswith(b"hello") else b"")
            assert upstream.accepted == 1

    run(scenario())


def test_interim_responses_are_skipped(run: Run, serve: Serve) -> None:
    """1xx answers before the final one are not handed over."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"

    async def scenario() -> None:
        async with serve(interim + HEAD + b"content-length: 2\r\n\r\nok") as upstream:
            for _ in range(2):
                response = await upstream.send()
                assert (response.status, response.body) == (200, b"ok")
                assert len(response.headers) == 1

    run(scenario())


def test_a_body_until_close(run: Run, serve: Serve) -> None:
    """Without a length the body ends with the connection, which is not kept."""

    async def scenario() -> None:
        async with serve(HEAD + b"\r\n" + b"x" * 100_000, "close") as upstream:
            response = await upstream.send()
            assert len(await response.read()) == 100_000
            assert await response.read_chunk() == b""
            assert upstream.pool.idle == 0

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (HEAD + b"content-length: 5\r\n\r\nabc", "close"),
        (HEAD + b"content-length: 5\r\n\r\n", "close"),
        (LARGE + b"abc", "close"),
        (LARGE + b"abc", "reset"),
        (CHUNKED, "close"),
        (CHUNKED + b"3\r\nabc\r\n", "close"),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", "close"),
        (CHUNKED + b"5\r\nabc", "close"),
        (CHUNKED + b"3\r\nabc\r\n", "reset"),
        (HEAD + b"\r\nabc", "reset"),
    ],
)
def test_half_a_body_is_never_whole(run: Run, serve: Serve, answer: bytes, ending: str) -> None:
    """A body that breaks off raises BodyTruncated, before the response or while reading it."""

    async def scenario() -> None:
        async with serve(answer, ending) as upstream:
            with pytest.raises(ConnectionLost) as caught:
                await (await upstream.send()).read()
            # A reset may overtake the head, which then never came.
            assert isinstance(caught.value, BodyTruncated) or ending == "reset"
            assert caught.value.bytes_written > 0
            assert upstream.pool.idle == 0

    run(scenario())


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20", HEAD, HEAD + b"content-length: 5\r\n"])
def test_half_a_head(run: Run, serve: Serve, answer: bytes, ending: str) -> None:
    """A connection that ends before the head raises ConnectionLost, not stale when it was new."""

    async def scenario() -> None:
        async with serve(answer, ending) as upstream:
            with pytest.raises(ConnectionLost) as caught:
                await upstream.send(b"POST", body=b"12345")
            error = caught.value
            assert type(error) is ConnectionLost
            assert not error.reused
            assert error.bytes_written == len(upstream.requests[0])

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 No\r\n\r\n",
        HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        HEAD + b"x: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_rubbish(run: Run, serve: Serve, answer: bytes) -> None:
    """An unacceptable answer raises InvalidResponse and closes the connection."""

    async def scenario() -> None:
        async with serve(answer) as upstream:
            with pytest.raises(InvalidResponse) as caught:
                await upstream.send()
            assert caught.value.bytes_written > 0
            assert upstream.pool.idle == 0

    run(scenario())


def test_rubbish_within_the_body(run: Run, serve: Serve) -> None:
    """A malformed chunk raises after the good ones were read."""

    async def scenario() -> None:
        async with serve(CHUNKED + b"3\r\nabc\r\n" + b"zz\r\n") as upstream:
            with pytest.raises(InvalidResponse):
                await (await upstream.send()).read()

    run(scenario())


def test_an_upstream_that_speaks_first(run: Run, serve: Serve, until: Any) -> None:
    """Bytes that come before any request close the connection."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async def scenario() -> None:
        async with serve(greet) as upstream:
            with pytest.raises(InvalidResponse):
                await upstream.send()
            await until(lambda: upstream.pool.open == 0)

    run(scenario())


@pytest.mark.parametrize("greeting", [b"", b"220 mail.example ESMTP\r\n"])
def test_an_upstream_that_hangs_up_at_once(run: Run, serve: Serve, greeting: bytes) -> None:
    """An upstream that accepts and closes is an error after one connection, not a loop."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)

    async def scenario() -> None:
        async with serve(hang_up) as upstream:
            for count in range(1, 6):
                with pytest.raises((ConnectFailed, ConnectionLost, InvalidResponse)):
                    await upstream.send()
                assert upstream.accepted <= count

    run(scenario())


@pytest.mark.parametrize("rest", [b"X", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"])
def test_bytes_after_the_response_poison(run: Run, serve: Serve, rest: bytes) -> None:
    """The response is good, its connection is not used again."""

    async def scenario() -> None:
        async with serve(HEAD + b"content-length: 2\r\n\r\nok" + rest) as upstream:
            for count in (1, 2):
                response = await upstream.send()
                assert response.body == b"ok"
                assert (upstream.pool.idle, upstream.accepted) == (0, count)

    run(scenario())


def test_bytes_on_an_idle_connection_poison(run: Run, serve: Serve, until: Any) -> None:
    """An answer that nobody asked for closes the resting connection."""
    late = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 2\r\n\r\nok")
        await late.wait()
        writer.write(HEAD + b"content-length: 4\r\n\r\nevil")
        await reader.read()

    async def scenario() -> None:
        async with serve(talk) as upstream:
            await upstream.send()
            assert upstream.pool.idle == 1
            late.set()
            await until(lambda: upstream.pool.open == 0)
            assert (await upstream.send()).body == b"ok"

    run(scenario())


def test_an_idle_connection_that_the_upstream_closes(run: Run, serve: Serve, until: Any) -> None:
    """A connection that was closed while resting is not used for the next request."""

    async def scenario() -> None:
        async with serve(HEAD + b"content-length: 2\r\n\r\nok", "close") as upstream:
            await upstream.send()
            await until(lambda: upstream.pool.open == 0)
            assert (await upstream.send()).body == b"ok"

    run(scenario())


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 2"])
def test_a_stale_connection(run: Run, serve: Serve, half: bytes) -> None:
    """A reused connection that ends without an answer is told, with what may have arrived."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 2\r\n\r\nok")
        await reader.readexactly(1)
        writer.write(half)

    async def scenario() -> None:
        async with serve(once) as upstream:
            await upstream.send()
            with pytest.raises(ConnectionLost) as caught:
                await upstream.send(b"POST", body=b"pay")
            error = caught.value
            assert isinstance(error, StaleConnection) is (half == b"")
            assert (error.reused, error.may_have_arrived) == (True, True)

    run(scenario())


def test_timeout_of_the_response(run: Run, serve: Serve, until: Any) -> None:
    """An upstream that does not answer is given up after the read time-out."""

    async def scenario() -> None:
        async with serve(b"HTTP/1.1 200", "hang") as upstream:
            with pytest.raises(UpstreamTimeout) as caught:
                await upstream.send(read_timeout=0.02)
            assert caught.value.phase == "response"
            assert caught.value.bytes_written == len(upstream.requests[0])
            await until(lambda: upstream.open == 0)

    run(scenario())


def test_the_deadline_bounds_the_response(run: Run, serve: Serve) -> None:
    """A shorter deadline counts, a held body included; a past one sends nothing."""

    async def scenario() -> None:
        async with serve(HEAD + b"content-length: 5\r\n\r\nabc", "hang") as upstream:
            with pytest.raises(UpstreamTimeout) as caught:
                await upstream.send(within=0.02)
            assert caught.value.phase == "body"
            with pytest.raises(UpstreamTimeout) as caught:
                await upstream.send(within=0)
            assert (caught.value.bytes_written, upstream.accepted) == (0, 1)

    run(scenario())


def test_timeout_of_the_body(run: Run, serve: Serve) -> None:
    """A body that stalls raises after the read time-out; the deadline no longer counts."""

    async def scenario() -> None:
        async with serve(CHUNKED + b"3\r\nabc\r\n", "hang") as upstream:
            response = await upstream.send(within=0.05, read_timeout=0.1)
            assert await response.read_chunk() == b"abc"
            started = asyncio.get_running_loop().time()
            with pytest.raises(UpstreamTimeout) as caught:
                await response.read_chunk()
            assert caught.value.phase == "body"
            assert asyncio.get_running_loop().time() - started > 0.06

    run(scenario())


@pytest.mark.parametrize("paused", [False, True])
def test_silence_may_be_allowed_to_what_is_under_way(run: Run, serve: Serve, paused: bool) -> None:
    """It takes the place of the read time-out, until the exchange ends."""

    async def scenario() -> None:
        async with serve(CHUNKED + b"3\r\nabc\r\n", "hang") as upstream:
            response = await upstream.send(read_timeout=0.05)
            if paused:
                response._reader._source.pause_reading()
            response.allow_silence(0.3)
            assert await response.read_chunk() == b"abc"
            if paused:
                response._reader._source.resume_reading()
            started = asyncio.get_running_loop().time()
            with pytest.raises(UpstreamTimeout):
                await response.read_chunk()
            assert asyncio.get_running_loop().time() - started > 0.2

    run(scenario())


def test_timeout_of_sending(run: Run, serve: Serve) -> None:
    """An upstream that does not read is told from one that does not answer."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of every real transport
        await asyncio.Event().wait()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async def scenario() -> None:
        async with serve(deaf) as upstream:
            for body in (b"x" * 30_000_000, BodyStream(endless())):
                with pytest.raises(UpstreamTimeout) as caught:
                    await upstream.send(b"POST", body=body, read_timeout=0.05)
                assert caught.value.phase == "send"
                assert 0 < caught.value.bytes_written < 30_000_000

    run(scenario())


def test_a_slow_reader_holds_the_upstream_back(run: Run, serve: Serve) -> None:
    """An unread body fills bounded memory, and the pause is no time-out of the upstream."""
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000
        await reader.read()

    async def scenario() -> None:
        async with serve(pour) as upstream:
            response = await upstream.send(read_timeout=0.05)
            await asyncio.sleep(0.2)
            stalled = sent
            assert stalled < 12_000_000  # what sockets and one high-water mark hold
            largest = received = 0
            while chunk := await response.read_chunk():
                largest = max(largest, len(chunk))
                received += len(chunk)
            assert received == 50_000_000
            assert largest <= Limits().high_water + 256 * 1024
            assert upstream.pool.idle == 1

    run(scenario())


def test_a_connection_is_not_left_paused(run: Run, serve: Serve, read_request: Any) -> None:
    """When the last bytes of a body exceed the high-water mark, the next request is answered."""

    async def burst(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(HEAD + b"content-length: 5000\r\n\r\n")
            await asyncio.sleep(0.01)
            writer.write(b"x" * 5000)

    async def scenario() -> None:
        limits = Limits(high_water=1000, hold_bytes=100)
        async with serve(burst, limits=limits) as upstream:
            for _ in range(3):
                response = await upstream.send(read_timeout=1)
                await asyncio.sleep(0.02)
                assert len(await response.read()) == 5000
            assert upstream.accepted == 1

    run(scenario())


def test_closing_a_streamed_response(run: Run, serve: Serve, until: Any) -> None:
    """Closing before the end closes the connection; after the end it does nothing."""

    async def scenario() -> None:
        async with serve(CHUNKED + b"3\r\nabc\r\n", "hang") as upstream:
            response = await upstream.send()
            response.close()
            await until(lambda: upstream.open == 0 and upstream.pool.open == 0)
            with pytest.raises(BodyTruncated):
                await response.read_chunk()

    run(scenario())


@pytest.mark.parametrize("kind", ["bytes", "stream"])
def test_a_slow_upstream_holds_the_upload_back(run: Run, serve: Serve, kind: str) -> None:
    """A body is read no faster than the upstream takes it, and slow is not silent."""
    produced = 0

    async def produce() -> AsyncIterator[bytes]:
        nonlocal produced
        for _ in range(40):
            produced += 1_000_000
            yield b"x" * 1_000_000

    async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        assert produced < 15_000_000
        for megabyte in range(40):
            await reader.readexactly(1_000_000)
            await asyncio.sleep(0.06 if megabyte < 20 else 0)
        writer.write(HEAD + b"content-length: 2\r\n\r\nok")
        await reader.read()

    async def scenario() -> None:
        async with serve(sip) as upstream:
            body = BodyStream(produce(), 40_000_000) if kind == "stream" else b"x" * 40_000_000
            response = await upstream.send(b"POST", body=body, read_timeout=1.0)
            assert response.body == b"ok"
            assert upstream.pool.idle == 1

    run(scenario())


@pytest.mark.parametrize("length", [None, 300_000])
def test_streamed_request_bodies(run: Run, serve: Serve, length: int | None) -> None:
    """A streamed body arrives whole, measured or chunked, and the connection is kept."""
    parts = [b"a" * 100_000, b"b" * 100_000, b"c" * 100_000]

    async def scenario() -> None:
        async with serve() as upstream:
            for _ in range(2):
                body = BodyStream(pieces(*parts), length)
                assert (await upstream.send(b"POST", body=body)).body == b"ok"
            assert upstream.accepted == 1
            for part in parts:
                assert part in upstream.requests[1]

    run(scenario())


def test_large_bodies_in_one_piece(run: Run, serve: Serve) -> None:
    """A large buffered body arrives whole."""

    async def scenario() -> None:
        async with serve() as upstream:
            assert (await upstream.send(b"POST", body=b"y" * 3_000_000)).body == b"ok"
            assert upstream.requests[0].endswith(b"\r\n\r\n" + b"y" * 3_000_000)

    run(scenario())


def test_upload_time_is_no_read_time(run: Run, serve: Serve) -> None:
    """A client that is slow to send does not use up the upstream's read time-out."""

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.03)
            yield b"x"

    async def scenario() -> None:
        async with serve() as upstream:
            response = await upstream.send(b"POST", body=BodyStream(slowly()), read_timeout=0.05)
            assert response.body == b"ok"

    run(scenario())


@pytest.mark.parametrize("ending", ["hang", "close"])
def test_an_early_answer_during_an_upload(run: Run, serve: Serve, until: Any, ending: str) -> None:
    """An answer that does not wait for the body is delivered, and the connection closed."""
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)
        finally:
            ended.set()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await writer.drain()
        if ending == "hang":
            await asyncio.Event().wait()

    async def scenario() -> None:
        async with serve(refuse) as upstream:
            response = await upstream.send(b"POST", body=BodyStream(endless()))
            assert (response.status, response.body) == (413, b"big")
            await until(lambda: upstream.pool.open == 0)
            await asyncio.wait_for(ended.wait(), 1)

    run(scenario())


def test_an_answer_that_streams_beside_the_upload(run: Run, serve: Serve) -> None:
    """An upstream may answer while it reads: both directions go on."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 6\r\n\r\n")
        writer.write(await reader.readexactly(3))
        writer.write(await reader.readexactly(3))
        await reader.read()

    async def scenario() -> None:
        gate = asyncio.Event()

        async def talk() -> AsyncIterator[bytes]:
            yield b"abc"
            await gate.wait()
            yield b"def"

        async with serve(echo) as upstream:
            response = await upstream.send(b"POST", body=BodyStream(talk(), 6))
            assert await response.read_chunk() == b"abc"
            gate.set()
            assert await response.read() == b"def"

    run(scenario())


def test_a_request_body_that_breaks(run: Run, serve: Serve, until: Any) -> None:
    """What the body's source raises comes out of send, and the upstream sees no whole request."""

    class Gone(Exception):
        """Stand for whatever a source raises."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise Gone

    async def scenario() -> None:
        async with serve() as upstream:
            with pytest.raises(Gone):
                await upstream.send(b"POST", body=BodyStream(broken(), 10))
            with pytest.raises(ValueError, match="announced"):
                await upstream.send(b"POST", body=BodyStream(pieces(b"abc"), 10))
            await until(lambda: upstream.open == 0 and upstream.pool.open == 0)
            assert upstream.requests == []

    run(scenario())


def test_nagle_is_off(run: Run, serve: Serve) -> None:
    """Small requests leave at once: TCP_NODELAY is set."""

    async def scenario() -> None:
        async with serve() as upstream:
            await upstream.send()
            connection = upstream.pool.take()
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            upstream.pool.release(connection)

    run(scenario())


def test_closed_connections_leave_no_cycles(run: Run, serve: Serve, until: Any) -> None:
    """A closed connection is freed without the garbage collector's help."""

    async def scenario() -> None:
        async with serve(HEAD + b"content-length: 2\r\n\r\nok", "close") as upstream:
            await upstream.send()
            await until(lambda: upstream.pool.open == 0)
            kinds = {type(thing).__name__ for thing in gc.get_objects()}
            assert "ResponseParser" not in kinds

    gc.collect()
    gc.disable()
    try:
        run(scenario())
    finally:
        gc.enable()
