"""Records ids of stored messages in traces and debug lines (docs/operations.md, «Follow one message»)."""

from collections.abc import Sequence

import structlog

from services.messaging.batched_commands import BatchedCommand
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.stores.appended import Appended
from shared.protocol.relay import SendMessage
from shared.telemetry import debugging

log = structlog.get_logger(__name__)
STORED = ("new", "repeated")


def note_stored(
    commands: Sequence[BatchedCommand[SendMessage]], appended: Sequence[Appended], effects: CycleEffects
) -> None:
    """Keep the ids of appended messages with the cycle when it is traced, and log them when debug lines are on.

    Without either it does nothing, so that sends don't cost more.
    """
    logs = debugging()
    if not (logs or effects.trace):
        return
    for (batch, _, send), result in zip(commands, appended, strict=True):
        if result.verdict not in STORED:
            continue
        effects.message_ids.append(result.message_id)
        if logs:
            log.debug(
                "message.stored",
                verdict=result.verdict,
                message_id=result.message_id,
                conversation_id=send.conversation_id,
                user_id=send.user_id,
                receiver_id=result.receiver_id,
                seq=result.seq,
                connection_id=send.connection_id,
                gateway_id=batch.gateway_id,
            )
