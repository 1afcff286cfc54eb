"""What a real edge tells and keeps: compressed, kept, timed and traced answers of its routes."""

import contextlib
import gzip
import http.server
import select
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import brotli
import pytest
import zstandard
from edge_people import People, edge_environment
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running_edge import RunningEdge, Wire
from scripted_services import ScriptedServices, Visit, answer, cut

from gateline.local.engines import wait_until
from gateline.shared.metrics import exported_registry

FILE = """
[services.shop]
url = "{shop}"

[[routes]]
path = "/small/*"
service = "shop"
auth = "none"
compress = true

[routes.response_headers]
set = {{ Cache-Control = "no-store" }}
add = {{ X-Frame = "a" }}
remove = ["X-Powered-By"]

[[routes]]
path = "/kept/*"
service = "shop"
auth = "optional"
cache = {{ default = "1m" }}
compress = true

[[routes]]
path = "/kept/*"
methods = ["POST"]
service = "shop"
auth = "none"

[[routes]]
path = "/timed/*"
service = "shop"
auth = "none"
server_timing = true

[[routes]]
path = "/open/*"
service = "shop"
auth = "optional"
"""

TEXT = b"the same words again and again, " * 400
PLAIN = (b"Content-Type", b"text/plain")


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what an OpenTelemetry exporter sends."""

    spans: ClassVar[list[object]] = []

    def do_POST(self) -> None:
        """Take spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Write nothing."""


@pytest.fixture(scope="module")
def collector() -> Iterator[str]:
    """Run a collector and return its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the edge and its figures."""
    return tmp_path_factory.mktemp("sight-edge")


@pytest.fixture(scope="module")
def gate(
    every_service: ScriptedServices, redis_url: str, collector: str, folder: Path
) -> Iterator[RunningEdge]:
    """Run an edge with such routes, and spans, once."""
    shop = f"http://127.0.0.1:{every_service.ports['events']}"
    (folder / "gateline.toml").write_text(FILE.format(shop=shop))
    environment = edge_environment(
        redis_url,
        PROMETHEUS_MULTIPROC_DIR=str(folder / "metrics"),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector,
        OTEL_BSP_SCHEDULE_DELAY="100",
    )
    (folder / "metrics").mkdir()
    running = RunningEdge(folder, environment | every_service.environment)
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("accept", "coding"),
    [(b"gzip", b"gzip"), (b"gzip, deflate, br", b"br"), (b"gzip, br, zstd", b"zstd")],
)
def test_text_is_compressed_as_the_client_likes_it(
    gate: RunningEdge, services: ScriptedServices, accept: bytes, coding: bytes
) -> None:
    """Smaller, decodable, weakly tagged, with Vary and the true length."""
    services.on("/small/a", answer(200, TEXT, [PLAIN, (b"ETag", b'"a"')]))
    got = gate.get("/small/a", [(b"Accept-Encoding", accept)])
    assert got.values(b"content-encoding") == [coding]
    assert got.values(b"vary") == [b"accept-encoding"]
    assert got.values(b"etag") == [b'W/"a"']
    assert got.values(b"content-length") == [b"%d" % len(got.body)]
    assert len(got.body) < len(TEXT) / 20
    assert decoded(coding, got.body) == TEXT


def decoded(coding: bytes, body: bytes) -> bytes:
    """Return a body as a client reads it."""
    if coding == b"gzip":
        return zlib.decompress(body, 31)
    if coding == b"br":
        return bytes(brotli.decompress(body))
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


def test_a_long_body_is_compressed_on_its_way(
    gate: RunningEdge, services: ScriptedServices
) -> None:
    """A stream has no length then, and is whole."""
    body = TEXT * 40
    services.on("/small/long", answer(200, body, [PLAIN]))
    got = gate.get("/small/long", [(b"Accept-Encoding", b"gzip")])
    assert got.values(b"content-length") == []
    assert got.whole
    assert zlib.decompress(got.body, 31) == body


def test_a_torn_body_is_torn_when_compressed(gate: RunningEdge, services: ScriptedServices) -> None:
    """Compression never makes half an answer look whole."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 300000\r\n\r\n"
    services.on("/small/torn", cut(head + TEXT * 6))
    try:
        got = gate.ask("POST", "/small/torn", [(b"Accept-Encoding", b"gzip")], b"x")
    except (EOFError, ConnectionResetError):
        return  # torn before the head had left
    assert not got.whole or got.status == 502


