"""Typing signals that this gateway carries out itself, with a Redis script that messaging provides, instead of sending them."""

from collections.abc import Iterable, Sequence
from typing import cast

from services.gateway import metrics
from services.gateway.uplink.provided_script import ProvidedScript
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partitions


class DirectTyping:
    """Runs messaging's script on signals. Signals that the script leaves go to the queue; without a script, all of them do."""

    def __init__(self, partitions: Partitions) -> None:
        self._script = ProvidedScript(partitions, keys.DIRECT_TYPING, relay.direct_typing_decoder)

    async def carry_out(self, signals: Sequence[relay.Typing]) -> list[relay.Typing]:
        """Carry signals out. Returns those that messaging must carry out, in order. Messaging may safely repeat any signal."""
        left = await self._script.carry_out(signals, self._run)
        metrics.SIGNALS.labels("direct").inc(len(signals) - len(left))
        metrics.SIGNALS.labels("queue").inc(len(left))
        return left

    async def _run(self, entry: relay.DirectTyping, signals: Sequence[relay.Typing]) -> Iterable[int]:
        batch = msgpack_encoder.encode(relay.SignalBatch([*signals]))
        return cast("list[int]", await self._script.run(entry, entry.settings, batch))
