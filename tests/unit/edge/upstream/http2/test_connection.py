"""A connection that many requests share: its beginning, its end, and what ends it."""

import asyncio
from collections.abc import Coroutine
from math import inf
from pathlib import Path
from typing import Any

import pytest
import uvloop
from certificates import Authority, server_context
from http2_upstream import Http2Upstream, Visit
from hyperframe.frame import GoAwayFrame, PushPromiseFrame, RstStreamFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from gateline.edge.upstream import (
    Client,
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    Limits,
    Target,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.edge.upstream.http2 import Http2Pool
from gateline.edge.upstream.http2.connection import Http2Connection
from gateline.policy.services import Endpoint, Service, TlsPolicy


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on the loop that the edge runs on."""
    uvloop.run(asyncio.wait_for(scenario, 20))


class Gate:
    """Holds every request until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, visit: Visit) -> None:
        """Answer when the gate is open."""
        await self.opened.wait()
        await visit.answer(body=b"ok")


async def together(upstream: Http2Upstream, count: int) -> "list[asyncio.Task[Any]]":
    """Send requests at once and return when all of them are with the upstream."""
    sent = [asyncio.create_task(upstream.send(b"POST", body=b"x")) for _ in range(count)]
    async with asyncio.timeout(2):
        while len(upstream.visits) < count:  # noqa: ASYNC110 # the server tells nobody
            await asyncio.sleep(0.001)
    return sent


def test_goaway_finishes_what_was_taken(until: Any) -> None:
    """What the upstream still works on is answered; the rest is proven untouched (6.8)."""

    async def scenario() -> None:
        gate = Gate()
        async with Http2Upstream(gate) as upstream:
            sent = await together(upstream, 3)
            last = upstream.visits[0].stream_id
            upstream.peers[0].transport.write(GoAwayFrame(0, last_stream_id=last).serialize())
            results = await asyncio.gather(*sent[1:], return_exceptions=True)
            assert [type(error) for error in results] == [ConnectionLost, ConnectionLost]
            assert not any(getattr(error, "may_have_arrived", True) for error in results)
            upstream.visits[1:] = []
            later = asyncio.create_task(upstream.send())
            await until(lambda: len(upstream.peers) == 2)
            gate.opened.set()
            assert [one.body for one in (await sent[0], await later)] == [b"ok", b"ok"]
            await until(lambda: upstream.peers[0].gone)
            assert upstream.pool.open == 1

    run(scenario())


def test_goaway_between_requests(until: Any) -> None:
    """A connection that was dismissed at rest is closed and never used again."""

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            await upstream.send()
            upstream.peers[0].transport.write(GoAwayFrame(0, last_stream_id=1).serialize())
            await until(lambda: upstream.pool.open == 0)
            assert (await upstream.send()).body == b"ok"

    run(scenario())


def test_a_reset_that_comes_late_harms_nobody() -> None:
    """A reset may cross the end of its stream; the connection is none the worse."""

    async def scenario() -> None:
        async with Http2Upstream() as upstream:
            await upstream.send()
            upstream.peers[0].transport.write(RstStreamFrame(1, error_code=0).serialize())
            assert (await upstream.send()).body == b"ok"
            assert upstream.pool.opened_total == 1

    run(scenario())


def test_a_violation_ends_the_connection() -> None:
    """A peer that breaks the protocol is not listened to any further."""

    async def push(visit: Visit) -> None:
        visit.peer.transport.write(
            PushPromiseFrame(visit.stream_id, 2, b"", flags=["END_HEADERS"]).serialize()
        )

    async def scenario() -> None:
        async with Http2Upstream(push) as upstream:
            with pytest.raises(InvalidResponse):
                await upstream.send()

    run(scenario())


def test_another_protocol_is_a_failed_connection(serve: Any) -> None:
    """An upstream that speaks HTTP/1.1 only has seen no request."""
    said = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read()

    async def scenario() -> None:
        async with serve(complain) as upstream:
            shared = Http2Upstream()
            async with shared:
                pool = shared.client.pool(
                    shared.target.parse(f"http://127.0.0.1:{upstream.port}", http2=True)
                )
                deadline = asyncio.get_running_loop().time() + 5
                with pytest.raises(ConnectFailed, match="no acceptable HTTP/2") as caught:
                    await pool.send(b"POST", b"/", [], b"x", deadline=deadline)
                assert not caught.value.may_have_arrived
                assert pool.open == 0

    run(scenario())


