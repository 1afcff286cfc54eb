"""Large and endless bodies through a real edge, over every transport to a real service."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from edge_people import edge_environment
from running_edge import RunningEdge, free_port
from scripted_services import ScriptedServices

from gateline.local.engines import wait_until

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZE = 48 * 10**6
MOST_GROWTH = 24 * 10**6

FILE = """
[gateway]
platform = false
max_body = "1GB"

[services.plain]
url = "http://127.0.0.1:{plain}"

[services.tls]
url = "https://localhost:{tls}"
tls = {{ ca = "{ca}", certificate = "{own}", key = "{own}" }}

[services.unix]
url = "unix://{unix}"

[services.http2]
url = "http://localhost:{http2}"
protocol = "http2"

[services.shadow]
url = "http://127.0.0.1:{shadow}"

[[routes]]
path = "/plain/*"
service = "plain"
auth = "none"
strip_prefix = true
mirror = "shadow"

[[routes]]
path = "/tls/*"
service = "tls"
auth = "none"
strip_prefix = true

[[routes]]
path = "/unix/*"
service = "unix"
auth = "none"
strip_prefix = true

[[routes]]
path = "/http2/*"
service = "http2"
auth = "none"
strip_prefix = true
"""

TRANSPORTS = ("plain", "tls", "unix", "http2")


@pytest.fixture(scope="module")
def edge(
    redis_url: str,
    every_service: ScriptedServices,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningEdge]:
    """Run an edge before one service for each transport."""
    folder = tmp_path_factory.mktemp("streams")
    authority = Authority(folder)
    own, served = authority.issue("edge"), authority.issue("localhost")
    ports = {name: str(free_port()) for name in ("plain", "tls", "http2")}
    shown = ("--ssl-certificate", str(served), "--ssl-keyfile", str(served))
    secure = (*shown, "--ssl-ca", str(authority.path), "--ssl-client-verify")
    socket = folder / "streams.sock"
    file = folder / "gateline.toml"
    file.write_text(
        FILE.format(
            **ports, ca=authority.path, own=own, unix=socket, shadow=every_service.ports["web"]
        )
    )
    running = RunningEdge(folder, edge_environment(redis_url, GATELINE_CONFIG=str(file)))
    with (
        _service("--http", "1", "--port", ports["plain"]),
        _service("--http", "1", "--port", ports["tls"], *secure),
        _service("--http", "1", "--uds", str(socket)),
        _service("--http", "2", "--port", ports["http2"]),
    ):
        running.start()
        for name in TRANSPORTS:
            assert wait_until(lambda name=name: _answers(running, name), seconds=20)  # type: ignore[misc]
        yield running
        running.stop()


@contextlib.contextmanager
def _service(*options: str) -> Iterator[None]:
    command = (sys.executable, "-m", "granian", "--interface", "asgi", "--log-level", "error")
    running = subprocess.Popen(
        (*command, *options, "stream_upstream:app"),
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
    )
    yield
    running.terminate()
    running.wait(10)


def _answers(edge: RunningEdge, transport: str) -> bool:
    return edge.get(f"/{transport}/hello").status == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_large_bodies_do_not_gather(edge: RunningEdge, transport: str) -> None:
    """What passes through, either way, is never held: memory stays where it was."""
    for size in (SIZE // 8, SIZE):
        before = edge.worker_memory()
        with edge.connect() as wire:
            wire.send_head("GET", f"/{transport}/down?{size}")
            status, _ = wire.read_head()
            assert status == 200
            got = 0
            while got < size:
                got += len(wire.read_some(min(2**20, size - got)))
        with edge.connect() as wire:
            wire.send_head("PUT", f"/{transport}/up", [(b"Content-Length", b"%d" % size)])
            for start in range(0, size, 2**20):
                wire.send(bytes(min(2**20, size - start)))
            answer = wire.read("PUT")
            assert (answer.status, answer.body) == (200, b"%d" % size)
    assert edge.worker_memory() - before < MOST_GROWTH


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_event_comes_while_its_stream_stays_open(edge: RunningEdge, transport: str) -> None:
    """The first event is passed on alone, and the service hears when its reader leaves."""

    def left() -> int:
        return int(edge.get(f"/{transport}/left").body)

    before = left()
    with edge.connect() as wire:
        wire.send_head("GET", f"/{transport}/events")
        status, headers = wire.read_head()
        assert (status, dict(headers)[b"content-type"]) == (200, b"text/event-stream")
        chunk = b"9\r\ndata: 1\n\n\r\n"
        assert wire.read_some(len(chunk)) == chunk
        assert left() == before
    assert wait_until(lambda: left() == before + 1, seconds=5)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_asks_first(edge: RunningEdge, transport: str) -> None:
    """`Expect: 100-continue` is answered before the body is sent, and goes no further."""
    with edge.connect() as wire:
        expecting = [(b"Content-Length", b"5"), (b"Expect", b"100-continue")]
        wire.send_head("PUT", f"/{transport}/up", expecting)
        assert wire.read_head()[0] == 100
        wire.send(b"12345")
        assert wire.read("PUT").body == b"5"


def test_a_mirror_sees_what_the_service_sees(edge: RunningEdge, services: ScriptedServices) -> None:
    """A copy of each small request goes to the other service, under its mark; nobody waits."""
    services.on("/mirrored", b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
    answer = edge.ask("POST", "/plain/mirrored", [(b"X-Gateline-Mirror", b"no")], b"body")
    assert (answer.status, answer.body) == (200, b"ok")
    services.wait(lambda: any(one.whole for one in services.seen("/mirrored")))
    (copy,) = services.seen("/mirrored")
    assert (copy.method, copy.body) == ("POST", b"body")
    assert copy.values(b"x-gateline-mirror") == [b"1"]
