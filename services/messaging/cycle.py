"""A cycle: a batch of commands goes through the stores, and what came of it out to everyone, in that order."""

from collections.abc import Iterable, Iterator, Sequence

from services.messaging.fanout import Fanout
from services.messaging.handlers import Handlers
from services.messaging.outbox import Outbox
from services.messaging.undelivered import UndeliveredMessages
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.relay import Command, CommandBatch, MarkDelivered, MarkRead, SendMessage, SetBlock
from shared.protocol.topology import PRESENCE_COMMANDS
from shared.rabbitmq import Publisher
from shared.redis import Shards

Segment = list[tuple[CommandBatch, int, Command]]
"""Commands, each with the batch that it came in, and its place there."""


class Cycle:
    """What happens to a batch of commands."""

    def __init__(
        self, shards: Shards, handlers: Handlers, fanout: Fanout, undelivered: UndeliveredMessages, publisher: Publisher
    ) -> None:
        self._shards = shards
        self._handlers = handlers
        self._fanout = fanout
        self._undelivered = undelivered
        self._publisher = publisher

    async def run(self, batches: Sequence[CommandBatch]) -> None:
        """Handle `batches` in order. Can be run again with the same ones after any failure."""
        outbox = Outbox(self._shards)
        for segment in segments(batches):
            await self._handle(segment, outbox)
        for batch in batches:
            outbox.complete(batch.gateway_id, batch.batch_id)
        undelivered, _ended = await self._fanout.deliver(outbox)
        if undelivered:
            await self._undelivered.report(undelivered)
        if outbox.blocks:
            body = msgpack_encoder.encode(relay.PresenceBatch(list(outbox.blocks)))
            await self._publisher.publish(PRESENCE_COMMANDS, body)

    async def _handle(self, segment: Segment, outbox: Outbox) -> None:
        """Marks come first: what is sent in the same cycle wasn't seen by whoever read «all»."""
        batch, _, first = segment[0]
        if isinstance(first, SetBlock):
            await self._handlers.block(batch.gateway_id, first, outbox)
            return
        marks = [(batch, place, c) for batch, place, c in segment if isinstance(c, MarkRead | MarkDelivered)]
        sends = [(batch, place, c) for batch, place, c in segment if isinstance(c, SendMessage)]
        if marks:
            await self._handlers.mark(marks, outbox)
        if sends:
            await self._handlers.send(sends, outbox)


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
