"""Which Redis servers a command needs. What needs the same ones is handled in order, apart from all else."""

from collections.abc import Mapping
from typing import Final

from shared.protocol import relay
from shared.redis import Shards

Lane = tuple[int, ...]
"""Server indices, in order: one, or the two of a block."""

_ONLY: Final[Lane] = (0,)


class Lanes:
    """Splits batches, so that a server that is away delays only what needs it."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def of_commands(self, batch: relay.PresenceBatch) -> Mapping[Lane, relay.PresenceBatch]:
        """Lane → its share of the commands, in order."""
        if len(self._shards) == 1:
            return {_ONLY: batch}
        shares: dict[Lane, relay.PresenceBatch] = {}
        for command in batch.commands:
            if isinstance(command, relay.BlockChanged):
                lane = self._lane(command.blocker, command.blocked)
            else:
                lane = self._lane(command.user_id)
            shares.setdefault(lane, relay.PresenceBatch([])).commands.append(command)
        return shares

    def of_renewals(self, renewal: relay.LeaseRenewal) -> Mapping[Lane, relay.LeaseRenewal]:
        """Lane → its share of the connections."""
        if len(self._shards) == 1:
            return {_ONLY: renewal}
        shares: dict[Lane, relay.LeaseRenewal] = {}
        for user_id, connection_id in renewal.connections:
            lane = self._lane(user_id)
            if lane not in shares:
                shares[lane] = relay.LeaseRenewal(renewal.gateway_id, renewal.at_ms, [])
            shares[lane].connections.append((user_id, connection_id))
        return shares

    def _lane(self, *user_ids: str) -> Lane:
        return tuple(sorted({self._shards.index_of(user_id) for user_id in user_ids}))