def test_an_upstream_that_never_greets(serve: Any) -> None:
    """Accepting without a word is a time-out of connecting."""

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def scenario() -> None:
        async with serve(silent) as upstream, Http2Upstream() as shared:
            target = shared.target.parse(f"http://127.0.0.1:{upstream.port}", http2=True)
            pool = shared.client.pool(target)
            deadline = asyncio.get_running_loop().time() + 5
            with pytest.raises(UpstreamTimeout, match="connect"):
                await pool.send(b"GET", b"/", [], deadline=deadline, connect_timeout=0.05)
            assert pool.open == 0

    run(scenario())


def test_tls_agrees_to_the_protocol(tmp_path: Path) -> None:
    """Over TLS both sides say h2 (ALPN); an upstream that does not is a failed connection."""
    authority = Authority(tmp_path)
    certificate = authority.issue("127.0.0.1")
    policy = TlsPolicy(ca_file=str(authority.path))

    async def ask(client: Client, port: int) -> bytes | None:
        endpoint = Endpoint(f"https://127.0.0.1:{port}")
        service = Service("up", (endpoint,), tls=policy, protocol="http2")
        deadline = asyncio.get_running_loop().time() + 5
        pool = client.pool_for(service, endpoint)
        return (await pool.send(b"GET", b"/", [], deadline=deadline)).body

    async def scenario() -> None:
        async with (
            Http2Upstream(ssl=server_context(certificate, "h2")) as good,
            Http2Upstream(ssl=server_context(certificate, "http/1.1")) as old,
        ):
            assert await ask(good.client, good.port) == b"ok"
            assert good.visits[0].value(b":scheme") == b"https"
            with pytest.raises(ConnectFailed):
                await ask(old.client, old.port)
            assert old.visits == []

    run(scenario())


def test_idle_connections_are_closed(until: Any) -> None:
    """After its idle time a connection says goodbye and goes."""

    async def scenario() -> None:
        async with Http2Upstream(limits=Limits(idle_seconds=0.05)) as upstream:
            await upstream.send()
            assert upstream.pool.idle == 1
            await until(lambda: upstream.pool.open == 0 and upstream.peers[0].gone)

    run(scenario())


def test_a_silent_connection_gets_no_more_requests() -> None:
    """After a time-out in which nothing at all came, the next request goes another way."""

    async def deaf(visit: Visit) -> None:
        if visit.value(b":path") == b"/ok":
            await visit.answer(body=b"ok")

    async def scenario() -> None:
        async with Http2Upstream(deaf) as upstream:
            await upstream.send(path=b"/ok")
            await asyncio.sleep(0.05)
            with pytest.raises(UpstreamTimeout):
                await upstream.send(read_timeout=0.1)
            assert (await upstream.send(path=b"/ok")).body == b"ok"
            assert upstream.pool.opened_total == 2

    run(scenario())


class Silence(asyncio.Transport):
    """A socket that takes everything and says nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes."""

    def abort(self) -> None:
        """Close at once."""

    def close(self) -> None:
        """Close."""


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream_id.to_bytes(4, "big") + payload


FRAMES = st.builds(
    _frame,
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 0x24, 0xFF]),
    st.sampled_from([0, 1, 2, 3, 5]),
    st.one_of(
        st.just(b"\x88"), st.binary(max_size=20), st.binary(max_size=20).map(b"\x88".__add__)
    ),
)


@given(st.lists(FRAMES, max_size=12))
def test_whatever_comes_every_request_ends(frames: list[bytes]) -> None:
    """Any frames lead to an answer or to one of our errors, and nothing else is raised."""

    async def scenario() -> None:
        target = Target.parse("http://127.0.0.1:1", http2=True)
        connection = Http2Connection(asyncio.get_running_loop(), Http2Pool(target))
        connection.connection_made(Silence())
        connection.data_received(SettingsFrame(0, {3: 100}).serialize())
        fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a")]
        fields.append((b":path", b"/"))
        streams = [
            connection.start(fields, None, deadline=inf, read_timeout=60.0) for _ in range(2)
        ]
        for frame in frames:
            connection.data_received(frame)
        connection.connection_lost(None)
        for stream in streams:
            error = stream.waiter.exception()
            if error is None:
                stream.waiter.result().close()
            else:
                assert isinstance(error, UpstreamError)

    asyncio.run(scenario())
