"""An OTLP/HTTP endpoint that keeps the spans it gets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SECONDS: Final = 60.0
PATH: Final = "/v1/traces"


@dataclass(frozen=True)
class Span:
    """A span. `ids`: what `shared.tracing.name_ids` recorded."""

    service: str
    name: str
    trace_id: str
    ids: Mapping[str, list[str]]


class TraceReceiver:
    """Spans in the order in which they came."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self._changed = asyncio.Condition()

    async def wait_for(self, wanted: Callable[[Span], bool]) -> Span:
        """Return the first matching span; wait for it if it hasn't come yet. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS), self._changed:
            await self._changed.wait_for(lambda: any(map(wanted, self.spans)))
        return next(filter(wanted, self.spans))

    async def take(self, request: web.Request) -> web.Response:
        """Answer an exporter."""
        export = ExportTraceServiceRequest.FromString(await request.read())
        async with self._changed:
            for resource in export.resource_spans:
                (service,) = (
                    one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                )
                for scope in resource.scope_spans:
                    self.spans += [
                        Span(service, span.name, span.trace_id.hex(), {one.key: _texts(one) for one in span.attributes})
                        for span in scope.spans
                    ]
            self._changed.notify_all()
        return web.Response(content_type="application/x-protobuf")


def _texts(attribute: Any) -> list[str]:
    return [value.string_value for value in attribute.value.array_value.values]


@asynccontextmanager
async def trace_receiver() -> AsyncIterator[TraceReceiver]:
    """A receiver on a port of its own."""
    receiver = TraceReceiver()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post(PATH, receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}{PATH}"
        yield receiver
    finally:
        await runner.cleanup()
