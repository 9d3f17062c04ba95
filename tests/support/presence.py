"""Presence without processes: replicas that share a clock set by the test, and gateways that only listen."""

import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from services.presence.announcer import Announcer
from services.presence.follow_store import FollowStore
from services.presence.friend_cache import FriendCache
from services.presence.friend_snapshot import FriendSnapshots
from services.presence.friendship_service import FriendshipService
from services.presence.handlers import Handlers
from services.presence.leases import Leases, Outcome
from services.presence.partition_health import PartitionHealth
from services.presence.rules import Timing
from services.presence.statuses import Statuses
from services.presence.sweep import Sweep
from shared.postgres import Pool
from shared.protocol import keys, relay, server
from shared.protocol.payloads import UserStatus
from shared.redis import Partitions

TIMING = Timing(lease_ms=60_000, grace_ms=5_000, retry_ms=3_000)
STARTED_AT = 1_700_000_000_000
Event = server.StatusBulk | server.UserOnline | server.UserOffline | server.UserStatusChanged | server.UserUpdated
_events = msgspec.json.Decoder(Event)


@dataclass
class FakeClock:
    """Unix milliseconds that move only when the test moves them."""

    now: int = STARTED_AT

    def __call__(self) -> int:
        return self.now


async def sweep(leases: Leases, most: int, *, listening: bool) -> tuple[bool, list[Outcome]]:
    """`Leases.sweep` of both partitions."""
    answers = [await leases.sweep(server, most, listening=listening) for server in range(2)]
    return any(swept.more for swept in answers), [outcome for swept in answers for outcome in swept.outcomes]


class Sweeps:
    """The sweeps of a replica, one for each server."""

    def __init__(self, leases: Leases, announcer: Announcer, servers: int) -> None:
        self._sweeps = [
            Sweep(leases, announcer, server, period_seconds=1, listening=lambda: True) for server in range(servers)
        ]

    async def once(self) -> None:
        """Do all that is due. As in the process, a sweep that fails doesn't stop the others."""
        for each in self._sweeps:
            with suppress(RedisConnectionError):
                await each.once()


