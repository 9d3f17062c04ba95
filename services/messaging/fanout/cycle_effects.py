"""The effects of one cycle: events by user, answers by connection, completions by gateway."""

import msgspec

from services.messaging.batched_commands import ReplyAddress
from services.messaging.fanout.message_changes import DeletedMessage
from services.messaging.fanout.partition_effects import PartitionEffects
from services.messaging.fanout.user_events import UserEvents
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ErrorReference, error_event
from shared.protocol.relay import BlockChanged
from shared.redis import Partitions


class CycleEffects:
    """Collects the effects of a cycle until fan-out delivers them. `trace`: the traceparent of the cycle, or ''."""

    def __init__(self, partitions: Partitions, trace: str = "") -> None:
        self._index_of = partitions.index_of
        self.trace = trace
        self.partitions = [PartitionEffects(trace, partitions.at(index).key) for index in range(len(partitions))]
        self.message_ids: list[str] = []
        """Ids of appended messages. Collected only when traces or debug lines need them."""
        self.connection_events: list[str] = []
        self.completed: list[str | int] = []
        self.blocks: list[BlockChanged] = []
        self.deleted: list[DeletedMessage] = []
        self.conversations: set[tuple[str, str]] = set()

    @property
    def has_more(self) -> bool:
        """Return True when something is left to do after fan-out: for blocks, inboxes, or settings of conversations."""
        return bool(self.blocks or self.deleted or self.conversations)

    def take_conversations(self) -> list[PartitionEffects]:
        """Move only the latest messages and their changes into new partition effects, and return these."""
        conversations = [PartitionEffects(self.trace, partition.key) for partition in self.partitions]
        for taken, partition in zip(conversations, self.partitions, strict=True):
            taken.latest, partition.latest = partition.latest, {}
            taken.changes = partition.changes.take_last_contents()
        return conversations

    def partition_of(self, name: str) -> PartitionEffects:
        """Return the effects on the partition that holds the keys of a user or a conversation."""
        return self.partitions[self._index_of(name)]

    def events_for(self, user_id: str) -> UserEvents:
        """Return the events of this user."""
        return self.partitions[self._index_of(user_id)].events_for(user_id)

    def refuse(self, address: ReplyAddress, code: ErrorCode, ref: ErrorReference, message: str | None = None) -> None:
        """Answer a command with an error. Without `message`, the code's default message is used."""
        text = json_encoder.encode(error_event(code, message, ref=ref)).decode()
        self.connection_events += (address.gateway_id, address.connection_id, text, "")

    def answer(self, address: ReplyAddress, user_id: str, event: msgspec.Struct) -> None:
        """Answer a command with an event, and send it to the user's other connections too."""
        self.connection_events += (
            address.gateway_id,
            address.connection_id,
            json_encoder.encode(event).decode(),
            user_id,
        )

    def complete(self, gateway_id: str, batch_id: int) -> None:
        """Report to its gateway that all commands of the batch are answered."""
        self.completed += (gateway_id, batch_id)
