"""What an exchange knows from the start: whether a body comes, and how a trace begins."""

import re

import pytest
from edge_exchange import Answered, exchange_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("headers", "comes"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b"1")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_a_body_is_announced_by_the_head(headers: list[tuple[bytes, bytes]], comes: bool) -> None:
    """RFC 9112, 6.3: length or coding say so, the method does not."""
    exchange = exchange_for(Answered(), "POST", headers=headers)
    assert exchange.body_done is not comes


@pytest.mark.parametrize(
    ("headers", "may_come"),
    [([], True), ([(b"content-length", b"0")], False), ([(b"content-length", b"1")], True)],
)
def test_http_2_need_not_announce_a_body(
    headers: list[tuple[bytes, bytes]], may_come: bool
) -> None:
    """RFC 9113, 8.1.1: without a length only the frames tell."""
    exchange = exchange_for(Answered(), "GET", headers=headers, http_version="2")
    assert exchange.body_done is not may_come


@pytest.mark.parametrize(
    ("request_id", "kept"),
    [("0af7651916cd43dd8448eb211c80319c", True), ("0" * 32, False), ("my-request-7", False)],
)
def test_a_trace_begins_under_the_request_id_where_it_can(request_id: str, kept: bool) -> None:
    """W3C Trace Context, 3.2: a trace id is 32 hexadecimal digits and not all zero."""
    exchange = exchange_for(Answered(), request_id=request_id)
    trace = exchange.traceparent()
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00", trace)
    assert (trace[3:35] == request_id) is kept
    assert exchange.trace_id == trace[3:35]


def test_a_request_that_nobody_named_names_its_trace() -> None:
    """Its id is the trace's, and no two are alike."""
    made = set()
    for _ in range(3):
        exchange = exchange_for(Answered())
        exchange.take_name()
        trace = exchange.traceparent()
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00", trace)
        assert trace[3:35] == exchange.request_id == exchange.trace_id
        assert exchange.traceparent() == trace
        made.add(trace[3:52])
    assert len(made) == 3


@pytest.mark.parametrize(
    ("told", "continues"),
    [
        ([f"00-{TRACE}-00f067aa0ba902b7-01"], True),
        ([f"cc-{TRACE}-00f067aa0ba902b7-01"], True),
        ([f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"], True),
        ([f"00-{TRACE}-00f067aa0ba902b7-01-x"], False),
        ([f"cc-{TRACE}-00f067aa0ba902b7-01x"], False),
        ([f"ff-{TRACE}-00f067aa0ba902b7-01"], False),
        ([f"00-{TRACE.upper()}-00f067aa0ba902b7-01"], False),
        ([f"00-{'0' * 32}-00f067aa0ba902b7-01"], False),
        ([f"00-{TRACE}-{'0' * 16}-01"], False),
        ([f"00-{TRACE}-00f067aa0ba902b7-01"] * 2, False),
        (["\xff"], False),
        ([], False),
    ],
)
def test_only_a_whole_trace_context_is_continued(told: list[str], continues: bool) -> None:
    """W3C Trace Context, 3.2.2: one header, a known or later form, no ids of zeros."""
    exchange = exchange_for(Answered())
    headers = [(b"traceparent", one.encode("latin-1")) for one in told]
    assert exchange.continues_trace(headers) is continues
    assert exchange.trace_id == (TRACE if continues else "")


def test_own_time_is_what_nobody_else_took() -> None:
    """Neither the service's nor the client's time is ours, and it is never negative."""
    exchange = exchange_for(Answered(), upstream_seconds=0.25, client_seconds=0.5)
    assert exchange.own_seconds(1.0) == 0.25
    assert exchange.own_seconds(0.5) == 0.0
