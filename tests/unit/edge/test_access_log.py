"""Access lines: their two forms, and what must never stand in one."""

import asyncio
import json
import re
from dataclasses import replace

import pytest
from edge_exchange import Answered, exchange_for, identity
from edge_people import People
from running_edge import RunningEdge
from scripted_services import ScriptedServices

from gateline.edge.access_log import AccessLog
from gateline.edge.exchange import Exchange
from gateline.policy.reasons import ROLE_MISSING
from gateline.policy.routes import Route

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - gateline\.edge\.access - INFO - "
    r"\S+ \S+ \S+ \d+ \d+\.\dms route=\S+ service=\S+ target=\S+ attempts=\d+ "
    r"upstream=\d+\.\dms own=\d+\.\dms cache=\S+ in=\d+ out=\d+ user=\S+ reason=\S+ "
    r"request_id=\S* trace_id=\S+"
)

UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


class Page:
    """What was written."""

    def __init__(self) -> None:
        self.text = ""
        self.writes = 0

    def write(self, lines: str) -> None:
        """Take lines."""
        self.text += lines
        self.writes += 1


def written(exchange: Exchange, *, as_json: bool = False, at: float = 1700000000.5) -> str:
    """Return the one line of an exchange."""
    page = Page()
    log = AccessLog(page.write, as_json=as_json, clock=lambda: at)
    log.add(exchange, 0.0123)
    log.flush()
    return page.text


def full(path: str = "/api/v1/doctors/") -> Exchange:
    """Return an exchange of which everything is known."""
    return exchange_for(
        Answered(),
        path=path,
        query=b"secret=1",
        headers=[(b"authorization", b"Bearer very.secret.token")],
        status=200,
        route=Route("doctors", "/api/v1/doctors/*", None),
        service="doctors",
        target="http://10.1.1.1:80",
        attempts=2,
        upstream_seconds=0.0102,
        client_seconds=0.001,
        cache="miss",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        received_bytes=5,
        sent_bytes=70,
        identity=identity(),
    )


def test_a_text_line_tells_everything_in_order() -> None:
    """The documented format, then pairs."""
    line = written(full())
    assert LINE.fullmatch(line.rstrip("\n"))
    assert line.endswith(
        " - gateline.edge.access - INFO - 10.0.0.1 GET /api/v1/doctors/ 200 12.3ms route=doctors"
        " service=doctors target=http://10.1.1.1:80 attempts=2 upstream=10.2ms own=1.1ms"
        " cache=miss in=5 out=70 user=7 reason=- request_id=request-1"
        " trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"
    )
    assert ",500 - " in line


def test_a_json_line_tells_the_same() -> None:
    """One object a line, with numbers as numbers."""
    record = json.loads(written(full(), as_json=True))
    assert record.pop("timestamp") == "2023-11-14T22:13:20.500000Z"
    assert record == {
        "logger": "gateline.edge.access",
        "level": "info",
        "service": "edge",
        "message": "GET /api/v1/doctors/ 200",
        "client": "10.0.0.1",
        "method": "GET",
        "path": "/api/v1/doctors/",
        "status": 200,
        "duration_ms": 12.3,
        "route": "doctors",
        "upstream": "doctors",
        "target": "http://10.1.1.1:80",
        "attempts": 2,
        "upstream_ms": 10.2,
        "own_ms": 1.1,
        "cache": "miss",
        "bytes_in": 5,
        "bytes_out": 70,
        "user_id": 7,
        "reason": None,
        "request_id": "request-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


@pytest.mark.parametrize(
    ("issuer", "consumer", "shown"),
    [("corp", "", "corp:a\\nFAKE\\x20x"), ("", "k", "key:a\\nFAKE\\x20x")],
)
def test_who_is_no_account_of_ours_is_told_by_name(issuer: str, consumer: str, shown: str) -> None:
    """Whose word it is goes before the name, which may hold anything and breaks no line."""
    exchange = full()
    exchange.identity = replace(identity(), user_id="a\nFAKE x", issuer=issuer, consumer=consumer)
    assert f" user={shown} " in written(exchange)
    record = json.loads(written(exchange, as_json=True))
    assert (record["user_id"], record["issuer"]) == ("a\nFAKE x", issuer or "key")


def test_a_refusal_names_its_reason() -> None:
    """A request that got nowhere has dashes, or nulls, where nothing is known."""
    refused = exchange_for(Answered(), status=403, reason=ROLE_MISSING)
    assert " route=- service=- target=- attempts=0 " in written(refused)
    assert " user=- reason=role_missing " in written(refused)
    assert json.loads(written(refused, as_json=True))["reason"] == "role_missing"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/a\nFAKE - LINE",
        "/a\r\nb",
        "/a b",
        "/\x1b[31mred",
        "/\u2028next",
        "/\x85next",
        "/caf\xe9",
        "/\ud800",
        "/\x00",
        "/" + "x" * 100_000 + "\n",
    ],
)
def test_no_path_breaks_or_fakes_a_line(path: str, as_json: bool) -> None:
    """Control characters, line breaks and spaces of a refused path stand there escaped."""
    line = written(full(path), as_json=as_json)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert line.rstrip("\n").isprintable()
    assert len(line) < 3000 or as_json
    if not as_json:
        assert LINE.fullmatch(line.rstrip("\n"))


