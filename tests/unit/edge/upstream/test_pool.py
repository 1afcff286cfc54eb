"""What pools of every protocol have in common."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from http2_upstream import Http2Upstream

from gateline.edge.upstream import Client, ConnectFailed, Pool, Target, UpstreamTimeout

Run = Callable[[Coroutine[Any, Any, None]], None]
Serve = Callable[..., Any]


async def check(pool: Pool, within: float = 5.0) -> None:
    """Look whether a connection comes about."""
    await pool.check(asyncio.get_running_loop().time() + within)


@pytest.mark.parametrize("http2", [False, True])
def test_checking_leaves_nothing_behind(run: Run, serve: Serve, until: Any, http2: bool) -> None:
    """A check opens a connection of its own and closes it; the pool's figures do not move."""

    async def scenario() -> None:
        async with serve() as upstream:
            target = Target.parse(f"http://127.0.0.1:{upstream.port}", http2=http2)
            pool = upstream.client.pool(target)
            await check(pool)
            assert (pool.open, pool.idle, pool.in_use, pool.waiting) == (0, 0, 0, 0)
            await until(lambda: upstream.accepted == 1 and upstream.open == 0)

    run(scenario())


def test_checking_what_is_away(run: Run) -> None:
    """Nobody there is ConnectFailed, nobody answering is a time-out."""

    async def scenario() -> None:
        client = Client()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(ConnectFailed):
            await check(client.pool(Target.parse(f"http://127.0.0.1:{port}")))
        with pytest.raises(UpstreamTimeout, match="connect"):
            await check(client.pool(Target.parse(f"http://127.0.0.1:{port}")), within=-1)

    run(scenario())


def test_retaining_some_pools_closes_the_others(run: Run, serve: Serve, until: Any) -> None:
    """What a new configuration does not use any more is closed, the rest keeps its connections."""

    async def scenario() -> None:
        async with serve() as kept, serve() as gone, Http2Upstream() as shared:
            client = kept.client
            pools = [client.pool(one.target) for one in (kept, gone, shared)]
            deadline = asyncio.get_running_loop().time() + 5
            for pool in pools:
                await pool.send(b"GET", b"/", [], deadline=deadline)
            await client.retain({pools[0]}, 1.0)
            assert client.pools == pools[:1]
            assert [pool.open for pool in pools] == [1, 0, 0]
            counts = client.connections()
            assert counts == {str(kept.target): (0, 1), str(gone.target): (0, 0)} | {
                str(shared.target): (0, 0)
            }
            await until(lambda: gone.open == 0)

    run(scenario())
