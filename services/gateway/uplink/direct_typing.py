"""Typing signals that this gateway carries out itself, with a Redis script that messaging provides, instead of sending them."""

from collections.abc import Sequence
from typing import Final

from redis.exceptions import NoScriptError

from services.gateway import metrics
from services.gateway.uplink.provided_script import ProvidedScript
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError

SIGNALS_PER_CALL: Final = 64
"""Limits how long one script keeps Redis busy."""


class DirectTyping:
    """Runs messaging's script on signals. Signals that the script leaves go to the queue; without a script, all of them do."""

    def __init__(self, partitions: Partitions) -> None:
        self._script = ProvidedScript(partitions, keys.DIRECT_TYPING, relay.direct_typing_decoder)

    async def carry_out(self, signals: Sequence[relay.Typing]) -> list[relay.Typing]:
        """Carry signals out. Returns those that messaging must carry out, in order. Messaging may safely repeat any signal."""
        left: list[relay.Typing] = []
        for first in range(0, len(signals), SIGNALS_PER_CALL):
            left += await self._try(signals[first : first + SIGNALS_PER_CALL])
        metrics.SIGNALS.labels("direct").inc(len(signals) - len(left))
        metrics.SIGNALS.labels("queue").inc(len(left))
        return left

    async def _try(self, signals: Sequence[relay.Typing]) -> Sequence[relay.Typing]:
        try:
            entry = await self._script.find()
            if entry is None:
                return signals
            batch = msgpack_encoder.encode(relay.SignalBatch([*signals]))
            return [signals[place] for place in await self._script.run(entry, entry.settings, batch)]
        except NoScriptError:
            self._script.forget()
        except (*TRANSIENT_ERRORS, RedisError):
            # Messaging may have another connection to Redis; a signal that is carried out twice is shown once.
            pass
        return signals
