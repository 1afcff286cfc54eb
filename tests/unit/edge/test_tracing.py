"""OpenTelemetry spans: what they tell, whom they belong to, and when there are none."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for, identity
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from gateline.edge.exchange import Exchange
from gateline.edge.tracing import Tracer, is_wanted
from gateline.policy.reasons import UPSTREAM_TIMEOUT
from gateline.policy.routes import Route

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00f067aa0ba902b7"
ROUTE = Route("shop", "/shop/{id}", None)


class Spans:
    """A tracer whose spans are kept in memory."""

    def __init__(self, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(**options)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = Tracer(provider)

    def of(self, exchange: Exchange) -> dict[SpanKind, ReadableSpan]:
        """Finish an exchange and return its spans by kind."""
        assert exchange.trace is not None
        exchange.trace.finish(exchange)
        return {span.kind: span for span in self._exporter.get_finished_spans()}


def traced(spans: Spans, *headers: tuple[bytes, bytes], **known: Any) -> Exchange:
    """Return a forwarded exchange for which spans were begun."""
    exchange = exchange_for(
        Answered(), path="/shop/7", query=b"card=4111", headers=[*headers, (b"a", b"b")], **known
    )
    exchange.host = "shop.example"
    spans.tracer.begin(exchange)
    return exchange


def test_a_span_tells_what_became_of_a_request() -> None:
    """Named by method and route, with the conventions' attributes, and no query or header."""
    spans = Spans()
    exchange = traced(
        spans, route=ROUTE, status=200, service="shop", target="http://10.0.0.2:80", attempts=2
    )
    exchange.identity = identity()
    told = exchange.traceparent()
    exchange.upstream_seconds = 0.25
    found = spans.of(exchange)
    server, client = found[SpanKind.SERVER], found[SpanKind.CLIENT]
    assert server.name == "GET /shop/{id}"
    assert dict(server.attributes or {}) == {
        "http.request.method": "GET",
        "url.path": "/shop/7",
        "url.scheme": "http",
        "server.address": "shop.example",
        "client.address": "10.0.0.1",
        "http.response.status_code": 200,
        "gateline.request_id": "request-1",
        "http.route": "/shop/{id}",
        "gateline.route": "shop",
        "enduser.id": "7",
    }
    assert client.name == "GET shop"
    assert dict(client.attributes or {})["http.request.resend_count"] == 1
    assert client.parent is not None
    assert client.parent.span_id == server.context.span_id
    assert (client.end_time or 0) - (client.start_time or 0) == 250_000_000
    context = client.context
    assert told == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    assert exchange.trace_id == f"{context.trace_id:032x}"
    assert server.status.status_code is StatusCode.UNSET


def test_a_trace_that_the_client_began_goes_on() -> None:
    """Our span is a child of the client's; the service gets ours, once."""
    spans = Spans()
    begun = (b"traceparent", b"00-" + TRACE + b"-" + PARENT + b"-01")
    exchange = traced(spans, begun, (b"tracestate", b"vendor=1"), status=200, route=ROUTE)
    assert b"traceparent" not in exchange.fields
    assert [name for name, _ in exchange.headers] == [b"tracestate", b"a"]
    assert exchange.traceparent().split("-")[1] == TRACE.decode()
    server = spans.of(exchange)[SpanKind.SERVER]
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}".encode() == PARENT


@pytest.mark.parametrize("wrong", [b"x", b"00-" + b"0" * 32 + b"-" + PARENT + b"-01", b"\xff"])
def test_a_broken_context_begins_a_new_trace(wrong: bytes) -> None:
    """W3C Trace Context, section 4.2: what cannot be read is not passed on."""
    spans = Spans()
    exchange = traced(spans, (b"traceparent", wrong), status=200)
    assert spans.of(exchange)[SpanKind.SERVER].parent is None
    assert (b"traceparent", wrong) not in exchange.headers


def test_a_failure_is_marked_with_its_reason() -> None:
    """Both spans of a request that failed have the status and our reason."""
    spans = Spans()
    exchange = traced(spans, route=ROUTE, status=504, reason=UPSTREAM_TIMEOUT, attempts=1)
    exchange.traceparent()
    for span in spans.of(exchange).values():
        assert span.status.status_code is StatusCode.ERROR
        assert dict(span.attributes or {})["error.type"] == "upstream_timeout"


def test_what_was_not_forwarded_has_one_span() -> None:
    """A strange method is no name of its own, and a path may hold anything."""
    spans = Spans()
    exchange = traced(spans, status=404)
    exchange.method, exchange.path = "MKCOL", "/\n\ud800"
    (server,) = spans.of(exchange).values()
    assert dict(server.attributes or {})["http.request.method"] == "_OTHER"
    assert dict(server.attributes or {})["url.path"] == "/\\n\\ud800"


def test_what_is_not_sampled_is_passed_on_as_such() -> None:
    """No span is exported, but the service is told of the trace, unsampled."""
    spans = Spans(sampler=ALWAYS_OFF)
    exchange = traced(spans, status=200, attempts=1)
    assert exchange.traceparent().endswith("-00")
    assert spans.of(exchange) == {}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "edge"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
    ],
)
def test_spans_are_made_only_when_they_are_asked_for(
    environment: dict[str, str], wanted: bool
) -> None:
    """By OpenTelemetry's own variables."""
    assert is_wanted(environment) is wanted
    if not wanted:
        assert Tracer.from_environment(environment) is None


def test_without_the_extra_a_warning_is_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The edge starts, and says what is missing."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert Tracer.from_environment({"OTEL_TRACES_EXPORTER": "otlp"}) is None
    assert "gateline[otel]" in caplog.text


def _closed(environment: dict[str, str], patch: Callable[[str, str], None]) -> None:
    for name, value in environment.items():
        patch(name, value)
    tracer = Tracer.from_environment(environment)
    assert tracer is not None
    exchange = exchange_for(Answered(), status=200)
    tracer.begin(exchange)
    assert exchange.trace is not None
    exchange.trace.finish(exchange)
    asyncio.run(asyncio.to_thread(tracer.close))


def test_spans_that_are_left_are_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Closing writes what has gathered; the service is named by us unless by OTEL_SERVICE_NAME."""
    _closed({"OTEL_TRACES_EXPORTER": "console"}, monkeypatch.setenv)
    assert '"service.name": "gateline-edge"' in capsys.readouterr().out
    _closed({"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "front"}, monkeypatch.setenv)
    assert '"service.name": "front"' in capsys.readouterr().out
