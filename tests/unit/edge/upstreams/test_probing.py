"""Health checks over real connections."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from gateline.edge.upstream import Client
from gateline.edge.upstreams import ClientProber, Target
from gateline.policy.services import Endpoint, ProbePolicy, Service

POLICY = ProbePolicy(path="/livez", timeout=0.5)


def _ask(
    answer: bytes | None, question: Callable[[ClientProber, Target], Awaitable[bool]]
) -> tuple[bool, bytes]:
    """Return the answer to a question about a server that says this, and what it was asked."""
    seen = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError):  # one that only looks whether it may connect
            seen.extend(await reader.readuntil(b"\r\n\r\n"))
        if answer is not None:
            writer.write(answer)
        await reader.read()
        writer.close()

    async def run() -> bool:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Client()
        endpoint = Endpoint(f"http://127.0.0.1:{port}")
        pool = client.pool_for(Service("shop", (endpoint,)), endpoint)
        try:
            return await question(ClientProber(client), Target("shop", pool))
        finally:
            await client.aclose()
            server.close()
            await asyncio.sleep(0.01)

    return asyncio.run(run()), bytes(seen)


def _status(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (_status(200, b"alive"), True),
        (_status(204), True),
        (_status(302), True),
        (_status(404), False),
        (_status(503), False),
        (b"lalala\r\n\r\n", False),
        (None, False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nmore", False),
    ],
)
def test_a_good_answer_in_time(answer: bytes | None, well: bool) -> None:
    """2xx and 3xx whose body comes within the time-out are well; everything else is not."""
    said, seen = _ask(answer, lambda prober, target: prober.is_well(target, POLICY))
    assert said is well
    assert seen.startswith(b"GET /livez HTTP/1.1\r\n")
    assert b"user-agent: gateline-health-check" in seen


@pytest.mark.parametrize(
    ("answer", "reached"),
    [
        (_status(404), True),
        (_status(500), True),
        (_status(200), True),
        (_status(503), False),
        (b"lalala\r\n\r\n", False),
        (None, False),
    ],
)
def test_a_target_is_reached_when_it_answers(answer: bytes | None, reached: bool) -> None:
    """Without a health check any answer will do, but none that says "not now"."""
    service = Service("shop", (), timeout=0.5)
    head = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if answer is not None else None
    said, seen = _ask(head, lambda prober, target: prober.reaches(service, target))
    assert said is reached
    assert seen.startswith(b"HEAD / HTTP/1.1\r\n")


def test_a_target_with_a_health_check_must_pass_it() -> None:
    """What it answers decides, not that it takes the connection."""
    service = Service("shop", (), probe=POLICY)
    said, seen = _ask(_status(503), lambda prober, target: prober.reaches(service, target))
    assert not said
    assert seen.startswith(b"GET /livez")


def test_nobody_there() -> None:
    """A refused connection is neither well nor reached."""

    async def run() -> tuple[bool, bool]:
        client = Client()
        endpoint = Endpoint("http://127.0.0.1:1")
        service = Service("shop", (endpoint,))
        target, prober = Target("shop", client.pool_for(service, endpoint)), ClientProber(client)
        result = await prober.is_well(target, POLICY), await prober.reaches(service, target)
        await client.aclose()
        return result

    assert asyncio.run(run()) == (False, False)
