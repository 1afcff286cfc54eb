"""Certificates of upstreams: who is believed, who we say we are, and when files are read anew."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, server_context

from gateline.edge.upstream import Client, ConnectFailed, UpstreamError
from gateline.edge.upstream.tls import TlsContexts
from gateline.policy.services import Endpoint, Service, TlsPolicy, endpoints_at

Run = Callable[[Coroutine[Any, Any, None]], None]
Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority that signs for this module."""
    return Authority(tmp_path_factory.mktemp("tls"))


async def ask(client: Client, port: int, tls: TlsPolicy | None) -> bytes | None:
    """Ask an upstream at a port of this machine and return the body."""
    (endpoint,) = endpoints_at(f"https://127.0.0.1:{port}")
    pool = client.pool_for(Service("up", (endpoint,), tls=tls), endpoint)
    deadline = asyncio.get_running_loop().time() + 5
    return (await pool.send(b"GET", b"/", [], deadline=deadline)).body


def test_an_authority_of_its_own(run: Run, serve: Serve, authority: Authority) -> None:
    """A private authority is believed where the service names it, and only there."""
    tls = server_context(authority.issue("127.0.0.1"))

    async def scenario() -> None:
        async with serve(ssl=tls) as upstream:
            trusting = TlsPolicy(ca_file=str(authority.path))
            assert await ask(upstream.client, upstream.port, trusting) == b"ok"
            with pytest.raises(ConnectFailed, match="certificate"):
                await ask(upstream.client, upstream.port, None)
            assert len(upstream.requests) == 1

    run(scenario())


def test_another_name_is_refused_unless_it_is_expected(
    run: Run, serve: Serve, authority: Authority
) -> None:
    """The certificate must fit the host, or the `server_name` that stands in for it."""
    tls = server_context(authority.issue("api.internal"))
    seen: list[str] = []
    tls.sni_callback = lambda _, name, __: seen.append(name)

    async def scenario() -> None:
        async with serve(ssl=tls) as upstream:
            plain = TlsPolicy(ca_file=str(authority.path))
            with pytest.raises(ConnectFailed, match="certificate"):
                await ask(upstream.client, upstream.port, plain)
            named = TlsPolicy(ca_file=str(authority.path), server_name="api.internal")
            assert await ask(upstream.client, upstream.port, named) == b"ok"
            assert seen[-1] == "api.internal"

    run(scenario())


def test_verification_can_be_switched_off(run: Run, serve: Serve, authority: Authority) -> None:
    """`verify = false` takes whatever the upstream shows."""
    tls = server_context(authority.issue("elsewhere"))

    async def scenario() -> None:
        async with serve(ssl=tls) as upstream:
            assert await ask(upstream.client, upstream.port, TlsPolicy(verify=False)) == b"ok"

    run(scenario())


def test_a_client_certificate(run: Run, serve: Serve, authority: Authority) -> None:
    """An upstream that wants to know us sees our certificate; without one nothing is answered."""
    tls = server_context(authority.issue("127.0.0.1"), clients=authority.path)
    ours = str(authority.issue("edge"))

    async def scenario() -> None:
        async with serve(ssl=tls) as upstream:
            known = TlsPolicy(ca_file=str(authority.path), certificate_file=ours)
            assert await ask(upstream.client, upstream.port, known) == b"ok"
            with pytest.raises(UpstreamError):
                await ask(upstream.client, upstream.port, TlsPolicy(ca_file=str(authority.path)))
            assert len(upstream.requests) == 1

    run(scenario())


def test_one_context_until_a_file_changes(authority: Authority) -> None:
    """The same policy gives the same context, so pools live on; a renewed certificate a new one."""
    ours = authority.issue("edge", "renewed.pem")
    contexts = TlsContexts()
    policy = TlsPolicy(certificate_file=str(ours))
    first = contexts.get(policy)
    assert contexts.get(TlsPolicy(certificate_file=str(ours))) is first
    assert contexts.get(policy, http2=True) is not first
    ours.unlink()
    with pytest.raises(ValueError, match=r"renewed\.pem"):
        contexts.get(policy)
    authority.issue("edge", "renewed.pem")
    assert contexts.get(policy) is not first


def test_pools_live_on_with_their_context(authority: Authority) -> None:
    """Two services with the same wishes for one address share its connections; others do not."""
    client = Client()
    one, other = (Endpoint(f"https://{name}:1") for name in ("a", "b"))
    policy = TlsPolicy(ca_file=str(authority.path))
    shop = Service("shop", (one, other), tls=policy)
    pool = client.pool_for(shop, one)
    assert client.pool_for(Service("mail", (one,), tls=policy), one) is pool
    assert client.pool_for(shop, other) is not pool
    assert client.pool_for(Service("shop", (one,), tls=policy, max_connections=5), one) is not pool
    assert client.pool_for(Service("shop", (one,)), one) is not pool


@pytest.mark.parametrize(
    "policy",
    [
        TlsPolicy(ca_file="/nowhere/ca.pem"),
        TlsPolicy(certificate_file="/nowhere/cert.pem"),
        TlsPolicy(certificate_file=__file__),
        TlsPolicy(ca_file=__file__),
    ],
)
def test_files_that_are_no_use(policy: TlsPolicy) -> None:
    """A missing or wrong file is a ValueError that names it."""
    with pytest.raises(ValueError, match=r"cert\.pem|ca\.pem|test_tls"):
        TlsContexts().get(policy)


def test_a_locked_key_asks_nobody(authority: Authority, tmp_path: Path) -> None:
    """A key with a password is refused; nothing waits at a terminal."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    certificate = authority.issue("edge", "locked.pem")
    key = tmp_path / "key.pem"
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ValueError, match=r"locked\.pem"):
        TlsContexts().get(TlsPolicy(certificate_file=str(certificate), key_file=str(key)))


def test_verification_is_the_default() -> None:
    """Without any wishes, authority and name are checked, and HTTP/1.1 is offered."""
    context = TlsContexts().get(TlsPolicy())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