def test_each_event_of_a_stream_is_there_at_once(
    gate: RunningEdge, services: ScriptedServices
) -> None:
    """Server-sent events are flushed one by one although they are compressed."""
    seen, go_on = threading.Event(), threading.Event()

    async def drip(visit: Visit) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        await visit.send(head + b"transfer-encoding: chunked\r\n\r\n" + b"d\r\ndata: first\n\n\r\n")
        await visit.reader.read(1)  # until the client has seen it and left
        go_on.set()

    services.on("/small/events", drip)
    decode = zlib.decompressobj(31)
    with gate.connect() as wire:
        wire.send_head("GET", "/small/events", [(b"Accept-Encoding", b"gzip")])
        assert wire.read_head()[0] == 200
        text = b""
        while b"data: first\n\n" not in text:
            text += decode.decompress(next_chunk(wire))
        seen.set()
    assert go_on.wait(10)


def next_chunk(wire: Wire) -> bytes:
    """Read one chunk of a chunked body."""
    size = b""
    while not size.endswith(b"\r\n"):
        size += wire.read_some(1)
    return wire.read_some(int(size, 16) + 2)[:-2]


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ([PLAIN, (b"Content-Encoding", b"gzip")], []),
        ([PLAIN, (b"Cache-Control", b"no-transform")], []),
        ([PLAIN, (b"Set-Cookie", b"a=1")], []),
        ([(b"Content-Type", b"image/png")], []),
        ([PLAIN], [(b"Cookie", b"a=1"), (b"Sec-Fetch-Site", b"cross-site")]),
    ],
)
def test_what_must_not_be_compressed_passes_as_it_is(
    gate: RunningEdge,
    services: ScriptedServices,
    headers: list[tuple[bytes, bytes]],
    asked: list[tuple[bytes, bytes]],
) -> None:
    """Encoded, untransformable, cookie-setting and packed answers; those that a stranger probes."""
    path = f"/kept/as-is-{len(headers)}-{len(headers[-1][0])}-{len(asked)}"
    services.on(path, answer(200, TEXT, headers))
    got = gate.get(path, [(b"Accept-Encoding", b"gzip"), *asked])
    assert got.body == TEXT
    assert got.values(b"content-encoding") == [b"gzip"] * (len(headers[-1][0]) == 16)


def test_head_says_what_get_would(gate: RunningEdge, services: ScriptedServices) -> None:
    """The coding is named, the length is not known, and the connection goes on."""
    services.on(
        "/small/head",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9000\r\n\r\n",
    )
    with gate.connect() as wire:
        wire.send_head("HEAD", "/small/head", [(b"Accept-Encoding", b"gzip")])
        got = wire.read("HEAD")
        assert got.values(b"content-encoding") == [b"gzip"]
        assert b"9000" not in got.values(b"content-length")
        wire.send_head("GET", "/livez")
        assert wire.read().json() == {"status": "alive"}


def test_a_route_changes_what_a_service_says(gate: RunningEdge, services: ScriptedServices) -> None:
    """Removed, set and added headers, as the file says."""
    said = [(b"Cache-Control", b"public"), (b"X-Frame", b"b"), (b"X-Powered-By", b"x")]
    services.on("/small/changed", answer(200, b"ok", said))
    got = gate.get("/small/changed")
    assert got.values(b"cache-control") == [b"no-store"]
    assert got.values(b"x-frame") == [b"b", b"a"]
    assert got.values(b"x-powered-by") == []


