"""A cycle applies batches of commands to the stores, and then sends the results to everyone concerned."""

import time
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from services.messaging import metrics
from services.messaging.command_order import CommandGroup, groups, segments
from services.messaging.failpoints import Failpoint, Failpoints
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.handlers import Handlers
from services.messaging.stores.unread_repair import UnreadRepair
from services.messaging.typing_indicators.indicators import TypingIndicators
from shared.protocol.relay import (
    CommandBatch,
    DeleteMessage,
    EditMessage,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
    SetReaction,
)
from shared.retry import is_transient, retry_until_available
from shared.tracing import ids_of, name_ids, span

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = structlog.get_logger(__name__)


class Cycle:
    """Stores batches of commands, fans out their events, and publishes events for other services, in this order."""

    def __init__(
        self,
        handlers: Handlers,
        fanout: Fanout,
        indicators: TypingIndicators,
        outgoing: OutgoingEvents,
        repair: UnreadRepair,
        failpoints: Failpoints,
    ) -> None:
        self._handlers = handlers
        self._fanout = fanout
        self._indicators = indicators
        self._outgoing = outgoing
        self._repair = repair
        self._failpoints = failpoints

    async def run(self, batches: Sequence[CommandBatch], trace: str | None = None) -> None:
        """Handle `batches` in order, as part of a trace. After any failure it can be run again with the same batches."""
        await self._fanout.until_current(lambda _again: self._run(batches, trace))

    async def _run(self, batches: Sequence[CommandBatch], trace: str | None) -> None:
        effects = self._fanout.effects(trace or "")
        left = await self._unfinished(batches)
        self._failpoints.reach(Failpoint.BEFORE_COMMIT)
        with span("messaging.store", "client", trace) as traced:
            try:
                self._handlers.refuse_rejected(left, effects)
                for segment in segments(left):
                    for group in groups(segment):
                        await self._handle(group, effects)
            finally:
                _mark_again(batches)
                if traced is not None:
                    _name(traced, left, effects)
        self._failpoints.reach(Failpoint.AFTER_COMMIT)
        for batch in batches:
            effects.complete(batch.gateway_id, batch.batch_id)
        await self.publish(effects, trace)

    async def publish(self, effects: CycleEffects, trace: str | None = None) -> None:
        """Send the results of stored commands to everyone concerned.

        Raises RedisError, after which repeating it is harmless, and OutdatedError.
        """
        started = time.monotonic()
        with span("messaging.fanout", "client", trace):
            undelivered, ended = await self._fanout.deliver(effects)
        metrics.FANOUT_SECONDS.observe(time.monotonic() - started)
        self._failpoints.reach(Failpoint.AFTER_FANOUT)
        for part in effects.partitions:
            self._repair.note(part.counters.users)
        if ended:
            await self._indicators.end(ended)
        if undelivered:
            await self._outgoing.undelivered(undelivered, trace)
        if effects.deleted:
            await retry_until_available("inboxes", lambda: self._fanout.eraser.erase(effects.deleted))
        if effects.conversations:
            await retry_until_available("announce conversations", lambda: self._handlers.announce(effects))
        if effects.blocks:
            await retry_until_available("report blocks", lambda: self._outgoing.blocks(effects.blocks))
        if undelivered or ended or effects.has_more or len(effects.partitions) > 1:
            await retry_until_available(
                "remember processed", lambda: self._fanout.processed.remember(effects.completed)
            )

    async def _unfinished(self, batches: Sequence[CommandBatch]) -> Sequence[CommandBatch]:
        """Return the batches that were not processed completely before."""
        if not any(batch.again for batch in batches):
            return batches
        known = await self._fanout.processed.find(
            (batch.gateway_id, batch.batch_id) for batch in batches if batch.again
        )
        return [batch for batch in batches if (batch.gateway_id, batch.batch_id) not in known]

    async def _handle(self, group: CommandGroup, effects: CycleEffects) -> None:
        """Handle the commands of one group.

        If it fails permanently, handle them one by one, so that one bad command doesn't fail the others.
        """
        try:
            await self._apply(group, effects)
        except Exception as error:
            if is_transient(error):
                raise
            if len(group) > 1:
                _mark_again(batch for batch, _, _ in group)
                for one in group:
                    await self._handle([one], effects)
                return
            error_id = uuid.uuid4().hex
            batch, _, command = group[0]
            log.exception("command.failed", error_id=error_id, user_id=command.user_id)
            self._handlers.fail(batch, command, error_id, effects)

    async def _apply(self, group: CommandGroup, effects: CycleEffects) -> None:
        commands: Any = group
        match group[0][2]:
            case SendMessage():
                await self._handlers.send(commands, effects)
            case MarkRead() | MarkDelivered():
                await self._handlers.mark(commands, effects)
            case SetBlock():
                await self._handlers.block(commands, effects)
            case EditMessage():
                await self._handlers.changes.edit(commands, effects)
            case DeleteMessage():
                await self._handlers.changes.delete(commands, effects)
            case SetReaction():
                await self._handlers.changes.react(commands, effects)
            case command:
                raise TypeError(f"no handler for {type(command).__name__}")


def _name(traced: "Span", batches: Sequence[CommandBatch], effects: CycleEffects) -> None:
    """Record on a span the users, conversations and messages that it is about."""
    commands = [command for batch in batches for command in batch.commands]
    name_ids(
        traced,
        message_ids=effects.message_ids,
        conversation_ids=ids_of("conversation_id", commands),
        user_ids=(command.user_id for command in commands),
    )


def _mark_again(batches: Iterable[CommandBatch]) -> None:
    """Mark these batches as possibly stored."""
    for batch in batches:
        batch.again = True