async def listen(leases: Leases, clock: FakeClock, length_ms: int) -> None:
    """Let time pass while a replica listens for renewals, without a sweep."""
    until = clock.now + length_ms
    while clock.now < until:
        clock.now = min(until, clock.now + TIMING.renewals_missing_ms // 2)
        await sweep(leases, 0, listening=True)


class Replica:
    """One presence replica, put together as the process does, without queues."""

    def __init__(self, pool: Pool, partitions: Partitions, clock: Callable[[], int], timing: Timing = TIMING) -> None:
        self.follows = FollowStore(pool)
        self.friends = FriendCache(partitions, self.follows, cache_seconds=300)
        self.leases = Leases(partitions, timing, clock)
        self.health = PartitionHealth(partitions)
        self.announcer = Announcer(partitions, self.friends, self.health)
        self.statuses = Statuses(partitions)
        self.friendship_service = FriendshipService(self.follows, self.friends, self.announcer, self.statuses, clock)
        self.snapshots = FriendSnapshots(partitions, self.friends, self.announcer, self.friendship_service)
        self.handlers = Handlers(self.leases, self.announcer, self.snapshots, self.friendship_service)
        self.sweep = Sweeps(self.leases, self.announcer, len(partitions))

    async def handle(self, *commands: relay.PresenceCommand) -> None:
        """Handle one batch."""
        await self.handlers.handle([relay.PresenceBatch(list(commands))])

    async def resend(self) -> None:
        """Do what the process does when a Redis server is back."""
        await self.announcer.resend()
        await self.snapshots.resend()

    async def follow(self, follower: str, followee: str) -> None:
        """Do what a PUT does."""
        await self.follows.follow(follower, followee)
        await self.friendship_service.introduce(follower, followee)

    async def unfollow(self, follower: str, followee: str) -> None:
        """Do what a DELETE does."""
        await self.follows.unfollow(follower, followee)
        await self.friendship_service.part(follower, followee, were_friends=True)


@dataclass
class Device:
    """A connection of a user as its client sees it.

    `heard`: all events. `view`: the last known status of each user. `parts`: for each `status.bulk`, the number of parts that it
    is one of.
    """

    user_id: str
    gateway_id: str
    connection_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    heard: list[Event] = field(default_factory=list)
    view: dict[str, UserStatus] = field(default_factory=dict)
    parts: list[int] = field(default_factory=list)

    def hear(self, text: str) -> None:
        """Take an event as a client does."""
        event = _events.decode(text)
        self.heard.append(event)
        if isinstance(event, server.UserUpdated):
            return
        told = event.payload.users if isinstance(event, server.StatusBulk) else [event.payload]
        self.view.update({status.user_id: status for status in told})

    def take(self) -> list[Event]:
        """Return what was heard since the last call."""
        heard, self.heard = self.heard, []
        return heard

    def connected(self, at_ms: int) -> relay.Connected:
        """Return what the gateway reports when the connection begins."""
        return relay.Connected(self.user_id, self.connection_id, self.gateway_id, at_ms)

    def disconnected(self, at_ms: int, *, clean: bool) -> relay.Disconnected:
        """Return what the gateway reports when the connection ends."""
        return relay.Disconnected(self.user_id, self.connection_id, clean, at_ms)

    def chose(self, status: str, at_ms: int) -> relay.SetStatus:
        """Return what the gateway reports when the device sets a status."""
        return relay.SetStatus(self.user_id, self.connection_id, status, at_ms)


class Gateways:
    """All gateways at once: they register routes, and deliver what is published to the devices."""

    def __init__(self, partitions: Partitions, listener: Redis) -> None:
        self._partitions = partitions
        self._listener = listener
        self._topics = listener.pubsub()
        self.devices: dict[str, Device] = {}

    async def start(self) -> None:
        """Listen to every gateway's topic."""
        await self._topics.psubscribe(keys.key(keys.GATEWAY, "*"))
        await self.sync()

    async def stop(self) -> None:
        """Stop listening."""
        await self._topics.aclose()  # type: ignore[no-untyped-call]

    async def plug(self, device: Device) -> Device:
        """Begin a connection: its route exists before presence hears of it."""
        self.devices[device.connection_id] = device
        routes = keys.key(keys.ROUTES, device.user_id)
        await self._partitions.of(device.user_id).client.hset(routes, device.connection_id, device.gateway_id)
        return device

    async def unplug(self, device: Device, *, forgotten: bool = True) -> None:
        """End a connection. A gateway that dies leaves its route: then `forgotten` is false."""
        self.devices.pop(device.connection_id, None)
        if forgotten:
            routes = keys.key(keys.ROUTES, device.user_id)
            await self._partitions.of(device.user_id).client.hdel(routes, device.connection_id)

    async def sync(self) -> None:
        """Deliver everything that was published before."""
        marker = uuid.uuid4().bytes
        await self._listener.publish(keys.key(keys.GATEWAY, "marker"), marker)
        while True:
            message = await self._topics.get_message(ignore_subscribe_messages=True, timeout=5)
            if message is not None and message["data"] == marker:
                return
            if message is not None:
                self._deliver(message["channel"].decode().removeprefix(keys.GATEWAY), message["data"])

    def of(self, user_ids: Iterable[str], gateway_id: str) -> list[Device]:
        """Return the users' devices on a gateway."""
        users = set(user_ids)
        return [each for each in self.devices.values() if each.user_id in users and each.gateway_id == gateway_id]

    def _deliver(self, gateway_id: str, body: Any) -> None:
        downlink = relay.downlink_decoder.decode(body)
        for transient in downlink.transient_events:
            for device in self.of(transient.user_ids, gateway_id):
                device.hear(transient.text)
        for direct in downlink.connection_events:
            device_or_none = self.devices.get(direct.connection_id)
            if device_or_none is not None and device_or_none.gateway_id == gateway_id:
                device_or_none.hear(direct.text)
                device_or_none.parts.append(direct.bulk_parts)
