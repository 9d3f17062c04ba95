"""Presence commands that this gateway carries out itself, with a Redis script that presence provides, instead of sending them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import cast

from services.gateway import metrics
from services.gateway.uplink.friend_reader import FriendReader
from services.gateway.uplink.provided_script import ProvidedScript
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import PRESENCE_COMMANDS
from shared.redis import REDIS_ERRORS, Argument, Partitions
from shared.tracing import name_ids, span

Report = relay.Connected | relay.Disconnected | relay.SetStatus
"""What a gateway reports of its connections."""


class DirectPresence:
    """Runs presence's script on commands. Commands that the script leaves go to the queue; without a script, all of them do.

    `clock`: Unix milliseconds.
    """

    def __init__(self, partitions: Partitions, friend_reader: FriendReader, clock: Callable[[], int]) -> None:
        self._script = ProvidedScript(partitions, keys.DIRECT_PRESENCE, relay.direct_presence_decoder)
        self._friend_reader = friend_reader
        self._clock = clock

    @property
    def takes_friends(self) -> bool:
        """True when presence provided a script that takes friends, as far as this gateway knows."""
        return self.most_friends > 0

    @property
    def most_friends(self) -> int:
        """How many friends of a user that script takes; 0 when there is none."""
        return 0 if self._script.entry is None else self._script.entry.most_friends

    async def look(self) -> None:
        """Check whether presence provides the script, unless that was checked a moment ago."""
        with suppress(*REDIS_ERRORS):
            await self._script.find()

    async def read_friends(self, versions: Mapping[str, str]) -> dict[str, relay.FriendList]:
        """Return user → friends for `carry_out`, without users whose friends the script can't take.

        `versions`: user → the version of the friends, which was read before.
        """
        try:
            entry = await self._script.find()
        except REDIS_ERRORS:
            return {}
        return await self._friend_reader.read(versions, entry.most_friends) if entry and entry.most_friends else {}

    async def carry_out(self, commands: Sequence[Report], friends: Sequence[relay.FriendList] = ()) -> list[Report]:
        """Carry commands out. Returns those that presence must carry out, in order. Presence may safely repeat any command.

        `friends`: those of users whom Redis has no friends of, for at most `COMMANDS_PER_CALL` commands.
        """
        left = await self._script.carry_out(commands, partial(self._run, friends))
        metrics.PRESENCE_COMMANDS.labels("direct").inc(len(commands) - len(left))
        metrics.PRESENCE_COMMANDS.labels("queue").inc(len(left))
        return left

    async def _run(
        self, friends: Sequence[relay.FriendList], entry: relay.DirectPresence, commands: Sequence[Report]
    ) -> Iterable[int]:
        batch = msgpack_encoder.encode(relay.PresenceBatch([*commands]))
        arguments: tuple[Argument, ...] = (entry.settings, self._clock(), batch)
        if friends:
            arguments = (*arguments, msgpack_encoder.encode(friends))
        # The same name as the span in which presence handles commands from its queue.
        with span(PRESENCE_COMMANDS.name, "client") as traced:
            name_ids(traced, user_ids=(command.user_id for command in commands))
            return cast("list[int]", await self._script.run(entry, *arguments))
