"""The client as the edge uses it: targets of all kinds, cancellation, closing."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateline.edge.upstream import (
    BodyTruncated,
    Client,
    ConnectFailed,
    Pool,
    PoolExhausted,
    Target,
)

Run = Callable[[Coroutine[Any, Any, None]], None]
Serve = Callable[..., Any]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key and a certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "upstream.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    """Give the upstream's side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def send(client: Client, upstream: Pool | Target, path: bytes = b"/") -> Any:
    """Send a GET with a deadline of five seconds."""
    deadline = asyncio.get_running_loop().time() + 5
    return await client.send(upstream, b"GET", path, [], deadline=deadline)


def test_cancelled_requests_leave_no_connection(run: Run, serve: Serve, until: Any) -> None:
    """500 requests that are cancelled while the upstream hangs leave no socket after a second."""

    async def scenario() -> None:
        async with serve(b"", "hang", backlog=1024) as upstream:
            sent = [asyncio.create_task(upstream.send(within=60)) for _ in range(500)]
            await until(lambda: len(upstream.requests) == 500, within=10)
            assert (upstream.pool.in_use, upstream.open) == (500, 500)
            for task in sent:
                task.cancel()
            await until(lambda: upstream.pool.open == 0 == upstream.open, within=1)
            assert all(task.cancelled() for task in sent)
            assert upstream.pool.idle == 0

    run(scenario())


def test_cancelling_while_connecting(run: Run, serve: Serve, until: Any) -> None:
    """Requests cancelled at any moment of their start leave no socket either."""

    async def scenario() -> None:
        async with serve(b"", "hang", backlog=1024) as upstream:
            for steps in range(12):
                sent = [asyncio.create_task(upstream.send()) for _ in range(10)]
                for _ in range(steps):
                    await asyncio.sleep(0)
                for task in sent:
                    task.cancel()
                await asyncio.gather(*sent, return_exceptions=True)
            await until(lambda: upstream.pool.open == 0 == upstream.open)

    run(scenario())


def test_cancelling_as_the_answer_comes(run: Run, serve: Serve, until: Any) -> None:
    """A task cancelled at the moment of its answer harms no other request."""

    async def scenario() -> None:
        async with serve() as upstream:
            await upstream.send()
            for steps in range(12):
                task = asyncio.create_task(upstream.send())
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                others = [upstream.send() for _ in range(3)]
                answers: list[Any] = await asyncio.gather(task, *others, return_exceptions=True)
                assert [answer.body for answer in answers[1:]] == [b"ok"] * 3
            await until(lambda: upstream.pool.in_use == 0)

    run(scenario())


def test_cancelling_while_reading(run: Run, serve: Serve, until: Any) -> None:
    """Cancelling the reader of a body closes its connection."""
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"

    async def scenario() -> None:
        async with serve(chunked, "hang") as upstream:
            response = await upstream.send()
            assert await response.read_chunk() == b"abc"
            task = asyncio.create_task(response.read_chunk())
            await asyncio.sleep(0)
            task.cancel()
            await until(lambda: upstream.open == 0 == upstream.pool.open)

    run(scenario())


def test_nothing_is_sent_that_injects(run: Run, serve: Serve) -> None:
    """A request that must not be sent raises before any connection is made."""

    async def scenario() -> None:
        async with serve() as upstream:
            with pytest.raises(ValueError, match="x-a"):
                await upstream.send(headers=((b"x-a", b"b\r\nevil: 1"),))
            assert upstream.accepted == 0

    run(scenario())


def test_redirects_and_encodings_are_passed(run: Run, serve: Serve) -> None:
    """A redirect is an answer like any other, and compressed bytes stay compressed."""
    answer = (
        b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-encoding: gzip\r\n"
        b"content-length: 3\r\n\r\n\x1f\x8b\x08"
    )

    async def scenario() -> None:
        async with serve(answer) as upstream:
            response = await upstream.send()
            assert (response.status, response.body) == (302, b"\x1f\x8b\x08")
            assert len(upstream.requests) == 1

    run(scenario())


