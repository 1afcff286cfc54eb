"""Many sockets through an edge of two workers with TLS, and what a replacement does to them."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from edge_people import edge_environment
from socket_service import SocketService
from tls_edge import TlsEdge
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SOCKETS = 200
PATIENCE = 30.0
GATEWAY_FILE = """
[gateway]
platform = false

[gateway.tls]
certificate = "127.0.0.1.pem"
key = "127.0.0.1.pem"

[services.live]
url = "http://127.0.0.1:{port}"

[[routes]]
path = "/live/*"
service = "live"
auth = "none"
"""


def connecting(gate: TlsEdge) -> connect:
    """Return what opens a socket that echoes."""
    address = f"wss://127.0.0.1:{gate.port}/live/echo"
    return connect(address, ssl=gate.context, open_timeout=PATIENCE, ping_interval=None)


@pytest.fixture(scope="module")
def service() -> Iterator[SocketService]:
    """Run the service, once."""
    running = SocketService()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def gate(
    service: SocketService, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsEdge]:
    """Run the edge, once."""
    folder = tmp_path_factory.mktemp("tls-edge")
    file = folder / "gateline.toml"
    file.write_text(GATEWAY_FILE.format(port=service.port))
    environment = edge_environment(redis_url, GATELINE_CONFIG=str(file))
    for name in ("GATELINE_MAX_SOCKETS", "GATELINE_MAX_SOCKETS_PER_CLIENT"):
        environment[name] = str(SOCKETS + 50)
    running = TlsEdge(folder, environment, workers=2)
    running.start()
    yield running
    running.stop()


def test_http_2_is_spoken_where_tls_is(gate: TlsEdge) -> None:
    """And HTTP/1.1 to those that want it."""
    for http2, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
        with httpx.Client(http2=http2, verify=gate.context) as client:
            answer = client.get(f"{gate.url}/livez")
            assert (answer.status_code, answer.http_version) == (200, version)
            assert client.get(f"{gate.url}/live/echo").status_code == 426


def test_many_sockets_hear_of_a_restart_and_come_back(gate: TlsEdge) -> None:
    """All echo; when the workers are replaced each is told 1012, and all echo again."""

    async def run() -> Counter[int | None]:
        sockets = await asyncio.gather(*(connecting(gate) for _ in range(SOCKETS)))
        await _echo_all(sockets)
        assert gate.process is not None
        gate.process.send_signal(signal.SIGUSR2)
        codes = Counter([await _close_code(one) for one in sockets])
        again = await asyncio.gather(*(connecting(gate) for _ in range(SOCKETS)))
        await _echo_all(again)
        await asyncio.gather(*(one.close() for one in again))
        return codes

    assert asyncio.run(run()) == {1012: SOCKETS}
    assert "Traceback" not in gate.output


async def _echo_all(sockets: list[ClientConnection]) -> None:
    async def echo(number: int, one: ClientConnection) -> None:
        await one.send(f"hello {number}")
        assert await one.recv() == f"hello {number}"

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(echo(*pair) for pair in enumerate(sockets)))


async def _close_code(one: ClientConnection) -> int | None:
    async with asyncio.timeout(PATIENCE):
        try:
            await one.recv()
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code
    raise AssertionError("a message that nobody sent")
