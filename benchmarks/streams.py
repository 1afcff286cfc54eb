"""Large bodies at constant memory, and the first server-sent event while the stream stays open.

    python benchmarks/streams.py [--gigabytes 2] [--transports http1,tls,unix,http2] [--quick]

Client, edge and service run on this machine. The service is granian; `tls` verifies it by an
authority of its own and shows a client certificate, `http2` is without TLS. The memory is that of
the edge's largest process, looked at twenty times a second.
"""

import argparse
import datetime as dt
import ipaddress
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rig import Rig, RunningEdge, free_port, process, rig

_HERE = Path(__file__).parent
_TRANSPORTS = ("http1", "tls", "unix", "http2")
_MEGABYTE = 10**6
_PEM = serialization.Encoding.PEM
_MOST_GROWTH_MB = 32.0
_MOST_EVENT_MS = 50.0
_EVENTS = 50
_FILE = """
[gateway]
platform = false
rate_limit = false
max_body = "100GB"

[services.streams]
url = "{url}"
timeout = "60s"
{settings}

[[routes]]
path = "/*"
service = "streams"
auth = "none"
"""


@dataclass(frozen=True, slots=True)
class Transport:
    """How the service listens: granian's options, its address, and what the gateway file says."""

    options: tuple[str, ...]
    url: str
    settings: str = ""


def main() -> None:
    """Run it and print what was found; exit with 1 when a promise is broken."""
    options = _options()
    kept = True
    with rig() as ready:
        for name in options.transports.split(","):
            transport = _transport(name, ready.folder)
            with _service(ready, transport), _edge(ready, transport) as edge:
                kept &= _run(name, edge, int(options.gigabytes * 1000) * _MEGABYTE)
    sys.exit(0 if kept else 1)


def _run(name: str, edge: RunningEdge, size: int) -> bool:
    _receive(edge.port, 64 * _MEGABYTE)
    _send(edge.port, 64 * _MEGABYTE)
    kept = _transfer(f"{name}: download", edge, size, _receive)
    kept &= _transfer(f"{name}: upload", edge, size, _send)
    return kept & _events(name, edge)


def _transfer(what: str, edge: RunningEdge, size: int, move: Callable[[int, int], None]) -> bool:
    before = edge.memory_mb()
    cpu, began = edge.cpu_seconds(), time.perf_counter()
    with _watch(edge) as peak:
        move(edge.port, size)
    took = time.perf_counter() - began
    spent = (edge.cpu_seconds() - cpu) / size * 1e9
    growth = peak[0] - before
    kept = growth < _MOST_GROWTH_MB
    print(
        f"{what} of {size / 1e9:g} GB: {size / took / 1e6:.0f} MB/s, {spent:.2f} s of CPU per GB,"
        f" memory {before:.0f} MB before, {peak[0]:.0f} MB at most{'' if kept else ': TOO MUCH'}"
    )
    return kept


def _events(name: str, edge: RunningEdge) -> bool:
    """Open streams one after the other, all staying open, and time the first event of each."""
    before = int(requests.get(f"{edge.url}/left", timeout=10).text)
    waits, streams = [], []
    for _ in range(_EVENTS):
        stream = socket.create_connection(("127.0.0.1", edge.port), 10)
        streams.append(stream)
        began = time.perf_counter()
        stream.sendall(_head("GET", "/events"))
        said = b""
        while b"data: 1\n\n" not in said:
            said += stream.recv(65536)
        waits.append((time.perf_counter() - began) * 1000)
    for stream in streams:
        stream.close()
    left = _wait_until_left(edge, before + _EVENTS) - before
    kept = max(waits) < _MOST_EVENT_MS and left == _EVENTS
    print(
        f"{name}: first event of {_EVENTS} open streams: median {statistics.median(waits):.1f} ms,"
        f" at most {max(waits):.1f} ms; {left} heard that the client left"
        f"{'' if kept else ': NOT KEPT'}"
    )
    return kept


