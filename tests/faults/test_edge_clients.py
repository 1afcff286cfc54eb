"""Clients that leave, dawdle or pile up."""

import contextlib
import socket
import sys
import time

import pytest
from edge_people import People, now_ms, percentile
from running_edge import RunningEdge, Wire
from scripted_services import ScriptedServices, Visit, answer, hang

ABORTS = 500
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_clients_that_leave_take_their_upstream_connections_with_them(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """500 clients abort while the service hangs: after 1 s none of their connections is open."""
    path = "/api/v1/doctors/hang"
    services.on(path, hang)
    bearer = people.log_in().bearer
    wires = []
    for _ in range(ABORTS):
        wire = edge.connect()
        wire.send_head("GET", path, [bearer])
        wires.append(wire)
    services.wait(lambda: len(services.seen(path)) == ABORTS, 20)
    hanging = services.open["doctors"]
    assert hanging >= ABORTS
    for wire in wires:
        wire.close()
    took = services.wait(lambda: services.open["doctors"] <= hanging - ABORTS, 1.0)
    sys.stdout.write(f"{ABORTS} aborts: the last upstream connection closed after {took:.3f} s\n")
    assert edge.get("/livez").status == 200


def test_a_client_that_leaves_within_its_upload_takes_the_connection_with_it(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """An upload that ends early never looks like a whole request."""
    with edge.connect() as wire:
        wire.send_head("POST", "/upload", [(b"Content-Length", b"500000")])
        wire.send(b"x" * 200_000)
        services.wait(lambda: len(services.seen("/upload")) == 1)
        before = services.open["web"]
    services.wait(lambda: services.open["web"] < before, 2.0)
    assert not services.seen("/upload")[0].whole


def test_a_client_that_leaves_within_its_download_stops_it(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """An endless answer ends when nobody reads it any more."""

    async def pour(visit: Visit) -> None:
        await visit.send(CHUNKED_HEAD)
        while True:
            await visit.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

    services.on("/endless", pour)
    with edge.connect() as wire:
        wire.send_head("GET", "/endless")
        assert wire.read_head()[0] == 200
        assert len(wire.read_some(100_000)) == 100_000
        before = services.open["web"]
    services.wait(lambda: services.open["web"] < before, 2.0)


def test_a_client_that_leaves_between_attempts_ends_them(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """Nobody waits for a retry on behalf of a client that is gone."""
    services.on("/busy", answer(503, b"busy", [(b"Retry-After", b"1")]))
    with edge.connect() as wire:
        wire.send_head("GET", "/busy", [(b"X-Request-ID", b"left-between-attempts")])
        services.wait(lambda: len(services.seen("/busy")) == 1)
    line = edge.wait_for_line("left-between-attempts")
    assert " 499 " in line
    assert "reason=client_closed" in line
    assert len(services.seen("/busy")) == 1


def test_a_pipelining_client_that_leaves_is_noticed_by_the_deadline(
    strict_edge: RunningEdge, services: ScriptedServices
) -> None:
    """One more byte hides the disconnect from us; the service's time still ends the request."""
    services.on("/hang", hang)
    with strict_edge.connect() as wire:
        wire.send(b"GET /hang HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nG")
        services.wait(lambda: len(services.seen("/hang")) == 1)
        before = services.open["web"]
    services.wait(lambda: services.open["web"] < before, 2.0)


def test_many_idle_clients_stop_nobody(edge: RunningEdge) -> None:
    """A thousand silent connections leave the edge as quick as before."""
    with contextlib.ExitStack() as open_wires:
        for _ in range(1000):
            open_wires.enter_context(socket.create_connection(("127.0.0.1", edge.port)))
        times = []
        for _ in range(20):
            started = now_ms()
            assert edge.get("/livez").status == 200
            times.append(now_ms() - started)
        assert percentile(times, 0.5) < 100


def test_a_slow_head_is_not_waited_for_by_others(edge: RunningEdge) -> None:
    """Clients that send their head byte by byte hold nobody up."""
    with contextlib.ExitStack() as open_wires:
        slow: list[Wire] = []
        for _ in range(100):
            wire = open_wires.enter_context(edge.connect())
            wire.send(b"GET / HT")
            slow.append(wire)
        started = time.monotonic()
        assert edge.get("/livez").status == 200
        assert time.monotonic() - started < 1.0
        slow[0].send(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert slow[0].read().status == 200


MALFORMED = {"no size": b"ZZ\r\n\r\n", "no end": b"2\r\nabcd\r\n0\r\n\r\n"}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("before", [0, 100_000])
def test_chunks_that_cannot_be_read_are_a_bad_request(
    edge: RunningEdge, services: ScriptedServices, sent: bytes, before: int
) -> None:
    """The client is told so with the standard body, whether its body was held or streamed."""
    name = b"malformed-%d-%d" % (before, len(sent))
    headers = [(b"Transfer-Encoding", b"chunked"), (b"X-Request-ID", name)]
    with edge.connect() as wire:
        wire.send_head("POST", "/chunks", headers)
        if before:
            wire.send(b"%x\r\n%b\r\n" % (before, b"x" * before))
        wire.send(sent)
        answered = wire.read()
        assert (answered.status, answered.reason) == (400, "bad_request")
        assert wire.is_closed()
    line = edge.wait_for_line(name.decode())
    assert " 400 " in line
    assert "reason=bad_request" in line
    assert not any(seen.whole for seen in services.seen("/chunks"))
