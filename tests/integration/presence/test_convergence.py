"""Whatever devices, gateways and replicas do: what every client shows of its friends becomes true in the promised time.

A stateful test. The model knows nothing of leases: it knows which devices live, and what the contract promises of them.
"""

import asyncio
import itertools
import random
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from redis.asyncio import Redis

from services.gateway.uplink.direct_presence import DirectPresence, Report
from services.gateway.uplink.friend_reader import FriendReader
from services.presence.direct_script import direct_script
from services.presence.handlers import Cycle
from services.presence.leases import Leases
from services.presence.rules import RANK
from shared import postgres
from shared.protocol import relay
from shared.protocol.payloads import Status
from shared.redis import Partitions, open_partitions
from shared.retry import retry_until_available
from tests.support.fuzzing import scaled
from tests.support.presence import TIMING, Device, FakeClock, Gateways, Replica
from tests.support.redis import clients, two_partitions

T = TypeVar("T")
USERS = [f"00000000-0000-4000-8000-{number:012}" for number in range(3)]
PAIRS = st.tuples(st.sampled_from(USERS), st.sampled_from(USERS)).filter(lambda pair: pair[0] != pair[1])
STATUSES: list[Status] = ["online", "away", "busy"]
RENEWAL_MS = 20_000
SWEEP_MS = 2_500
PROMISE_MS = TIMING.lease_ms + 5_000
EXAMPLES = 15
STEPS = 40


@dataclass
class Model:
    """The truth: live devices with what they chose, who follows whom, and who blocks whom.

    `parted` have unfollowed, and may show each other as they were last told.
    """

    devices: dict[str, Device] = field(default_factory=dict)
    chosen: dict[str, Status] = field(default_factory=dict)
    follows: set[tuple[str, str]] = field(default_factory=set)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    doubtful: dict[str, int] = field(default_factory=dict)
    parted: set[tuple[str, str]] = field(default_factory=set)

    def doubt(self, user: str, until_ms: int) -> None:
        """The contract gives the system until then to notice what became of a user's device."""
        self.doubtful[user] = max(until_ms, self.doubtful.get(user, 0))

    def status(self, user: str) -> Status:
        """busy > online > away over the user's live devices."""
        statuses = [self.chosen[name] for name, device in self.devices.items() if device.user_id == user]
        return max(statuses, key=RANK.__getitem__, default="offline")

    def friends(self, user: str) -> set[str]:
        """Mutual follows without a block in either direction."""
        return {other for other in USERS if self.are_friends(user, other)}

    def are_friends(self, user: str, other: str) -> bool:
        """True when both follow and neither blocks."""
        ways = {(user, other), (other, user)}
        return user != other and ways <= self.follows and not ways & self.blocks


class World:
    """Two replicas, the gateways, and the queues between them."""

    def __init__(self, pool: postgres.Pool, partitions: Partitions, gateways: Gateways) -> None:
        self.clock = FakeClock()
        self.pool = pool
        self.replicas = [Replica(pool, partitions, self.clock) for _ in range(2)]
        self.gateways = gateways
        self.waiting: list[list[relay.PresenceCommand]] = []
        self.renewed_at = self.clock.now
        self.direct: DirectPresence | None = None
        self.carried_out = 0

    async def provide_script(self, partitions: Partitions) -> None:
        """From now on gateways carry out what they can by themselves."""
        replica = self.replicas[0]
        await direct_script(partitions, replica.leases, replica.friends, tells_webhooks=False).provide()
        self.direct = DirectPresence(partitions, FriendReader(self.pool), self.clock)

    def any_replica(self, chance: random.Random) -> Replica:
        """The broker gives a message to one of them."""
        return chance.choice(self.replicas)

    async def deliver(self, replica: Replica, batches: list[list[relay.PresenceCommand]]) -> None:
        """A replica handles one batch after the other, as its consumer does.

        A gateway reads the friends of those who connect, whether Redis has them or not.
        """
        for batch in batches:
            left = batch
            reports = [command for command in batch if isinstance(command, Report)]
            if self.direct is not None and len(reports) == len(batch):
                users = [command.user_id for command in reports if isinstance(command, relay.Connected)]
                friends = await self.direct.read_friends(await replica.friends.versions(users))
                left = [*await self.direct.carry_out(reports, list(friends.values()))]
                self.carried_out += len(batch) - len(left)
            if left:
                await retry_until_available("test", partial(replica.handle, *left))

    async def deliver_all(self, chance: random.Random) -> None:
        """Everything that waits is handled, in any order: replicas overtake one another."""
        batches, self.waiting = self.waiting, []
        chance.shuffle(batches)
        for batch in batches:
            await self.deliver(self.any_replica(chance), [batch])

    async def pass_time(self, chance: random.Random, length_ms: int, devices: list[Device]) -> None:
        """Time passes; gateways renew the leases of live devices, and replicas sweep."""
        until = self.clock.now + length_ms
        while self.clock.now < until:
            self.clock.now = min(until, self.clock.now + SWEEP_MS)
            if self.clock.now - self.renewed_at >= RENEWAL_MS:
                await self._renew(chance, devices)
            await self.any_replica(chance).sweep.once()

    async def _renew(self, chance: random.Random, devices: list[Device]) -> None:
        self.renewed_at = self.clock.now
        connections = [(device.user_id, device.connection_id) for device in devices]
        await self.any_replica(chance).handlers.renew([relay.LeaseRenewal("any", self.clock.now, connections)])


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["connect", "close", "lose", "choose", "choose", "choose", "block", "reconcile", "reconcile"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.sampled_from(STATUSES),
    ),
    min_size=3,
    max_size=12,
)
"""What people and networks do: (what, which user or device, which gateway or other user, status).

Most pairs are to be friends most of the time: strangers see nothing that could be wrong.
"""


