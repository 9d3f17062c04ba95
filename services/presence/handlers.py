"""Handles the reports of gateways and messaging: connections, statuses, blocks, and lease renewals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, get_args

import structlog

from services.presence import metrics, rules
from services.presence.announcer import Announcer
from services.presence.friend_snapshot import FriendSnapshots, SnapshotRequest
from services.presence.friendship_service import FriendshipService
from services.presence.leases import Leases
from shared.protocol import relay
from shared.protocol.client import Availability
from shared.protocol.codec import is_uuid

log = structlog.get_logger(__name__)

AVAILABILITIES: Final[dict[str, Availability]] = {status: status for status in get_args(Availability)}


@dataclass(slots=True)
class Cycle:
    """The commands of one cycle, sorted by what they need.

    Only what still matters at its end is kept: the last profile of a user, and snapshots for connections that have not ended.
    """

    changes: dict[str, list[rules.Change]] = field(default_factory=dict)
    snapshots: dict[str, SnapshotRequest] = field(default_factory=dict)
    answers: set[str] = field(default_factory=set)
    blocks: list[relay.BlockChanged] = field(default_factory=list)
    profiles: dict[str, relay.ProfileChanged] = field(default_factory=dict)

    def add(self, command: relay.PresenceCommand, now: int) -> None:
        """Add a command. An invalid one is left out and counted, so that the others of its batch are handled."""
        if isinstance(command, relay.BlockChanged):
            if is_uuid(command.blocker) and is_uuid(command.blocked):
                self.blocks.append(command)
            else:
                _refuse(command)
            return
        if isinstance(command, relay.ProfileChanged):
            self.profiles[command.user_id] = command
            return
        change = _change(command, now) if is_uuid(command.user_id) else None
        if change is None:
            _refuse(command)
            return
        self.changes.setdefault(command.user_id, []).append(change)
        if isinstance(command, relay.Connected):
            request = SnapshotRequest(command.user_id, command.connection_id, command.gateway_id)
            self.snapshots[command.connection_id] = request
        elif isinstance(command, relay.Disconnected):
            if command.certain:
                self.snapshots.pop(command.connection_id, None)
        elif isinstance(command, relay.SetStatus):
            self.answers.add(command.user_id)


class Handlers:
    """Handles commands and renewals. Every call may be repeated after a failure."""

    def __init__(
        self, leases: Leases, announcer: Announcer, snapshots: FriendSnapshots, friendships: FriendshipService
    ) -> None:
        self._leases = leases
        self._announcer = announcer
        self._snapshots = snapshots
        self._friendships = friendships

    async def handle(self, batches: Iterable[relay.PresenceBatch]) -> None:
        """Handle batches in order. Raises what redis and asyncpg raise; then the same batches must be handled again."""
        cycle = Cycle()
        now = self._leases.clock()
        for batch in batches:
            metrics.COMMANDS.inc(len(batch.commands))
            for command in batch.commands:
                cycle.add(command, now)
        # Blocks come first: a snapshot must not show a user who is blocked in the same cycle.
        for change in cycle.blocks:
            await self._friendships.on_block(change)
        await self._advance(cycle)
        if cycle.profiles:
            await self._announcer.tell_profiles([*cycle.profiles.values()])

    async def renew(self, renewals: Iterable[relay.LeaseRenewal]) -> None:
        """Extend leases, and restore those that Redis has lost."""
        cycle = Cycle()
        now = self._leases.clock()
        for renewal in renewals:
            metrics.RENEWALS.inc(len(renewal.connections))
            at_ms = rules.renewal(renewal.at_ms, now)
            for user_id, connection_id in renewal.connections:
                cycle.changes.setdefault(user_id, []).append(rules.Hold(connection_id, at_ms))
        await self._advance(cycle)

    async def _advance(self, cycle: Cycle) -> None:
        requests = [*cycle.snapshots.values()]
        want_friends = {request.user_id for request in requests}
        outcomes = await self._leases.advance(cycle.changes, want_friends)
        friend_lists = await self._announcer.friends_of(outcomes)
        await self._announcer.announce(outcomes, friend_lists)
        # The announcement has already sent a changed status to the user's own connections.
        told = {outcome.user_id for outcome in outcomes if outcome.announcement and outcome.before != "offline"}
        await self._announcer.answer(cycle.answers - told)
        await self._snapshots.send(requests, friend_lists)


def _change(command: relay.Connected | relay.Disconnected | relay.SetStatus, now: int) -> rules.Change | None:
    """The change that a command makes, or None when the command is invalid."""
    at_ms = rules.sign_of_life(command.at_ms, now)
    match command:
        case relay.Connected() if command.status in AVAILABILITIES:
            # One change, so that friends don't see the user online for a moment.
            return rules.Choose(command.connection_id, at_ms, AVAILABILITIES[command.status])
        case relay.Connected():
            return rules.Hold(command.connection_id, at_ms)
        case relay.Disconnected(clean=True):
            return rules.Close(command.connection_id, at_ms)
        case relay.Disconnected(certain=False):
            return rules.Doubt(command.connection_id, at_ms)
        case relay.Disconnected():
            return rules.Lose(command.connection_id, at_ms, command.reconnect_ms)
        case relay.SetStatus():
            status = AVAILABILITIES.get(command.status)
            return None if status is None else rules.Choose(command.connection_id, at_ms or now, status)


def _refuse(command: relay.PresenceCommand) -> None:
    metrics.REFUSED.inc()
    log.warning("command.refused", command=repr(command)[:300])