def test_the_trace_is_the_clients_where_the_edge_began_none() -> None:
    """A trace id is taken from a traceparent that is one, and from nothing else."""
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told = exchange_for(Answered(), headers=[(b"traceparent", trace)], status=200)
    assert written(told).endswith(" trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n")
    for wrong in (b"x", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"\nFAKE"):
        told = exchange_for(Answered(), headers=[(b"traceparent", wrong)], status=200)
        assert written(told).endswith(" trace_id=-\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_no_secret_stands_in_a_line(as_json: bool) -> None:
    """Neither the query nor any header is written."""
    assert "secret" not in written(full(), as_json=as_json)


def test_lines_are_written_together() -> None:
    """Nothing is written until the flush, then all in one go, then nothing twice."""
    page = Page()
    log = AccessLog(page.write, as_json=False)
    for _ in range(3):
        log.add(full(), 0.001)
    assert page.writes == 0
    log.flush()
    log.flush()
    assert (page.writes, page.text.count("\n")) == (1, 3)


def test_many_lines_do_not_wait_for_the_flush() -> None:
    """What gathers is bounded, and stays small enough for the processor's cache."""
    page = Page()
    log = AccessLog(page.write, as_json=False)
    for _ in range(100):
        log.add(full(), 0.001)
    assert page.text.count("\n") == 96
    assert page.writes == 2


def test_what_cannot_be_written_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk is told once while it lasts, its lines are counted, and nothing gathers."""
    room = False
    page = Page()

    def write(lines: str) -> None:
        if not room:
            raise OSError("no space left")
        page.write(lines)

    log = AccessLog(write, as_json=False)
    for _ in range(100):
        log.add(full(), 0.001)
    assert log.lost == 96
    room = True
    log.flush()
    assert (log.lost, page.text.count("\n")) == (96, 4)
    room = False
    log.add(full(), 0.001)
    log.flush()
    assert log.lost == 97
    assert caplog.text.count("no space left") == 2


def test_the_writer_goes_on_after_a_failure_and_flushes_at_its_end() -> None:
    """A full disk loses lines, not the writer; what is left is written when it is cancelled."""
    page = Page()
    failed = asyncio.Event()

    def write(lines: str) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("no space left")
        page.write(lines)

    async def scenario() -> None:
        log = AccessLog(write, as_json=False)
        running = asyncio.ensure_future(log.run())
        log.add(full(), 0.001)
        async with asyncio.timeout(5):
            await failed.wait()
        log.add(full(), 0.001)
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(scenario())
    assert page.text.count("\n") == 1


def test_a_running_edge_writes_text_lines(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A real request leaves one line with all its figures, and no token or query."""
    doctor = people.log_in()
    mark = [(b"X-Request-ID", b"text-line-1")]
    edge.get("/api/v1/doctors/?password=hidden", [*mark, doctor.bearer])
    line = edge.wait_for_line("text-line-1")
    assert LINE.fullmatch(line)
    for part in (
        " GET /api/v1/doctors/ 200 ",
        " route=doctors service=doctors target=http://127.0.0.1:",
        f" user={doctor.user_id} reason=- request_id=text-line-1",
    ):
        assert part in line
    edge.get("/a%0aFAKE/../x", [(b"X-Request-ID", b"text-line-2")], token="junk")
    assert " 400 " in edge.wait_for_line("text-line-2", "reason=path_not_allowed")
    for secret in ("hidden", doctor.token, "\nFAKE"):
        assert secret not in edge.output


def test_a_running_edge_writes_json_lines(
    strict_edge: RunningEdge, services: ScriptedServices
) -> None:
    """With LOG_FORMAT=json each line is an object, the edge's other lines too."""
    strict_edge.get("/page", [(b"X-Request-ID", b"json-line-1")])
    record = json.loads(strict_edge.wait_for_line("json-line-1"))
    assert (record["path"], record["status"], record["upstream"]) == ("/page", 200, "web")
    records = [json.loads(line) for line in strict_edge.output.splitlines()]
    assert all(record["service"] == "edge" for record in records)
    assert all(UTC.fullmatch(record["timestamp"]) for record in records)
    assert {record["logger"] for record in records} > {record["logger"]}