class Convergence(RuleBasedStateMachine):
    """Drives the world and the model alike."""

    runner: asyncio.Runner
    database_url: str
    redis_url: str
    is_direct = False
    """Whether gateways have the script of presence, which needs a Redis of one partition."""
    carried_out = 0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.chance = random.Random(0)
        self.version = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the test's own loop."""
        return self.runner.run(work)

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.gateway_names = {number: str(uuid.uuid4()) for number in range(2)}
        self.do(self._open())
        for user, other in itertools.combinations(USERS, 2):
            self.befriend((user, other))
        for number, user in enumerate(USERS):
            self.connect(user, number % 2)

    async def _open(self) -> None:
        self.pool = await postgres.open_pool(SecretStr(self.database_url), size=4, application_name="test")
        await self.pool.execute("TRUNCATE presence.follows, presence.blocks")
        self.partitions = open_partitions(self.redis_url) if self.is_direct else two_partitions(self.redis_url)
        for client in clients(self.partitions):
            await client.flushdb()
        for server in range(len(self.partitions)):
            await Leases(self.partitions, TIMING).begin(server)
        self.listener = Redis.from_url(self.redis_url)
        gateways = Gateways(self.partitions, self.listener)
        await gateways.start()
        self.world = World(self.pool, self.partitions, gateways)
        if self.is_direct:
            await self.world.provide_script(self.partitions)

    async def _close(self) -> None:
        type(self).carried_out += self.world.carried_out
        await self.world.gateways.stop()
        await self.listener.aclose()
        await self.partitions.aclose()
        await self.pool.close()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.converge()
            self.do(self._close())

    @property
    def something_waits(self) -> bool:
        """There is something to deliver: else there is little to find."""
        return hasattr(self, "world") and bool(self.world.waiting)

    def tick(self) -> int:
        """A moment that no other event has."""
        self.world.clock.now += 1
        return self.world.clock.now

    def report(self, *commands: relay.PresenceCommand) -> None:
        """A gateway or messaging says something; it is delivered some time."""
        self.world.waiting.append(list(commands))

    @rule(actions=ACTIONS)
    def people_act(self, actions: list[tuple[str, int, int, Status]]) -> None:
        """Several things happen before any of them is delivered."""
        for kind, first, second, status in actions:
            user, other = USERS[first % len(USERS)], USERS[second % len(USERS)]
            devices = list(self.model.devices.values())
            if kind == "connect":
                self.connect(user, second % 2)
            elif kind == "block":
                self.block((user, other), True)
            elif kind == "reconcile":
                self.block((user, other), False)
                self.block((other, user), False)
            elif devices and kind == "choose":
                for chosen in (STATUSES[second % len(STATUSES)], status):
                    self.choose(devices[first % len(devices)], chosen)
            elif devices:
                self.disconnect(devices[first % len(devices)], clean=kind == "close")

    def connect(self, user: str, gateway: int) -> None:
        """A device connects."""
        device = self.do(self.world.gateways.plug(Device(user, self.gateway_names[gateway])))
        self.model.devices[device.connection_id] = device
        self.model.chosen[device.connection_id] = "online"
        self.report(device.connected(self.tick()))

    def disconnect(self, device: Device, *, clean: bool) -> None:
        """A connection is closed or lost."""
        del self.model.devices[device.connection_id]
        self.do(self.world.gateways.unplug(device))
        self.report(device.disconnected(self.tick(), clean=clean))
        if not clean:
            self.model.doubt(device.user_id, self.world.clock.now + TIMING.grace_ms)

    def choose(self, device: Device, status: Status) -> None:
        """A device chooses a status."""
        self.model.chosen[device.connection_id] = status
        self.report(device.chose(status, self.tick()))

    def block(self, pair: tuple[str, str], active: bool) -> None:
        """One begins or ends to block another."""
        if pair[0] != pair[1]:
            (self.model.blocks.add if active else self.model.blocks.discard)(pair)
            self.version += 1
            self.report(relay.BlockChanged(*pair, active, self.version))

    @rule(gateway=st.integers(0, 1))
    def gateway_dies(self, gateway: int) -> None:
        """Nothing is reported. What it sent before may still be under way; another takes its place."""
        for device in list(self.model.devices.values()):
            if device.gateway_id == self.gateway_names[gateway]:
                del self.model.devices[device.connection_id]
                self.model.doubt(device.user_id, self.world.clock.now + TIMING.lease_ms)
                self.do(self.world.gateways.unplug(device, forgotten=False))
        self.gateway_names[gateway] = str(uuid.uuid4())

    @rule(pair=PAIRS, meanwhile=st.booleans(), change=st.sampled_from(["unfollow", "befriend", "befriend", "befriend"]))
    def follow_or_not(self, pair: tuple[str, str], meanwhile: bool, change: str) -> None:
        """One unfollows another, or both follow each other; `meanwhile` everything that waits is delivered."""
        replica = self.world.any_replica(self.chance)
        if change == "unfollow":
            self.model.follows.discard(pair)
            self.model.parted |= {pair, pair[::-1]}
            self.do(self._together(replica.unfollow(*pair), meanwhile))
        else:
            self.befriend(pair, meanwhile)

    def befriend(self, pair: tuple[str, str], meanwhile: bool = False) -> None:
        """Both follow each other."""
        for way in (pair, pair[::-1]):
            self.model.follows.add(way)
            self.do(self._together(self.world.any_replica(self.chance).follow(*way), meanwhile))

    @precondition(lambda self: self.something_waits)
    @rule(how=st.sampled_from(["one", "together", "twice", "half", "half"]))
    def deliver(self, how: str) -> None:
        """Some of what waits is delivered.

        "one" of it; all "together", by both replicas at the same time; one "twice": a replica dies before it acknowledges;
        or "half": a replica dies when leases are changed and friends aren't told. The last two come again.
        """
        waiting = self.world.waiting
        if how == "together":
            self.do(self._together(asyncio.sleep(0), True))
        elif waiting and how == "half":
            self.do(self._half_deliver(self.chance.choice(waiting)))
        elif waiting:
            batch = self.chance.choice(waiting)
            if how == "one":
                waiting.remove(batch)
            self.do(self.world.deliver(self.world.any_replica(self.chance), [batch]))

    async def _together(self, work: Coroutine[Any, Any, None], meanwhile: bool) -> None:
        """Do some work; `meanwhile`: while everything that waits is delivered."""
        batches: list[list[relay.PresenceCommand]] = []
        if meanwhile:
            batches, self.world.waiting = self.world.waiting, []
        self.chance.shuffle(batches)
        shares = [(replica, batches[number::2]) for number, replica in enumerate(self.world.replicas)]
        await asyncio.gather(*(self.world.deliver(replica, share) for replica, share in shares), work)

    async def _half_deliver(self, batch: list[relay.PresenceCommand]) -> None:
        cycle = Cycle()
        for command in batch:
            cycle.add(command, self.world.clock.now)
        await self.world.any_replica(self.chance).leases.advance(cycle.changes, set())

    @rule(length_ms=st.integers(1, 30_000))
    def wait(self, length_ms: int) -> None:
        self.do(self.world.pass_time(self.chance, length_ms, list(self.model.devices.values())))

    @precondition(lambda self: self.something_waits)
    @rule()
    def resend(self) -> None:
        """Everything is delivered: clients show the truth, save of users that may not have been noticed yet."""
        self.do(self.world.deliver_all(self.chance))
        self.do(self.world.pass_time(self.chance, TIMING.retry_ms + 1, list(self.model.devices.values())))
        self.check()

    @precondition(lambda self: self.something_waits)
    @rule()
    def converge(self) -> None:
        """Everything is delivered and the longest promise has passed: clients show the truth."""
        self.do(self.world.deliver_all(self.chance))
        self.do(self.world.pass_time(self.chance, PROMISE_MS, list(self.model.devices.values())))
        self.check()

    def check(self) -> None:
        """Every client shows of every friend what is true, unless nobody could know yet."""
        self.do(self.world.gateways.sync())
        now = self.world.clock.now
        for device in self.model.devices.values():
            friends = self.model.friends(device.user_id)
            sure = {friend for friend in friends if self.model.doubtful.get(friend, 0) <= now}
            shown = {friend: device.view[friend].status for friend in sure if friend in device.view}
            assert shown == {friend: self.model.status(friend) for friend in sure}
            self.model.parted -= {(device.user_id, friend) for friend in sure}

    @invariant()
    def a_block_looks_like_absence(self) -> None:
        """Once a block is known, neither side shows the other as online."""
        if self.something_waits or not hasattr(self, "world"):
            return
        self.do(self.world.gateways.sync())
        for device in self.model.devices.values():
            for other, status in device.view.items():
                pair = (device.user_id, other)
                if {pair, pair[::-1]} & self.model.blocks and pair not in self.model.parted:
                    assert status.status == "offline"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("direct", [False, True], ids=["by the queue", "by gateways"])
def test_convergence(database_url: str, redis_url: str, direct: bool) -> None:
    class Machine(Convergence):
        """The machine with this test's servers."""

        is_direct = direct

    Machine.database_url = database_url
    Machine.redis_url = redis_url
    with asyncio.Runner() as Machine.runner:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=scaled(EXAMPLES),
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
    assert (Machine.carried_out > 0) == direct
