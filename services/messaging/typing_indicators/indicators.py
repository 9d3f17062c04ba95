"""Typing indicators: shown to the other participant, ended when nobody types any more, never stored."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from services.messaging.stores.pairs import pair_of
from services.messaging.stores.sql import PARTICIPANTS
from shared.postgres import Pool
from shared.protocol import keys, limits
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.payloads import TypingPayload
from shared.protocol.relay import ENDS_NOTHING, Typing
from shared.protocol.server import TypingStarted, TypingStopped
from shared.redis import Key, Partitions, Script
from shared.store_clock import StoreClock

_TYPING: Final = Script("services.messaging.typing_indicators", "indicator", "typing")
REMEMBERED_MS: Final = 10_000
"""How long Redis remembers that an indicator is shown: well beyond the 3 s after which the gateway ends it."""
SHORTEST_MS: Final = 800
"""Repeats within this time are dropped. Gateways pass one on each second; this limit also covers several devices of one user."""
PAIR_MS: Final = 300_000
"""How long gateways may take the participants of a conversation from Redis. It isn't renewed, so that a block that Redis has
lost is found in PostgreSQL again.
"""
ANY_TIME: Final = 0
"""An end that is valid whenever the indicator began."""


class Indicator(NamedTuple):
    """`typist` types in a conversation, and `receiver` is its other participant."""

    conversation_id: str
    typist_id: str
    receiver_id: str

    def key(self, make: Key) -> str:
        """Return the key under which Redis remembers that it is shown. `make` makes full keys of the receiver's partition."""
        return make(keys.TYPING, self.conversation_id, self.typist_id)

    def ended_key(self, make: Key) -> str:
        """Return the key under which Redis remembers when it ended."""
        return make(keys.TYPING_ENDED, self.conversation_id, self.typist_id)

    def pair_key(self, make: Key) -> str:
        """Return the key under which gateways find the participants."""
        return make(keys.TYPING_PAIR, self.conversation_id)


class TypingIndicators:
    """Shows and ends indicators."""

    def __init__(self, pool: Pool, partitions: Partitions, clock: StoreClock) -> None:
        self._clock = clock
        self._pool = pool
        self._partitions = partitions

    async def apply(self, signals: Iterable[Typing]) -> list[Typing]:
        """Pass signals on to the other participants, unless a block is in force.

        Returns the signals of users who aren't participants; these are not passed on. A `typing.start` that waited so long
        that its gateway has ended it is dropped.
        """
        now = self._clock.now_ms()
        too_old = now - limits.TYPING_SECONDS * 1000
        signals = [signal for signal in signals if not signal.active or (signal.at_ms or now) > too_old]
        rows = await self._pool.fetch(PARTICIPANTS, list({signal.conversation_id for signal in signals}))
        participants = {conversation_id: (low, high, blocked) for conversation_id, low, high, blocked in rows}
        changes, outsiders = [], []
        for signal in signals:
            low, high, blocked = participants.get(signal.conversation_id, ("", "", True))
            if signal.user_id not in {low, high}:
                outsiders.append(signal)
            elif not blocked and signal.at_ms != ENDS_NOTHING:
                receiver_id = high if signal.user_id == low else low
                indicator = Indicator(signal.conversation_id, signal.user_id, receiver_id)
                changes.append((indicator, signal.active, signal.at_ms or now))
        await self._change(changes)
        return outsiders

    async def end(self, indicators: Iterable[Indicator]) -> None:
        """End these indicators: tell the receivers to whom they are shown."""
        await self._change([(indicator, False, ANY_TIME) for indicator in indicators])

    async def end_between(self, one: str, other: str) -> None:
        """End the indicators that two users see of each other."""
        conversation_id = pair_of(one, other).conversation_id
        await self.end([Indicator(conversation_id, one, other), Indicator(conversation_id, other, one)])

    async def _change(self, changes: list[tuple[Indicator, bool, int]]) -> None:
        parts: dict[int, list[Any]] = {}
        for indicator, active, at_ms in changes:
            partition = self._partitions.of(indicator.receiver_id)
            part = parts.setdefault(partition.index, [])
            part += (indicator.key(partition.key), indicator.ended_key(partition.key))
            part += (indicator.pair_key(partition.key), active, at_ms)
            text = event_text(indicator.conversation_id, indicator.typist_id, active=active)
            part += (indicator.receiver_id, indicator.typist_id, text)
        pair_ms = PAIR_MS if len(self._partitions) == 1 else 0
        for index, part in parts.items():
            await _TYPING(self._partitions.at(index), msgpack_encoder.encode(part), REMEMBERED_MS, SHORTEST_MS, pair_ms)


def event_text(conversation_id: str, typist_id: str, *, active: bool) -> str:
    """Return the event that the other participant gets."""
    event = (
        TypingStarted(TypingPayload(conversation_id, typist_id, limits.TYPING_SECONDS * 1000))
        if active
        else TypingStopped(TypingPayload(conversation_id, typist_id))
    )
    return json_encoder.encode(event).decode()
