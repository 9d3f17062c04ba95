"""Presence commands that this gateway carries out itself, with a Redis script that presence provides, instead of sending them."""

import time
from collections.abc import Callable, Sequence
from typing import Final, cast

import structlog
from redis.exceptions import NoScriptError

from services.gateway import metrics
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import PRESENCE_COMMANDS
from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError
from shared.tracing import name_ids, span

log = structlog.get_logger(__name__)

Report = relay.Connected | relay.Disconnected | relay.SetStatus
"""What a gateway reports of its connections."""

LOOK_SECONDS: Final = 5.0
"""How often a gateway with commands checks whether presence provides the script."""
COMMANDS_PER_CALL: Final = 64
"""Limits how long one script keeps Redis busy: a command costs about 20 µs, and 5 µs for each friend who is notified."""


class DirectPresence:
    """Runs presence's script on commands. Commands that the script leaves go to the queue; without a script, all of them do.

    `clock`: Unix milliseconds.
    """

    def __init__(self, partitions: Partitions, clock: Callable[[], int]) -> None:
        self._partitions = partitions
        self._clock = clock
        self._loan: relay.DirectPresence | None = None
        self._look_at = 0.0

    async def carry_out(self, commands: Sequence[Report]) -> list[Report]:
        """Carry commands out. Returns those that presence must carry out, in order. Presence may safely repeat any command."""
        left: list[Report] = []
        for first in range(0, len(commands), COMMANDS_PER_CALL):
            left += await self._try(commands[first : first + COMMANDS_PER_CALL])
        metrics.PRESENCE_COMMANDS.labels("direct").inc(len(commands) - len(left))
        metrics.PRESENCE_COMMANDS.labels("queue").inc(len(left))
        return left

    async def _try(self, commands: Sequence[Report]) -> Sequence[Report]:
        try:
            loan = await self._find_loan()
            return commands if loan is None else await self._run(loan, commands)
        except NoScriptError:
            # Redis was restarted, or another server is the master now: presence will load the script again.
            self._loan = None
        except (*TRANSIENT_ERRORS, RedisError) as error:
            # Presence keeps what it gets until Redis is back. Commands that the script has applied are not applied twice.
            log.info("presence.not_direct", commands=len(commands), error=repr(error))
        return commands

    async def _find_loan(self) -> relay.DirectPresence | None:
        if len(self._partitions) == 1 and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._loan = None
            partition = self._partitions.at(0)
            found = cast("bytes | None", await partition.client.get(partition.key(keys.DIRECT_PRESENCE)))
            self._loan = None if found is None else relay.direct_presence_decoder.decode(found)
        return self._loan

    async def _run(self, loan: relay.DirectPresence, commands: Sequence[Report]) -> list[Report]:
        arguments = (loan.settings, self._clock(), msgpack_encoder.encode(relay.PresenceBatch([*commands])))
        # The same name as the span in which presence handles commands from its queue.
        with span(PRESENCE_COMMANDS.name, "client") as traced:
            name_ids(traced, user_ids=(command.user_id for command in commands))
            places = await self._partitions.at(0).scripts.run(loan.sha, None, arguments)
        return [commands[place] for place in sorted(places)]
