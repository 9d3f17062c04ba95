"""What gateways and messaging say, turned into changes, and what follows from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, get_args

import structlog

from services.presence import metrics, rules
from services.presence.announcer import Announcer
from services.presence.friendships import Friendships
from services.presence.greeter import Greeter, Greeting
from services.presence.leases import Leases
from shared.protocol import relay
from shared.protocol.client import Availability
from shared.protocol.codec import is_uuid

log = structlog.get_logger(__name__)

AVAILABILITIES: Final[dict[str, Availability]] = {status: status for status in get_args(Availability)}


@dataclass(slots=True)
class Cycle:
    """All that was waiting, sorted by what has to be done about it."""

    changes: dict[str, list[rules.Change]] = field(default_factory=dict)
    greetings: list[Greeting] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)
    blocks: list[relay.BlockChanged] = field(default_factory=list)

    def add(self, command: relay.PresenceCommand, now: int) -> None:
        """Sort a command in. One that names no valid user is left out: its neighbours are not to suffer."""
        if isinstance(command, relay.BlockChanged):
            if is_uuid(command.blocker) and is_uuid(command.blocked):
                self.blocks.append(command)
            else:
                _refuse(command)
            return
        change = _change(command, now) if is_uuid(command.user_id) else None
        if change is None:
            _refuse(command)
            return
        self.changes.setdefault(command.user_id, []).append(change)
        if isinstance(command, relay.Connected):
            self.greetings.append(Greeting(command.user_id, command.connection_id, command.gateway_id))
        elif isinstance(command, relay.SetStatus):
            self.answers.add(command.user_id)


class Commands:
    """Handles commands and renewals. Everything may be repeated: that is how failures are survived."""

    def __init__(self, leases: Leases, announcer: Announcer, greeter: Greeter, friendships: Friendships) -> None:
        self._leases = leases
        self._announcer = announcer
        self._greeter = greeter
        self._friendships = friendships

    async def handle(self, batches: Iterable[relay.PresenceBatch]) -> None:
        """Do what the batches say, in order. Raises what redis and asyncpg raise; then all of it has to be done again."""
        cycle = Cycle()
        now = self._leases.clock()
        for batch in batches:
            metrics.COMMANDS.inc(len(batch.commands))
            for command in batch.commands:
                cycle.add(command, now)
        # First: a greeting must not show who is blocked in the same cycle.
        for change in cycle.blocks:
            await self._friendships.on_block(change)
        await self._advance(cycle)

    async def renew(self, renewals: Iterable[relay.LeaseRenewal]) -> None:
        """Prolong leases; those that Redis has lost come back."""
        cycle = Cycle()
        now = self._leases.clock()
        for renewal in renewals:
            metrics.RENEWALS.inc(len(renewal.connections))
            at_ms = rules.renewal(renewal.at_ms, now)
            for user_id, connection_id in renewal.connections:
                cycle.changes.setdefault(user_id, []).append(rules.Hold(connection_id, at_ms))
        await self._advance(cycle)

    async def _advance(self, cycle: Cycle) -> None:
        curious = {greeting.user_id for greeting in cycle.greetings}
        outcomes = await self._leases.advance(cycle.changes, curious)
        circles = await self._announcer.circles(outcomes)
        await self._announcer.announce(outcomes, circles)
        # A status that changed has gone to the user's own connections with the rest.
        told = {outcome.user_id for outcome in outcomes if outcome.announcement and outcome.before != "offline"}
        await self._announcer.answer(cycle.answers - told)
        await self._greeter.greet(cycle.greetings, circles)


def _change(command: relay.Connected | relay.Disconnected | relay.SetStatus, now: int) -> rules.Change | None:
    """The change that a command makes, or None when it says nothing that can be done."""
    at_ms = rules.sign_of_life(command.at_ms, now)
    match command:
        case relay.Connected():
            return rules.Hold(command.connection_id, at_ms)
        case relay.Disconnected(clean=True):
            return rules.Close(command.connection_id, at_ms)
        case relay.Disconnected():
            return rules.Lose(command.connection_id, at_ms)
        case relay.SetStatus():
            status = AVAILABILITIES.get(command.status)
            return None if status is None else rules.Choose(command.connection_id, at_ms or now, status)


def _refuse(command: relay.PresenceCommand) -> None:
    metrics.REFUSED.inc()
    log.warning("command.refused", command=repr(command)[:300])
