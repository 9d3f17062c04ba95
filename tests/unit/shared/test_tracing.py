"""Spans join across processes by their traceparent, and cost nothing when tracing is off."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from shared.protocol.relay import MarkRead, SetBlock, SetStatus
from shared.tracing import HEADER, headers_of, ids_of, name_ids, parent_of, span, traceparent_of, use_tracer
from tests.support.spans import kept_spans


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    with kept_spans() as exporter:
        yield exporter


def test_off_means_no_span() -> None:
    with span("publish", "producer") as nothing:
        assert nothing is None
    assert traceparent_of(None) is None
    assert headers_of(None) is None
    assert parent_of([{HEADER: "00-1-2-01"}]) is None


def test_a_child_belongs_to_the_trace_of_its_parent(exported: InMemorySpanExporter) -> None:
    with span("publish", "producer", seconds_ago=1.0) as parent:
        headers = headers_of(parent)
    assert headers is not None
    with span("append", "client", parent_of([{}, headers])):
        pass
    outer, inner = exported.get_finished_spans()
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert inner.context is not None
    assert inner.context.trace_id == outer.context.trace_id
    assert outer.start_time is not None
    assert outer.end_time is not None
    assert outer.end_time - outer.start_time >= 1_000_000_000


def test_an_item_without_an_id_is_left_out(exported: InMemorySpanExporter) -> None:
    """A command of a new kind needs no conversation, and mustn't fail because somebody traces."""
    commands = [SetBlock("alice", "1", "bob", True), MarkRead("alice", "1", "talk", 1), SetStatus("alice", "1", "away")]
    with span("gateway.commands", "producer") as made:
        name_ids(made, conversation_ids=ids_of("conversation_id", commands), temp_ids=ids_of("temp_id", commands))
    (kept,) = exported.get_finished_spans()
    assert kept.attributes == {"chat.conversation_ids": ("talk",), "chat.temp_ids": ()}


def test_a_failure_is_told_and_passes_on(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="no"), span("append", "client"):
        raise ValueError("no")
    (failed,) = exported.get_finished_spans()
    assert failed.status.status_code is StatusCode.ERROR


def test_what_is_not_sampled_is_not_followed() -> None:
    use_tracer(TracerProvider(sampler=ALWAYS_OFF).get_tracer("test"))
    with span("publish", "producer") as unsampled:
        assert traceparent_of(unsampled) is None
        assert headers_of(unsampled) is None
    use_tracer(None)