def _wait_until_left(edge: RunningEdge, wanted: int) -> int:
    end = time.monotonic() + 5
    left = 0
    while left < wanted and time.monotonic() < end:
        left = int(requests.get(f"{edge.url}/left", timeout=10).text)
    return left


@contextmanager
def _watch(edge: RunningEdge) -> Iterator[list[float]]:
    """Give a list whose only item is the most memory so far."""
    peak, ended = [edge.memory_mb()], threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], edge.memory_mb())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _receive(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as wire:
        wire.sendall(_head("GET", f"/down?{size}"))
        said = b""
        while b"\r\n\r\n" not in said:
            said += wire.recv(65536)
        got = len(said) - said.index(b"\r\n\r\n") - 4
        buffer = bytearray(2**20)
        while got < size:
            count = wire.recv_into(buffer)
            assert count, f"broke off after {got} bytes"
            got += count


def _send(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as wire:
        wire.sendall(_head("PUT", "/up", f"Content-Length: {size}\r\n"))
        piece = bytes(2**20)
        for start in range(0, size, len(piece)):
            wire.sendall(piece[: size - start])
        said = b""
        while not said.endswith(b"%d" % size):
            came = wire.recv(65536)
            assert came, f"not the number of bytes: {said!r}"
            said += came


def _head(method: str, target: str, headers: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


@contextmanager
def _service(ready: Rig, transport: Transport) -> Iterator[None]:
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--log-level", "error"]
    command += [*transport.options, "stream_upstream:app"]
    environment = {**os.environ, "PYTHONPATH": str(_HERE)}
    with process(command, environment, ready.folder, None):
        yield


@contextmanager
def _edge(ready: Rig, transport: Transport) -> Iterator[RunningEdge]:
    text = _FILE.format(url=transport.url, settings=transport.settings)
    with ready.edge(text) as edge:
        end = time.monotonic() + 20
        while requests.get(f"{edge.url}/ok", timeout=10).text != "ok":
            assert time.monotonic() < end, "the service does not answer"
            time.sleep(0.1)
        yield edge


def _transport(name: str, folder: Path) -> Transport:
    port = free_port()
    here = ("--host", "127.0.0.1", "--port", str(port))
    if name == "unix":
        path = folder / "streams.sock"
        return Transport(("--http", "1", "--uds", str(path)), f"unix://{path}")
    if name == "http2":
        return Transport(("--http", "2", *here), f"http://127.0.0.1:{port}", 'protocol = "http2"')
    if name == "http1":
        return Transport(("--http", "1", *here), f"http://127.0.0.1:{port}")
    authority, certificate, key = _certificates(folder)
    files = ("--ssl-certificate", str(certificate), "--ssl-keyfile", str(key))
    verify = ("--ssl-ca", str(authority), "--ssl-client-verify")
    return Transport(
        ("--http", "1", *here, *files, *verify),
        f"https://127.0.0.1:{port}",
        f'tls = {{ ca = "{authority}", certificate = "{certificate}", key = "{key}" }}',
    )


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Make an authority, and one certificate with its key that both sides show."""
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = _name("authority"), _name("streams")
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    own = _valid(issuer, issuer, root.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    signed = _valid(issuer, subject, key.public_key()).add_extension(
        x509.SubjectAlternativeName([address]), critical=False
    )
    authority, certificate, secret = (
        folder / name for name in ("authority.pem", "streams.pem", "streams.key")
    )
    for made, path in ((own, authority), (signed, certificate)):
        path.write_bytes(made.sign(root, hashes.SHA256()).public_bytes(_PEM))
    secret.write_bytes(
        key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority, certificate, secret


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _valid(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    return builder.not_valid_before(now - day).not_valid_after(now + day)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--transports", default=",".join(_TRANSPORTS))
    parser.add_argument("--quick", action="store_true", help="0.2 GB instead")
    options = parser.parse_args()
    if options.quick:
        options.gigabytes = 0.2
    return options


if __name__ == "__main__":
    main()
