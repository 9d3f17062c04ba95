"""A cycle: a batch of commands goes through the stores, and what came of it out to everyone, in that order."""

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import structlog

from services.messaging import metrics
from services.messaging.drift import DriftWatch
from services.messaging.fanout import Fanout
from services.messaging.faults import FaultPoint, Faults
from services.messaging.handlers import Asked, Handlers
from services.messaging.indicators import TypingIndicators
from services.messaging.outage import is_transient, outlast
from services.messaging.outbox import Outbox
from services.messaging.reports import Reports
from shared.protocol.relay import Command, CommandBatch, MarkDelivered, MarkRead, SendMessage, SetBlock
from shared.tracing import span

log = structlog.get_logger(__name__)

Segment = list[tuple[CommandBatch, int, Command]]
"""Commands, each with the batch that it came in, and its place there."""


class Cycle:
    """What happens to a batch of commands."""

    def __init__(
        self,
        handlers: Handlers,
        fanout: Fanout,
        indicators: TypingIndicators,
        reports: Reports,
        drift: DriftWatch,
        faults: Faults,
    ) -> None:
        self._handlers = handlers
        self._fanout = fanout
        self._indicators = indicators
        self._reports = reports
        self._drift = drift
        self._faults = faults

    async def run(self, batches: Sequence[CommandBatch], trace: str | None = None) -> None:
        """Handle `batches` in order, as part of a trace. Can be run again with the same ones after any failure."""
        outbox = self._fanout.outbox(trace or "")
        left = await self._unfinished(batches)
        self._faults.reach(FaultPoint.BEFORE_COMMIT)
        with span("messaging.store", "client", trace):
            try:
                for segment in segments(left):
                    for part in parts(segment):
                        await self._handle(part, outbox)
            finally:
                _mark_again(batches)
        self._faults.reach(FaultPoint.AFTER_COMMIT)
        for batch in batches:
            outbox.complete(batch.gateway_id, batch.batch_id)
        started = time.monotonic()
        with span("messaging.fanout", "client", trace):
            undelivered, ended = await self._fanout.deliver(outbox)
        metrics.FANOUT_SECONDS.observe(time.monotonic() - started)
        self._faults.reach(FaultPoint.AFTER_FANOUT)
        self._drift.note(outbox.parts[0].counters.users)
        if ended:
            await self._indicators.end(ended)
        if undelivered:
            await outlast(lambda: self._reports.undelivered(undelivered))
        if outbox.blocks:
            await outlast(lambda: self._reports.blocks(outbox.blocks))
        if undelivered or ended or outbox.blocks or len(outbox.parts) > 1:
            await outlast(lambda: self._fanout.finished.remember(outbox.completed))

    async def _unfinished(self, batches: Sequence[CommandBatch]) -> Sequence[CommandBatch]:
        """Those with something left to do or to tell."""
        if not any(batch.again for batch in batches):
            return batches
        told = await self._fanout.finished.among(batch for batch in batches if batch.again)
        return [batch for batch in batches if (batch.gateway_id, batch.batch_id) not in told]

    async def _handle(self, part: Segment, outbox: Outbox) -> None:
        """Handle a part; if it fails for good, its commands one by one: a bad one must not fail its neighbours."""
        try:
            await self._apply(part, outbox)
        except Exception as error:
            if is_transient(error):
                raise
            if len(part) > 1:
                _mark_again(batch for batch, _, _ in part)
                for asked in part:
                    await self._handle([asked], outbox)
                return
            error_id = uuid.uuid4().hex
            batch, _, command = part[0]
            log.exception("command.failed", error_id=error_id, user_id=command.user_id)
            self._handlers.fail(batch, command, error_id, outbox)

    async def _apply(self, part: Segment, outbox: Outbox) -> None:
        batch, _, first = part[0]
        if isinstance(first, SetBlock):
            await self._handlers.block(batch, first, outbox)
        elif isinstance(first, SendMessage):
            await self._handlers.send(cast("list[Asked[SendMessage]]", part), outbox)
        else:
            await self._handlers.mark(cast("list[Asked[MarkRead | MarkDelivered]]", part), outbox)


def segments(batches: Iterable[CommandBatch]) -> Iterator[Segment]:
    """The commands of `batches`, in order, cut before and after each change of a block."""
    segment: Segment = []
    for batch in batches:
        for place, command in enumerate(batch.commands):
            if isinstance(command, SetBlock):
                if segment:
                    yield segment
                yield [(batch, place, command)]
                segment = []
            else:
                segment.append((batch, place, command))
    if segment:
        yield segment


def parts(segment: Segment) -> Iterator[Segment]:
    """What one statement can do. Marks come first: what is sent in the same cycle wasn't seen by whoever read «all»."""
    sends = [asked for asked in segment if isinstance(asked[2], SendMessage)]
    others = [asked for asked in segment if not isinstance(asked[2], SendMessage)] if len(sends) < len(segment) else []
    return (part for part in (others, sends) if part)


def _mark_again(batches: Iterable[CommandBatch]) -> None:
    """Whatever comes now, these may be stored."""
    for batch in batches:
        batch.again = True
