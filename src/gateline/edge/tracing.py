"""OpenTelemetry spans of requests: one for the client's request, one for what the service did.

Without the `otel` extra, or without an `OTEL_*` variable that asks for spans, nothing here is
imported and a request pays one attribute test. The names are those of OpenTelemetry's semantic
conventions for HTTP.
"""

import logging
import sys
from collections.abc import Mapping
from time import time_ns
from typing import TYPE_CHECKING, Final, Self

from gateline.edge.exchange import Exchange
from gateline.shared.metrics import METHODS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext
    from opentelemetry.trace import Tracer as SpanMaker

_SERVICE_NAME: Final = "gateline-edge"
_CARRIED: Final = (b"traceparent", b"tracestate")
_SECOND: Final = 1_000_000_000
_log = logging.getLogger(__name__)


class Tracer:
    """Makes the spans of requests with an OpenTelemetry provider, which it ends with itself."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._spans: SpanMaker = provider.get_tracer("gateline.edge")
        self._extract = TraceContextTextMapPropagator().extract

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Return a tracer when the `OTEL_*` variables ask for one and the extra is installed."""
        if not is_wanted(environment):
            return None
        try:
            return cls(_provider(environment))
        except ImportError:
            _log.warning('OTEL_* asks for spans, but pip install "gateline[otel]" was not done')
            return None

    def begin(self, exchange: Exchange) -> None:
        """Start the span of a request; a trace that the client began is continued.

        The client's trace context leaves the request: the service gets that of our own span.
        """
        from opentelemetry.trace import SpanKind

        fields = exchange.fields
        carrier = {
            name.decode(): fields[name].decode("latin-1") for name in _CARRIED if name in fields
        }
        span = self._spans.start_span(
            exchange.method if exchange.method in METHODS else "HTTP",
            context=self._extract(carrier),
            kind=SpanKind.SERVER,
        )
        if b"traceparent" in fields:
            # In copies: other requests share what was read of these headers.
            exchange.fields = {name: fields[name] for name in fields if name != b"traceparent"}
            exchange.headers = [pair for pair in exchange.headers if pair[0] != b"traceparent"]
        exchange.trace = Trace(self._spans, span)
        exchange.trace_id = f"{span.get_span_context().trace_id:032x}"

    def close(self) -> None:
        """Send what has gathered; waits for the collector at most as long as OTEL_* says."""
        self._provider.shutdown()


class Trace:
    """The spans of one request."""

    __slots__ = ("_asked_at", "_asking", "_server", "_spans")

    def __init__(self, spans: "SpanMaker", server: "Span") -> None:
        self._spans = spans
        self._server = server
        self._asking: Span | None = None
        self._asked_at = 0

    def traceparent(self) -> str:
        """Return the trace context for the service, whose span starts now."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        if self._asking is None:
            context = set_span_in_context(self._server)
            self._asked_at = time_ns()
            self._asking = self._spans.start_span(
                "upstream", context=context, kind=SpanKind.CLIENT, start_time=self._asked_at
            )
        return _written(self._asking.get_span_context())

    def finish(self, exchange: Exchange) -> None:
        """End the spans of a request of which everything is known now."""
        if self._asking is not None:
            self._finish_upstream(self._asking, exchange)
        span, route, identity = self._server, exchange.route, exchange.identity
        if not span.is_recording():
            return
        method = exchange.method if exchange.method in METHODS else "_OTHER"
        span.set_attribute("http.request.method", method)
        span.set_attribute("url.path", _printable(exchange.path))
        span.set_attribute("url.scheme", exchange.scheme)
        span.set_attribute("server.address", _printable(exchange.host))
        span.set_attribute("client.address", exchange.client)
        span.set_attribute("http.response.status_code", exchange.status)
        span.set_attribute("gateline.request_id", exchange.request_id)
        if route is not None:
            span.update_name(f"{method} {route.path}")
            span.set_attribute("http.route", route.path)
            span.set_attribute("gateline.route", route.name)
        if identity is not None:
            span.set_attribute("enduser.id", str(identity.user_id))
        if exchange.cache:
            span.set_attribute("gateline.cache", exchange.cache)
        _fail(span, exchange)
        span.end()

    def _finish_upstream(self, span: "Span", exchange: Exchange) -> None:
        ended = self._asked_at + int(exchange.upstream_seconds * _SECOND)
        if span.is_recording():
            method = exchange.method if exchange.method in METHODS else "_OTHER"
            span.update_name(f"{method} {exchange.service}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.response.status_code", exchange.status)
            span.set_attribute("http.request.resend_count", max(0, exchange.attempts - 1))
            span.set_attribute("server.address", exchange.target)
            span.set_attribute("gateline.service", exchange.service)
            _fail(span, exchange)
        span.end(ended)


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether the OTEL_* variables ask for spans (OpenTelemetry's environment variables)."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name) for name in names)


def _provider(environment: Mapping[str, str]) -> "TracerProvider":
    """Return a provider that sends spans in batches, from a thread; it reads OTEL_* itself."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = "OTEL_SERVICE_NAME" in environment
    provider = TracerProvider(
        resource=Resource.create({} if named else {"service.name": _SERVICE_NAME})
    )
    provider.add_span_processor(BatchSpanProcessor(_exporter(environment)))
    return provider


def _exporter(environment: Mapping[str, str]) -> "SpanExporter":
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stdout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _fail(span: "Span", exchange: Exchange) -> None:
    """Mark a span as failed where the edge refused or the answer is a server's failure."""
    from opentelemetry.trace import Status, StatusCode

    reason = exchange.reason
    if reason is not None:
        span.set_attribute("error.type", reason.code)
    if exchange.status >= 500:
        if reason is None:
            span.set_attribute("error.type", str(exchange.status))
        span.set_status(Status(StatusCode.ERROR))


def _printable(text: str) -> str:
    """Return text that a refused request cannot abuse."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]


def _written(context: "SpanContext") -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