def test_an_answer_is_kept_and_never_goes_to_another_user(
    gate: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """The second stranger is served from memory, whoever is logged in by the service."""
    services.on("/kept/page", answer(200, TEXT, [PLAIN]))
    assert gate.get("/kept/page").values(b"cache-status") == [
        b"gateline; fwd=uri-miss; fwd-status=200; stored"
    ]
    kept = gate.get("/kept/page", [(b"Accept-Encoding", b"br")])
    assert kept.values(b"cache-status")[0].startswith(b"gateline; hit; ttl=")
    assert kept.values(b"age") != []
    assert decoded(b"br", kept.body) == TEXT
    assert len(services.seen("/kept/page")) == 1
    token = people.log_in().token
    for _ in range(2):
        assert gate.get("/kept/page", token=token).body == TEXT
    assert len(services.seen("/kept/page")) == 3
    line = gate.wait_for_line(" /kept/page ", "cache=hit")
    assert " attempts=0 " in line


def test_a_streamed_answer_is_kept_too(gate: RunningEdge, services: ScriptedServices) -> None:
    """What comes in pieces is kept when it was whole, and only then."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n"
    services.on("/kept/torn", cut(head + b"x" * 200_000), answer(200, b"whole"))
    with contextlib.suppress(EOFError, ConnectionResetError):
        assert not gate.get("/kept/torn").whole
    assert gate.get("/kept/torn").body == b"whole"
    body = bytes(range(256)) * 1200
    services.on("/kept/long", answer(200, body))
    for _ in range(2):
        assert gate.get("/kept/long").body == body
    assert len(services.seen("/kept/long")) == 1


def test_a_write_by_another_route_makes_the_kept_answer_go(
    gate: RunningEdge, services: ScriptedServices
) -> None:
    """Whoever changes an address, the next reader gets what is there then."""
    services.on("/kept/item", answer(200, b"old"), answer(201, b"made"), answer(200, b"new"))
    assert [gate.get("/kept/item").body for _ in range(2)] == [b"old", b"old"]
    assert gate.ask("POST", "/kept/item", body=b"x").body == b"made"
    assert [gate.get("/kept/item").body for _ in range(2)] == [b"new", b"new"]


def test_server_timing_is_told_where_it_is_asked_for(
    gate: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """On routes that say so, and to administrators who ask; never to others."""
    (told,) = gate.get("/timed/x").values(b"server-timing")
    assert told.startswith(b"edge;dur=")
    assert b", upstream;dur=" in told
    assert b';desc="shop, 1 attempt"' in told
    asked = (b"X-Gateline-Timing", b"1")
    assert gate.get("/open/x", [asked]).values(b"server-timing") == []
    doctor, admin = people.log_in(), people.log_in("admin")
    assert gate.get("/open/x", [asked], token=doctor.token).values(b"server-timing") == []
    assert gate.get("/open/x", token=admin.token).values(b"server-timing") == []
    assert len(gate.get("/open/x", [asked], token=admin.token).values(b"server-timing")) == 1


def test_spans_reach_a_collector(gate: RunningEdge, services: ScriptedServices) -> None:
    """The client's trace has our two spans, and the service is told of the second."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    begun = f"00-{trace}-00f067aa0ba902b7-01".encode()
    gate.get("/open/traced", [(b"traceparent", begun), (b"tracestate", b"vendor=1")])
    (seen,) = services.seen("/open/traced")

    def ours() -> list[object]:
        return [span for span in Collector.spans if getattr(span, "trace_id", b"").hex() == trace]

    assert wait_until(lambda: len(ours()) == 2, seconds=10)
    names = {getattr(span, "name", ""): span for span in ours()}
    assert set(names) == {"GET /open/*", "GET shop"}
    asking = getattr(names["GET shop"], "span_id", b"").hex()
    assert seen.values(b"traceparent") == [f"00-{trace}-{asking}-01".encode()]
    assert seen.values(b"tracestate") == [b"vendor=1"]
    assert f" trace_id={trace}" in gate.wait_for_line(" /open/traced ")


def test_a_scrape_shows_what_was_kept_and_compressed(
    gate: RunningEdge, services: ScriptedServices, folder: Path
) -> None:
    """Counted by result and coding; durations by service; what is open as gauges."""
    services.on("/kept/counted", answer(200, TEXT, [PLAIN]))
    for _ in range(2):
        gate.get("/kept/counted", [(b"Accept-Encoding", b"gzip")])
    registry = exported_registry(folder / "metrics")

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(f"gateline_edge_{name}", labels) or 0.0

    assert wait_until(lambda: value("cache_requests_total", result="hit") >= 1, seconds=5)
    assert value("cache_requests_total", result="miss") >= 1
    assert value("cache_bytes") > len(TEXT)
    coded = {
        stage: value("compressed_bytes_total", coding="gzip", stage=stage)
        for stage in ("in", "out")
    }
    assert 0 < coded["out"] < coded["in"]
    assert value("upstream_duration_seconds_count", service="shop") >= 1
    assert value("open_files") > 10
    assert value("sockets") == 0


def test_a_slow_client_is_not_our_time(gate: RunningEdge, services: ScriptedServices) -> None:
    """What a client took to send a body is neither the service's nor the gateway's time."""
    with gate.connect() as wire:
        wire.send_head("POST", "/timed/slow", [(b"Content-Length", b"2")])
        wire.send(b"a")
        assert not wire_is_answered_within(wire, 0.3)
        wire.send(b"b")
        (told,) = wire.read().values(b"server-timing")
    (client,) = [part for part in told.split(b", ") if part.startswith(b"client;dur=")]
    assert float(client.removeprefix(b"client;dur=")) >= 250


def wire_is_answered_within(wire: Wire, seconds: float) -> bool:
    """Tell whether anything comes within so many seconds."""
    return bool(select.select([wire.socket], [], [], seconds)[0])
