"""What Redis knows of the receivers of undelivered messages."""

from collections.abc import Sequence
from typing import Final

from services.notifier.policy import Receiver
from shared.protocol import relay
from shared.redis import Script, Shards

SILENCE_SECONDS: Final = 3600
"""How long a connection that was silent counts as such for one message: longer than most retries take."""


class Receivers:
    """Looks up a whole batch in one round trip to each Redis server."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._script = Script("services.notifier", "receivers")

    async def of(self, messages: Sequence[relay.Undelivered]) -> list[Receiver]:
        """The receiver of each message, in order; notes the connections that the messages report as silent.

        Raises what redis-py raises.
        """
        found: dict[int, Receiver] = {}
        for shard, places in self._by_shard(messages).items():
            arguments: list[str | bytes | int | float] = [SILENCE_SECONDS]
            for place in places:
                message = messages[place]
                arguments += [message.receiver_id, message.sender_id, message.conversation_id, message.message_id]
                arguments.append(",".join(message.silent_connections))
            answers = await self._script(self._shards.at(shard), *arguments)
            for place, (seq, blocked, reachable) in zip(places, answers, strict=True):
                found[place] = Receiver(int(seq), bool(blocked), bool(reachable))
        return [found[place] for place in range(len(messages))]

    def _by_shard(self, messages: Sequence[relay.Undelivered]) -> dict[int, list[int]]:
        groups: dict[int, list[int]] = {}
        for place, message in enumerate(messages):
            groups.setdefault(self._shards.index_of(message.receiver_id), []).append(place)
        return groups
