"""A cycle takes batches of commands through the stores, and then sends what came of them to everyone concerned."""

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import structlog

from services.messaging import metrics
from services.messaging.failpoints import Failpoint, Failpoints
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.handlers import Handlers
from services.messaging.requests import Request
from services.messaging.stores.unread_audit import UnreadAudit
from services.messaging.typing.indicators import TypingIndicators
from shared.protocol.relay import Command, CommandBatch, MarkDelivered, MarkRead, SendMessage, SetBlock
from shared.retry import is_transient, retry_until_available
from shared.tracing import span

log = structlog.get_logger(__name__)

Segment = list[Request[Command]]
"""Commands that may be stored in any order."""


class Cycle:
    """Stores batches of commands, fans out their events, and publishes what other services must know, in this order."""

    def __init__(
        self,
        handlers: Handlers,
        fanout: Fanout,
        indicators: TypingIndicators,
        outgoing: OutgoingEvents,
        audit: UnreadAudit,
        failpoints: Failpoints,
    ) -> None:
        self._handlers = handlers
        self._fanout = fanout
        self._indicators = indicators
        self._outgoing = outgoing
        self._audit = audit
        self._failpoints = failpoints

    async def run(self, batches: Sequence[CommandBatch], trace: str | None = None) -> None:
        """Handle `batches` in order, as statement of a trace. Can be run again with the same ones after any failure."""
        effects = self._fanout.effects(trace or "")
        left = await self._unfinished(batches)
        self._failpoints.reach(Failpoint.BEFORE_COMMIT)
        with span("messaging.store", "client", trace):
            try:
                for segment in segments(left):
                    for statement in statements(segment):
                        await self._handle(statement, effects)
            finally:
                _mark_again(batches)
        self._failpoints.reach(Failpoint.AFTER_COMMIT)
        for batch in batches:
            effects.complete(batch.gateway_id, batch.batch_id)
        await self.publish(effects, trace)

    async def publish(self, effects: CycleEffects, trace: str | None = None) -> None:
        """Send what came of stored commands to everyone concerned. Raises RedisError; repeating it does no harm."""
        started = time.monotonic()
        with span("messaging.fanout", "client", trace):
            undelivered, ended = await self._fanout.deliver(effects)
        metrics.FANOUT_SECONDS.observe(time.monotonic() - started)
        self._failpoints.reach(Failpoint.AFTER_FANOUT)
        self._audit.note(effects.shards[0].counters.users)
        if ended:
            await self._indicators.end(ended)
        if undelivered:
            await retry_until_available("report undelivered", lambda: self._outgoing.undelivered(undelivered))
        if effects.blocks:
            await retry_until_available("report blocks", lambda: self._outgoing.blocks(effects.blocks))
        if undelivered or ended or effects.blocks or len(effects.shards) > 1:
            await retry_until_available(
                "remember processed", lambda: self._fanout.processed.remember(effects.completed)
            )

    async def _unfinished(self, batches: Sequence[CommandBatch]) -> Sequence[CommandBatch]:
        """Those batches that were not processed completely before."""
        if not any(batch.again for batch in batches):
            return batches
        known = await self._fanout.processed.find(batch for batch in batches if batch.again)
        return [batch for batch in batches if (batch.gateway_id, batch.batch_id) not in known]

    async def _handle(self, statement: Segment, effects: CycleEffects) -> None:
        """Handle the commands of one statement. If it fails for good, handle them one by one: a bad command must not fail
        its neighbours.
        """
        try:
            await self._apply(statement, effects)
        except Exception as error:
            if is_transient(error):
                raise
            if len(statement) > 1:
                _mark_again(batch for batch, _, _ in statement)
                for request in statement:
                    await self._handle([request], effects)
                return
            error_id = uuid.uuid4().hex
            batch, _, command = statement[0]
            log.exception("command.failed", error_id=error_id, user_id=command.user_id)
            self._handlers.fail(batch, command, error_id, effects)

    async def _apply(self, statement: Segment, effects: CycleEffects) -> None:
        batch, _, first = statement[0]
        if isinstance(first, SetBlock):
            await self._handlers.block(batch, first, effects)
        elif isinstance(first, SendMessage):
            await self._handlers.send(cast("list[Request[SendMessage]]", statement), effects)
        else:
            await self._handlers.mark(cast("list[Request[MarkRead | MarkDelivered]]", statement), effects)


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


def statements(segment: Segment) -> Iterator[Segment]:
    """Split a segment into what one statement can do.

    Marks come first: whoever read «all» had not seen what is sent in the same cycle.
    """
    sends = [request for request in segment if isinstance(request[2], SendMessage)]
    others = (
        [request for request in segment if not isinstance(request[2], SendMessage)] if len(sends) < len(segment) else []
    )
    return (statement for statement in (others, sends) if statement)


def _mark_again(batches: Iterable[CommandBatch]) -> None:
    """From now on, these batches may be stored."""
    for batch in batches:
        batch.again = True