def test_proxies_of_the_environment_are_ignored(
    run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`http_proxy` has no say in where a request goes."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")

    async def scenario() -> None:
        async with serve() as upstream:
            assert (await upstream.send()).body == b"ok"

    run(scenario())


def test_targets_have_a_pool_each(run: Run, serve: Serve) -> None:
    """Sending to a target uses the one pool that belongs to it."""

    async def scenario() -> None:
        async with serve() as upstream:
            for _ in range(2):
                await send(upstream.client, Target.parse(f"http://127.0.0.1:{upstream.port}/"))
            assert upstream.client.pools == [upstream.pool]
            assert upstream.accepted == 1

    run(scenario())


def test_unix_sockets(run: Run, tmp_path: Path, read_request: Any) -> None:
    """An upstream may listen on a Unix socket; one that is missing refuses."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            assert b"host: localhost\r\n" in request
            writer.write(OK)

    async def scenario() -> None:
        client = Client()
        target = Target.parse(f"unix://{tmp_path}/up.sock")
        with pytest.raises(ConnectFailed):
            await send(client, target)
        server = await asyncio.start_unix_server(quietly(answer), f"{tmp_path}/up.sock")
        for _ in range(2):
            assert (await send(client, target)).body == b"ok"
        assert client.pool(target).opened_total == 1
        await client.aclose()
        server.close()

    run(scenario())


def quietly(handler: Any) -> Any:
    """Wrap a handler so that the client's leaving ends it without a word."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, EOFError):
            writer.transport.abort()

    return handle


def test_tls_with_verification(
    run: Run, serve: Serve, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    """A trusted certificate is accepted, and the connection reused."""

    async def scenario() -> None:
        async with serve(ssl=server_tls) as upstream:
            trusting = ssl.create_default_context(cafile=certificate)
            target = Target("https", "127.0.0.1", upstream.port, tls=trusting)
            for _ in range(3):
                assert (await send(upstream.client, target)).body == b"ok"
            assert upstream.accepted == 1

    run(scenario())


def test_tls_that_cannot_be_trusted(run: Run, serve: Serve, server_tls: ssl.SSLContext) -> None:
    """An unknown certificate, or no TLS at all, is a failed connection: no byte was sent."""

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async def scenario() -> None:
        async with serve(ssl=server_tls) as upstream, serve(complain) as plain:
            for port in (upstream.port, plain.port):
                target = Target.parse(f"https://127.0.0.1:{port}")
                with pytest.raises(ConnectFailed) as caught:
                    await send(upstream.client, target)
                assert caught.value.bytes_written == 0
                assert upstream.client.pool(target).open == 0
            assert upstream.requests == []

    run(scenario())


def test_tls_cut_without_goodbye(
    serve: Serve, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    """A body until close that ends without TLS's own goodbye is not whole (uvloop tells)."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        await writer.drain()
        writer.transport.abort()

    async def scenario() -> None:
        async with serve(cut, ssl=server_tls) as upstream:
            trusting = ssl.create_default_context(cafile=certificate)
            target = Target("https", "127.0.0.1", upstream.port, tls=trusting)
            with pytest.raises(BodyTruncated):
                await (await send(upstream.client, target)).read()

    uvloop.run(scenario())


def test_aclose(run: Run, serve: Serve, until: Any) -> None:
    """A closed client has no connection and takes no request."""

    async def scenario() -> None:
        async with serve() as upstream:
            await upstream.send()
            await upstream.client.aclose(1)
            await until(lambda: upstream.open == 0)
            with pytest.raises(PoolExhausted):
                await upstream.send()

    run(scenario())


def test_http2_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra a target that wants HTTP/2 is refused by name, and others are not."""
    monkeypatch.setitem(sys.modules, "gateline.edge.upstream.http2", None)
    client = Client()
    with pytest.raises(ValueError, match=r"http://shop:1 needs a library: pip install 'gateline"):
        client.pool(Target.parse("http://shop:1", http2=True))
    assert client.pool(Target.parse("http://shop:1")) in client.pools
