"""Fan-out: what one cycle has to say, delivered by one script call for each Redis server."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from services.messaging.outbox import Inbox, Origin, Outbox
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Script, Shards

_FANOUT: Final = Script("services.messaging", "fanout")
_LIMITS: Final = (limits.INBOX_EVENTS, limits.INBOX_SECONDS, limits.LAST_MESSAGE_SECONDS)

Rebuild = Callable[[list[str]], Awaitable[None]]
"""Puts the unread counts of these users into Redis, from PostgreSQL."""


class Fanout:
    """Delivers outboxes. `rebuild` is called for users whose unread total Redis doesn't know."""

    def __init__(self, shards: Shards, rebuild: Rebuild) -> None:
        self._shards = shards
        self._rebuild = rebuild

    async def deliver(self, outbox: Outbox) -> tuple[list[Origin], list[str]]:
        """Deliver everything, and the completions last. Raises RedisError; calling it again repeats events, which
        receivers drop by (conversation, seq), and counts nothing twice.

        Returns the messages that no gateway took, and `<conversation>:<typist>` of the typing indicators that ended.
        """
        single = len(self._shards) == 1
        parts = self._split(outbox)
        results = await asyncio.gather(
            *(self._run(index, inboxes, last, outbox if single else None) for index, (inboxes, last) in parts.items())
        )
        if not single:
            await self._complete(outbox)
        undelivered = [origin for origins, _ in results for origin in origins]
        return undelivered, [typing for _, ended in results for typing in ended]

    def _split(self, outbox: Outbox) -> dict[int, tuple[list[Inbox], list[Any]]]:
        if len(self._shards) == 1:
            return {0: (list(outbox.inboxes.values()), list(outbox.last_messages.values()))}
        parts: dict[int, tuple[list[Inbox], list[Any]]] = {}
        for user_id, inbox in outbox.inboxes.items():
            parts.setdefault(self._shards.index_of(user_id), ([], []))[0].append(inbox)
        for conversation_id, message in outbox.last_messages.items():
            parts.setdefault(self._shards.index_of(conversation_id), ([], []))[1].append(message)
        return parts

    async def _run(
        self, index: int, inboxes: list[Inbox], last_messages: list[Any], replies: Outbox | None
    ) -> tuple[list[Origin], list[str]]:
        tag = str(random.getrandbits(31))
        directs, completed = ([], []) if replies is None else (replies.directs, replies.completed)
        blob = msgpack_encoder.encode((tag, [i.content for i in inboxes], last_messages, directs, completed))
        client = self._shards.at(index)
        while True:
            lacking, *answer = await _FANOUT(client, blob, *_LIMITS)
            if not lacking:
                break
            await self._rebuild([user_id.decode() for user_id in answer[0]])
        places, ended = answer
        undelivered = [
            inboxes[place - 1].origins[number - 1] for place, number in zip(places[::2], places[1::2], strict=True)
        ]
        return [origin for origin in undelivered if origin is not None], [typing.decode() for typing in ended]

    async def _complete(self, outbox: Outbox) -> None:
        """Errors and completions when there are several servers: only after all of them have delivered."""
        downlinks: dict[str, relay.Downlink] = {}
        for gateway_id, connection_id, text, user_id in outbox.directs:
            routes = {connection_id: gateway_id}
            if user_id:
                client = self._shards.of(user_id)
                found = cast("dict[bytes, bytes]", await client.hgetall(keys.key(keys.ROUTES, user_id)))
                routes.update((connection.decode(), gateway.decode()) for connection, gateway in found.items())
            for connection, gateway in routes.items():
                downlinks.setdefault(gateway, relay.Downlink()).directs.append(relay.Direct(connection, text))
        for gateway_id, batch_id in outbox.completed:
            downlinks.setdefault(gateway_id, relay.Downlink()).completed.append(batch_id)
        client = self._shards.at(0)
        for gateway_id, downlink in downlinks.items():
            await client.publish(keys.key(keys.GATEWAY, gateway_id), msgpack_encoder.encode(downlink))
