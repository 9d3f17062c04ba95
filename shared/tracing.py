"""Traces (OpenTelemetry), when `CHAT_TRACES_URL` is set: from a sender's frame to the receivers' writes.

A batch is one span: of one message when idle, of many messages under load. The context goes as a W3C `traceparent`
(https://www.w3.org/TR/trace-context/) in AMQP headers and in `relay.Downlink`. With tracing off, a batch costs a few calls that
do nothing.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

HEADER: Final = "traceparent"

_tracer: "Tracer | None" = None


def configure_tracing(settings: ServiceSettings, service: str) -> None:
    """Export spans to the OTLP/HTTP endpoint of the settings. Needs the extra `tracing`; raises ImportError without it."""
    if settings.traces_url is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create({"service.name": f"chat-{service}", "service.instance.id": settings.instance})
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.traces_ratio)))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=str(settings.traces_url))))
    use_tracer(provider.get_tracer("chat"))


def use_tracer(tracer: "Tracer | None") -> None:
    """Make spans with `tracer` from now on. None switches tracing off."""
    global _tracer  # noqa: PLW0603 - one process, one tracer
    _tracer = tracer


Kind = Literal["producer", "consumer", "client", "server"]
MOST_IDS: Final = 64
"""Most ids of one kind on a span, because a full batch has some hundred messages."""


def span(
    name: str, kind: Kind, parent: str | None = None, *, seconds_ago: float = 0.0
) -> "AbstractContextManager[Span | None]":
    """Return a context manager for a span below `parent` (a traceparent), which began `seconds_ago`.

    It gives None when tracing is off.
    """
    return _OFF if _tracer is None else _span(_tracer, name, kind, parent, seconds_ago)


def name_ids(span: "Span | None", **ids: Iterable[str]) -> None:
    """Record the ids that a span is about: `name_ids(made, message_ids=…)` sets `chat.message_ids`, each id once.

    When nothing is recorded, the iterables aren't read, so a generator costs nothing.
    """
    if span is None or not span.is_recording():
        return
    for name, values in ids.items():
        span.set_attribute(f"chat.{name}", list(islice(dict.fromkeys(values), MOST_IDS)))


def ids_of(field: str, items: Iterable[object]) -> Iterator[str]:
    """Yield the ids in this field of the items that have one: a block is about no conversation, a mark has no tempId."""
    return (found for item in items if (found := getattr(item, field, None)))


def traceparent_of(span: "Span | None") -> str | None:
    """Return the trace context to send along, or None when there is none."""
    if span is None or not span.get_span_context().trace_flags.sampled:
        return None
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def headers_of(span: "Span | None") -> dict[str, Any] | None:
    """Return AMQP headers with the span's context, or None."""
    traceparent = traceparent_of(span)
    return None if traceparent is None else {HEADER: traceparent}


def parent_of(headers: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the first context in these AMQP headers; None when tracing is off."""
    if _tracer is None:
        return None
    return next((str(one[HEADER]) for one in headers if HEADER in one), None)


_OFF: Final = nullcontext(None)


@contextmanager
def _span(tracer: "Tracer", name: str, kind: Kind, parent: str | None, seconds_ago: float) -> Iterator["Span"]:
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    made = tracer.start_span(
        name,
        context=None if parent is None else TraceContextTextMapPropagator().extract({HEADER: parent}),
        kind=SpanKind[kind.upper()],
        start_time=time.time_ns() - int(seconds_ago * 1e9),
    )
    try:
        yield made
    except BaseException as error:
        made.record_exception(error)
        made.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        made.end()
