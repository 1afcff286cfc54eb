"""Who shares which connection, and who waits."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import h2.settings
import pytest
import uvloop
from http2_upstream import Http2Upstream, Visit

from gateline.edge.upstream import (
    Client,
    ConnectFailed,
    Limits,
    PoolExhausted,
    Target,
    UpstreamTimeout,
)
from gateline.edge.upstream.http2 import Http2Pool

ONE_EACH: dict[h2.settings.SettingCodes, int] = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1}


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on the loop that the edge runs on."""
    uvloop.run(asyncio.wait_for(scenario, 20))


async def soon(visit: Visit) -> None:
    """Answer after a moment."""
    await asyncio.sleep(0.001)
    await visit.answer(body=b"ok")


async def never(visit: Visit) -> None:
    """Answer when it is too late."""
    await visit.was_reset.wait()


def test_many_requests_share_few_connections() -> None:
    """300 requests at once fit on connections of 100 each, and all are answered."""

    async def scenario() -> None:
        async with Http2Upstream(soon) as upstream:
            answers = await asyncio.gather(*(upstream.send() for _ in range(300)))
            assert {answer.body for answer in answers} == {b"ok"}
            assert upstream.pool.opened_total <= 3
            assert (upstream.pool.in_use, upstream.pool.waiting) == (0, 0)
            await upstream.send()
            assert upstream.pool.reused_total >= 1

    run(scenario())


def test_the_upstream_says_how_many_may_share() -> None:
    """One request at a time on each connection, when the upstream allows no more."""

    async def scenario() -> None:
        async with Http2Upstream(soon, Limits(max_connections=4), ONE_EACH) as upstream:
            answers = await asyncio.gather(*(upstream.send() for _ in range(20)))
            assert len(answers) == 20
            assert 1 < len(upstream.peers) <= 4

    run(scenario())


def test_the_line_is_bounded(until: Callable[..., Any]) -> None:
    """Beyond connections and streams callers wait, no longer than their deadline, not too many."""
    limits = Limits(max_connections=1, max_streams=1, max_waiting=1)

    async def scenario() -> None:
        async with Http2Upstream(never, limits) as upstream:
            first = asyncio.create_task(upstream.send())
            await until(lambda: upstream.pool.in_use == 1)
            second = asyncio.create_task(upstream.send(within=0.1))
            await until(lambda: upstream.pool.waiting == 1)
            with pytest.raises(PoolExhausted):
                await upstream.send()
            with pytest.raises(UpstreamTimeout, match="queue"):
                await second
            third = asyncio.create_task(upstream.send())
            await until(lambda: upstream.pool.waiting == 1)
            first.cancel()
            await until(lambda: upstream.pool.waiting == 0 and upstream.pool.in_use == 1)
            assert len(upstream.peers) == 1
            third.cancel()

    run(scenario())


def test_callers_that_leave_the_line(until: Callable[..., Any]) -> None:
    """A caller cancelled at any moment of its turn holds no stream back from others."""
    limits = Limits(max_connections=1, max_streams=1)

    async def scenario() -> None:
        async with Http2Upstream(soon, limits) as upstream:
            for steps in range(12):
                sent = [asyncio.create_task(upstream.send()) for _ in range(4)]
                for _ in range(steps):
                    await asyncio.sleep(0.0005)
                for task in sent[:3]:
                    task.cancel()
                assert (await sent[3]).body == b"ok"
            await until(lambda: upstream.pool.in_use == 0 and upstream.pool.waiting == 0)

    run(scenario())


def test_everybody_in_line_hears_of_a_failed_connection() -> None:
    """When nobody is there, all callers learn it at once, each by an error of its own."""

    async def scenario() -> None:
        client = Client()
        target = Target.parse("http://127.0.0.1:1", http2=True)
        deadline = asyncio.get_running_loop().time() + 5
        sent = [client.send(target, b"GET", b"/", [], deadline=deadline) for _ in range(5)]
        errors = await asyncio.gather(*sent, return_exceptions=True)
        assert {type(error) for error in errors} == {ConnectFailed}
        assert len(set(map(id, errors))) == 5
        assert client.pool(target).open == 0

    run(scenario())


def test_closing_lets_requests_finish(until: Callable[..., Any]) -> None:
    """Within the grace what is in flight is answered; new requests are refused at once."""

    async def scenario() -> None:
        async with Http2Upstream(soon) as upstream:
            sent = asyncio.create_task(upstream.send())
            await until(lambda: upstream.pool.in_use == 1)
            closing = asyncio.create_task(upstream.pool.aclose(5.0))
            await asyncio.sleep(0)
            with pytest.raises(PoolExhausted):
                await upstream.send()
            assert (await sent).body == b"ok"
            await closing
            assert upstream.pool.open == 0

    run(scenario())


def test_closing_cuts_what_does_not_finish(until: Callable[..., Any]) -> None:
    """After the grace the rest is cut."""

    async def scenario() -> None:
        async with Http2Upstream(never) as upstream:
            sent = asyncio.create_task(upstream.send())
            await until(lambda: upstream.pool.in_use == 1)
            await upstream.pool.aclose(0.05)
            result = (await asyncio.gather(sent, return_exceptions=True))[0]
            assert isinstance(result, Exception)

    run(scenario())


def test_a_name_that_leads_elsewhere(until: Callable[..., Any]) -> None:
    """New requests follow the name; those on the way to the old address finish there."""
    addresses = ["127.0.0.1"]

    async def look_up(_: str, __: int) -> Sequence[str]:
        return list(addresses)

    async def scenario() -> None:
        async with Http2Upstream(hold) as upstream:
            target = Target("http", "api", upstream.port, http2=True)
            pool = Http2Pool(target, Limits(dns_seconds=0.02), look_up=look_up)
            deadline = asyncio.get_running_loop().time() + 5
            sent = asyncio.create_task(pool.send(b"GET", b"/", [], deadline=deadline))
            await until(lambda: pool.in_use == 1)
            addresses[:] = ["127.0.0.9"]
            await until(lambda: not pool._dialer.is_current("127.0.0.1"))
            with pytest.raises(ConnectFailed):
                await pool.send(b"GET", b"/quick", [], deadline=deadline)
            release.set()
            assert (await sent).body == b"ok"
            await until(lambda: pool.open == 0)
            await pool.aclose()

    async def hold(visit: Visit) -> None:
        if visit.value(b":path") == b"/":
            await release.wait()
        await visit.answer(body=b"ok")

    release = asyncio.Event()
    run(scenario())
