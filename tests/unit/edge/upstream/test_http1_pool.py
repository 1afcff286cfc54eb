"""Who gets which connection, when there are enough and when there are not."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from math import inf
from typing import Any

import pytest

from gateline.edge.upstream import (
    ConnectFailed,
    ConnectionLost,
    Http1Pool,
    Limits,
    PoolExhausted,
    Target,
    UpstreamTimeout,
)

Run = Callable[[Coroutine[Any, Any, None]], None]
Serve = Callable[..., Any]

ONE = Limits(max_connections=1)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def offering(seconds: bytes) -> bytes:
    """Build an answer that offers to keep the connection for so long."""
    return b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=" + seconds + b"\r\ncontent-length: 0\r\n\r\n"


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Give a port whose queue of connections is full: the next one is never answered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Gate:
    """A handler that answers each request only when told, in the order of arrival."""

    def __init__(self, read_request: Any) -> None:
        self.paths: list[bytes] = []
        self.answers = asyncio.Semaphore(0)
        self._read = read_request

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while True:
            request = await self._read(reader)
            self.paths.append(request.split()[1])
            await self.answers.acquire()
            writer.write(OK)


def test_the_counters(run: Run, serve: Serve) -> None:
    """The pool tells what is open, idle, in use, and what it has opened and reused."""

    async def scenario() -> None:
        async with serve() as upstream:
            pool = upstream.pool
            await asyncio.gather(*(upstream.send() for _ in range(5)))
            assert (pool.open, pool.idle, pool.in_use, pool.waiting) == (5, 5, 0, 0)
            assert (pool.opened_total, pool.reused_total) == (5, 0)
            for _ in range(10):
                await upstream.send()
            assert (pool.opened_total, pool.reused_total, upstream.accepted) == (5, 10, 5)

    run(scenario())


def test_last_in_first_out(run: Run, serve: Serve) -> None:
    """The connection that rested shortest is taken, so that the others can end."""

    async def scenario() -> None:
        async with serve() as upstream:
            await asyncio.gather(*(upstream.send() for _ in range(3)))
            latest = upstream.pool._idle[-1]
            for _ in range(5):
                await upstream.send()
                assert upstream.pool._idle[-1] is latest

    run(scenario())


def test_idle_connections_are_bounded(run: Run, serve: Serve, until: Any) -> None:
    """No more than the limit rest; the others are closed after their use."""

    async def scenario() -> None:
        async with serve(limits=Limits(max_idle=2)) as upstream:
            await asyncio.gather(*(upstream.send() for _ in range(5)))
            await until(lambda: upstream.pool.open == 2 == upstream.open)

    run(scenario())


def test_idle_connections_end(run: Run, serve: Serve, until: Any) -> None:
    """A connection that rested for the limit is closed."""

    async def scenario() -> None:
        async with serve(limits=Limits(idle_seconds=0.03)) as upstream:
            await upstream.send()
            assert upstream.pool.idle == 1
            await until(lambda: upstream.pool.open == 0 == upstream.open)

    run(scenario())


@pytest.mark.parametrize(
    ("offered", "rest"), [(b"5", 4.0), (b"1", 0.5), (b"0", 0.0), (b"90", 30.0), (b"x", 30.0)]
)
def test_the_upstream_may_ask_for_less(run: Run, serve: Serve, offered: bytes, rest: float) -> None:
    """`Keep-Alive: timeout=N` shortens the rest, with a margin; it never makes it longer."""

    async def scenario() -> None:
        async with serve(offering(offered)) as upstream:
            await upstream.send(within=1000, read_timeout=1000)
            due = upstream.pool.take()._timer._due
            assert due - asyncio.get_running_loop().time() == pytest.approx(rest, abs=0.2)

    run(scenario())


def test_callers_wait_in_line(run: Run, serve: Serve, until: Any, read_request: Any) -> None:
    """At the limit callers are served in the order in which they came."""

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate, limits=ONE) as upstream:
            sent = [asyncio.create_task(upstream.send(path=b"/%d" % n)) for n in range(5)]
            await until(lambda: len(gate.paths) == 1 and upstream.pool.waiting == 4)
            for _ in sent:
                gate.answers.release()
            await asyncio.gather(*sent)
            assert gate.paths == [b"/0", b"/1", b"/2", b"/3", b"/4"]
            assert (upstream.accepted, upstream.pool.idle) == (1, 1)

    run(scenario())


def test_nobody_overtakes(run: Run, serve: Serve, until: Any, read_request: Any) -> None:
    """A newcomer does not get the connection that has just become free for someone in line."""

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate, limits=ONE) as upstream:
            first = asyncio.create_task(upstream.send(path=b"/first"))
            await until(lambda: gate.paths == [b"/first"])
            second = asyncio.create_task(upstream.send(path=b"/second"))
            await until(lambda: upstream.pool.waiting == 1)
            gate.answers.release()
            await first
            third = asyncio.create_task(upstream.send(path=b"/third"))
            gate.answers.release()
            gate.answers.release()
            await asyncio.gather(second, third)
            assert gate.paths == [b"/first", b"/second", b"/third"]

    run(scenario())


def test_cancelled_callers_leave_the_line(
    run: Run, serve: Serve, until: Any, read_request: Any
) -> None:
    """A caller that gives up in line keeps nobody else from being served."""

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate, limits=ONE) as upstream:
            sent = [asyncio.create_task(upstream.send(path=b"/%d" % n)) for n in range(4)]
            await until(lambda: len(gate.paths) == 1 and upstream.pool.waiting == 3)
            sent[1].cancel()
            await until(lambda: upstream.pool.waiting == 2)
            for _ in sent:
                gate.answers.release()
            answers = await asyncio.gather(*sent, return_exceptions=True)
            assert isinstance(answers[1], asyncio.CancelledError)
            assert gate.paths == [b"/0", b"/2", b"/3"]

    run(scenario())


def test_a_caller_cancelled_while_being_served(run: Run, serve: Serve, until: Any) -> None:
    """What was handed to a caller that is cancelled at that moment goes to the next in line."""

    async def scenario() -> None:
        async with serve(limits=ONE) as upstream:
            await upstream.send()
            pool = upstream.pool
            connection = pool.take()
            waits = [asyncio.create_task(pool.acquire(inf, 1)) for _ in range(2)]
            await until(lambda: pool.waiting == 2)
            pool.release(connection)
            waits[0].cancel()
            assert await waits[1] is connection
            assert waits[0].cancelled()
            pool.release(connection)
            assert (pool.idle, pool.open, pool.reused_total) == (1, 1, 2)

    run(scenario())


def test_a_place_handed_to_a_cancelled_caller(run: Run, serve: Serve, until: Any) -> None:
    """A free place that a cancelled caller was given is not lost."""

    async def scenario() -> None:
        async with serve(limits=ONE) as upstream:
            await upstream.send()
            pool = upstream.pool
            connection = pool.take()
            waits = [asyncio.create_task(pool.acquire(inf, 1)) for _ in range(2)]
            await until(lambda: pool.waiting == 2)
            connection.abort()
            await until(lambda: pool.waiting == 1)
            waits[0].cancel()
            fresh = await waits[1]
            assert fresh is not connection
            assert (pool.open, upstream.accepted <= 3) == (1, True)
            pool.release(fresh)

    run(scenario())


def test_the_line_is_bounded(run: Run, serve: Serve, until: Any, read_request: Any) -> None:
    """Beyond the limits a caller is refused at once."""
    limits = Limits(max_connections=1, max_waiting=1)

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate, limits=limits) as upstream:
            sent = [asyncio.create_task(upstream.send()) for _ in range(2)]
            await until(lambda: upstream.pool.waiting == 1)
            with pytest.raises(PoolExhausted) as caught:
                await upstream.send()
            assert not caught.value.may_have_arrived
            gate.answers.release()
            gate.answers.release()
            await asyncio.gather(*sent)

    run(scenario())


def test_waiting_ends_with_the_deadline(
    run: Run, serve: Serve, until: Any, read_request: Any
) -> None:
    """A caller in line is told when its deadline passes, and leaves the line."""

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate, limits=ONE) as upstream:
            first = asyncio.create_task(upstream.send())
            await until(lambda: len(gate.paths) == 1)
            with pytest.raises(UpstreamTimeout) as caught:
                await upstream.send(within=0.02)
            assert (caught.value.phase, caught.value.bytes_written) == ("queue", 0)
            assert upstream.pool.waiting == 0
            gate.answers.release()
            await first

    run(scenario())


def test_a_broken_connection_frees_its_place(
    run: Run, serve: Serve, until: Any, read_request: Any
) -> None:
    """When the connection in use breaks, the first in line may open a new one."""

    async def cut_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"/cut" not in await read_request(reader):
            writer.write(OK)

    async def scenario() -> None:
        async with serve(cut_first, limits=ONE) as upstream:
            answers: list[Any] = await asyncio.gather(
                *(upstream.send(path=path) for path in (b"/cut", b"/a", b"/b")),
                return_exceptions=True,
            )
            assert isinstance(answers[0], ConnectionLost)
            assert [answer.body for answer in answers[1:]] == [b"ok", b"ok"]
            assert upstream.accepted == 2

    run(scenario())


def test_refused_connections(run: Run) -> None:
    """A port where nobody listens raises ConnectFailed for everyone, and leaves no trace."""

    async def scenario() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        pool = Http1Pool(Target.parse(f"http://127.0.0.1:{port}"), ONE)
        tries = [pool.acquire(inf, 1) for _ in range(5)]
        for answer in await asyncio.gather(*tries, return_exceptions=True):
            assert isinstance(answer, ConnectFailed)
            assert answer.bytes_written == 0
        assert (pool.open, pool.waiting, pool.opened_total) == (0, 0, 0)

    run(scenario())


def test_names_that_do_not_resolve(run: Run) -> None:
    """An unknown or impossible host name raises ConnectFailed."""

    async def scenario() -> None:
        for host in ("no-such-host.invalid", "a" * 70):
            with pytest.raises(ConnectFailed):
                await Http1Pool(Target("http", host, 80)).acquire(inf, 5)

    run(scenario())


def test_connecting_is_bounded(run: Run) -> None:
    """An address that does not answer raises UpstreamTimeout(connect) and leaves no socket."""

    async def scenario() -> None:
        with full_backlog() as port:
            pool = Http1Pool(Target.parse(f"http://127.0.0.1:{port}"))
            with pytest.raises(UpstreamTimeout) as caught:
                await pool.acquire(inf, 0.05)
            assert (caught.value.phase, caught.value.bytes_written) == ("connect", 0)
            loop = asyncio.get_running_loop()
            with pytest.raises(UpstreamTimeout):
                await pool.acquire(loop.time() + 0.05, 10)
            task = asyncio.create_task(pool.acquire(inf, 10))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert pool.open == 0

    run(scenario())


def test_aclose_lets_requests_finish(run: Run, serve: Serve, until: Any, read_request: Any) -> None:
    """Closing ends what rests, lets what runs finish, and refuses what comes."""

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate, limits=Limits(max_connections=2)) as upstream:
            sent = [asyncio.create_task(upstream.send()) for _ in range(3)]
            await until(lambda: len(gate.paths) == 2 and upstream.pool.waiting == 1)
            closing = asyncio.create_task(upstream.pool.aclose(5))
            with pytest.raises(PoolExhausted):
                await sent[2]
            with pytest.raises(PoolExhausted):
                await upstream.send()
            assert not closing.done()
            gate.answers.release()
            gate.answers.release()
            await closing
            assert [task.result().body for task in sent[:2]] == [b"ok", b"ok"]
            await until(lambda: upstream.open == 0)

    run(scenario())


def test_aclose_cuts_what_does_not_finish(run: Run, serve: Serve, until: Any) -> None:
    """After the grace requests in flight are cut and told so."""

    async def scenario() -> None:
        async with serve(b"", "hang") as upstream:
            sent = asyncio.create_task(upstream.send())
            await until(lambda: upstream.open == 1)
            await upstream.pool.aclose(0.02)
            with pytest.raises(ConnectionLost):
                await sent
            assert upstream.pool.open == 0

    run(scenario())


def test_a_name_that_leads_elsewhere(run: Run, serve: Serve, until: Any, read_request: Any) -> None:
    """Resting connections to an address that is gone close at once, busy ones when answered."""
    addresses = ["127.0.0.1"]

    async def look_up(_: str, __: int) -> list[str]:
        return list(addresses)

    async def scenario() -> None:
        gate = Gate(read_request)
        async with serve(gate) as upstream:
            loop = asyncio.get_running_loop()
            target = Target("http", "api", upstream.port)
            pool = Http1Pool(target, Limits(dns_seconds=0.02), look_up=look_up)
            asked = [
                asyncio.create_task(pool.send(b"GET", b"/", [], deadline=loop.time() + 5))
                for _ in range(2)
            ]
            await until(lambda: len(gate.paths) == 2)
            gate.answers.release()
            await until(lambda: pool.idle == 1)
            addresses[:] = ["127.0.0.9"]
            await until(lambda: (pool.open, pool.idle) == (1, 0))
            gate.answers.release()
            assert [one.body for one in await asyncio.gather(*asked)] == [b"ok", b"ok"]
            await until(lambda: pool.open == 0 == upstream.open)
            with pytest.raises(ConnectFailed):
                await pool.send(b"GET", b"/", [], deadline=loop.time() + 5)
            await pool.aclose()

    run(scenario())


def test_a_name_that_is_unknown(run: Run) -> None:
    """A name that leads nowhere is a failed connection."""

    async def look_up(_: str, __: int) -> list[str]:
        return []

    async def scenario() -> None:
        pool = Http1Pool(Target("http", "api", 1), look_up=look_up)
        deadline = asyncio.get_running_loop().time() + 5
        with pytest.raises(ConnectFailed, match="api cannot be looked up"):
            await pool.send(b"GET", b"/", [], deadline=deadline)
        await pool.aclose()

    run(scenario())
