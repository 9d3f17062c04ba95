"""Fan-out: what one cycle has to say, delivered by one script call for each Redis server."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from services.messaging import finished, metrics
from services.messaging.finished import Finished
from services.messaging.indicators import Indicator
from services.messaging.outbox import Origin, Outbox, Part
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Script, Shards

_FANOUT: Final = Script("services.messaging", "fanout")
_TURN: Final = Script("services.messaging", "turn")
_LIMITS: Final = (limits.INBOX_EVENTS, limits.INBOX_SECONDS, limits.LAST_MESSAGE_SECONDS)
_MEMORY: Final = (finished.BATCHES, finished.SECONDS)
DELIVERED: Final = 0
TOTALS_MISSING: Final = 1
"""What the script answers; anything else: it waits for earlier messages."""

DEFERRAL_SECONDS: Final = 0.003
"""How often a delivery that waits for its turn looks again."""

Rebuild = Callable[[list[str]], Awaitable[None]]
"""Puts the unread counts of these users into Redis, from PostgreSQL."""


class Patience:
    """Waits in short steps, and not longer than so many seconds from its first one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline: float | None = None

    async def wait(self) -> bool:
        """Wait a step; False when patience is at its end, without waiting."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._seconds
        if now >= self._deadline:
            metrics.OVERTAKEN.inc()
            return False
        metrics.DEFERRED.inc()
        await asyncio.sleep(DEFERRAL_SECONDS)
        return True


class Fanout:
    """Delivers outboxes. `rebuild` is called for users whose unread total Redis doesn't know.

    A delivery waits, `max_deferral_seconds` at most, for another replica that has stored earlier messages of a
    conversation and not delivered them yet. That usually takes milliseconds; when the replica has died, its batch comes
    again behind ours, so waiting longer would not help: seqs tell clients what they lack.

    `finished` knows which batches are told whole.
    """

    def __init__(self, shards: Shards, rebuild: Rebuild, max_deferral_seconds: float) -> None:
        self.finished = Finished(shards)
        self._shards = shards
        self._rebuild = rebuild
        self._max_deferral_seconds = max_deferral_seconds

    def outbox(self, trace: str = "") -> Outbox:
        """A new one, for these servers; gateways go on with the trace (a traceparent), if there is one."""
        return Outbox(self._shards, trace)

    async def deliver(self, outbox: Outbox) -> tuple[list[Origin], list[Indicator]]:
        """Deliver everything, the completions last. Raises RedisError; calling it again repeats events, which receivers
        drop by (conversation, seq), and counts nothing twice.

        Returns the messages that no gateway took, and the typing indicators that ended. When there are none, and the outbox
        has no blocks, the batches are remembered as finished in the same step; with several servers they never are.
        """
        if len(outbox.parts) == 1:
            remember = not outbox.blocks
            return await self._run(0, outbox.parts[0], outbox.directs, outbox.completed, remember=remember)
        return await self._deliver_apart(outbox)

    async def _deliver_apart(self, outbox: Outbox) -> tuple[list[Origin], list[Indicator]]:
        """With several servers, conversations and users live apart: look whose turn it is, deliver, and then say so."""
        conversations = outbox.take_conversations()
        await asyncio.gather(
            *(self._wait_for_turn(index, part) for index, part in enumerate(conversations) if part.newest)
        )
        undelivered: list[Origin] = []
        ended: list[Indicator] = []
        for parts in (outbox.parts, conversations):
            for origins, typing in await asyncio.gather(
                *(self._run(index, part, [], [], overtake=True) for index, part in enumerate(parts) if not part.empty)
            ):
                undelivered += origins
                ended += typing
        await self._reply(outbox)
        return undelivered, ended

    async def _wait_for_turn(self, index: int, part: Part) -> None:
        waiting = part.newest.values()
        blob = msgpack_encoder.encode(([one.delivered_key for one in waiting], [one.follows or 0 for one in waiting]))
        patience = Patience(self._max_deferral_seconds)
        while not await _TURN(self._shards.at(index), blob) and await patience.wait():
            pass

    async def _run(
        self,
        index: int,
        part: Part,
        directs: list[str],
        completed: list[str | int],
        *,
        overtake: bool = False,
        remember: bool = False,
    ) -> tuple[list[Origin], list[Indicator]]:
        blob, texts = part.encode(str(random.getrandbits(31)), directs, completed), part.texts()
        client = self._shards.at(index)
        patience = Patience(self._max_deferral_seconds)
        while True:
            verdict, *answer = await _FANOUT(client, blob, *_LIMITS, int(overtake), int(remember), *_MEMORY, *texts)
            if verdict == DELIVERED:
                break
            if verdict == TOTALS_MISSING:
                await self._rebuild([part.counters.users[place - 1] for place in answer[0]])
            else:
                overtake = not await patience.wait()
        numbers, shown = answer
        ended = [part.typing[key.decode()] for key in shown]
        if not numbers:
            return [], ended
        origins = part.origins()
        found = [origins[number - 1] for number in numbers]
        return [origin for origin in found if origin is not None], ended

    async def _reply(self, outbox: Outbox) -> None:
        """Answers and completions when there are several servers: only after all of them have delivered."""
        downlinks: dict[str, relay.Downlink] = defaultdict(relay.Downlink)
        for gateway_id, connection_id, text, user_id in zip(*[iter(outbox.directs)] * 4, strict=True):
            routes = {connection_id: gateway_id}
            if user_id:
                found = await self._shards.of(user_id).hgetall(keys.key(keys.ROUTES, user_id))
                routes |= {_text(connection): _text(gateway) for connection, gateway in found.items()}
            for connection, gateway in routes.items():
                downlinks[gateway].directs.append(relay.Direct(connection, text))
        for gateway_id, batch_id in zip(*[iter(outbox.completed)] * 2, strict=True):
            downlinks[str(gateway_id)].completed.append(int(batch_id))
        client = self._shards.at(0)
        for gateway_id, downlink in downlinks.items():
            await client.publish(keys.key(keys.GATEWAY, gateway_id), msgpack_encoder.encode(downlink))


def _text(value: bytes | str) -> str:
    """What Redis answered, as text."""
    return value.decode() if isinstance(value, bytes) else value
