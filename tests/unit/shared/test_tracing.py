"""Spans join across processes by their traceparent, and cost nothing when tracing is off."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from shared.tracing import end_span, start_span, traceparent_of, use_tracer


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use_tracer(provider.get_tracer("test"))
    yield exporter
    use_tracer(None)


def test_off_means_no_span() -> None:
    span = start_span("publish", "producer")
    assert span is None
    assert traceparent_of(span) is None
    end_span(span)


def test_a_child_belongs_to_the_trace_of_its_parent(exported: InMemorySpanExporter) -> None:
    parent = start_span("publish", "producer", seconds_ago=1.0, commands=3)
    child = start_span("append", "client", traceparent_of(parent))
    end_span(child)
    end_span(parent)
    inner, outer = exported.get_finished_spans()
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert inner.context is not None
    assert inner.context.trace_id == outer.context.trace_id
    assert outer.start_time is not None
    assert outer.end_time is not None
    assert outer.end_time - outer.start_time >= 1_000_000_000
    assert outer.attributes == {"commands": 3}


def test_a_failure_is_told(exported: InMemorySpanExporter) -> None:
    end_span(start_span("append", "client"), ValueError("no"))
    (span,) = exported.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_what_is_not_sampled_is_not_followed() -> None:
    use_tracer(TracerProvider(sampler=ALWAYS_OFF).get_tracer("test"))
    assert traceparent_of(start_span("publish", "producer")) is None
    use_tracer(None)
