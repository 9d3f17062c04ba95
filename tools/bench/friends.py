"""A change of status, which twenty friends get."""

import random
import time
import uuid
from functools import partial
from itertools import permutations
from typing import Final

import asyncpg

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.pacer import arrivals, pace
from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import Rest, rest_of, together
from tools.bench.target import Target
from tools.bench.traffic import connect_all
from tools.bench.window import Window

CIRCLES: Final = 5
FRIENDS: Final = 20
"""Friends of each user: a circle has one user more."""
CHANGES_A_SECOND: Final = 50.0
MEASURED_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 1.0
STATUSES: Final = ("busy", "online")
SEED: Final = 20240101


class Circle:
    """Connected users who are all friends of each other."""

    def __init__(self, peers: list[Peer]) -> None:
        self.peers = peers
        self.sent = 0
        self.heard = 0
        self.latencies: list[float] = []
        self._due: dict[str, float] = {}
        self._ids: dict[Peer, str] = {}

    def on_event(self, peer: Peer, event: SeenEvent) -> None:
        """Record the latency when `peer` gets another one's status."""
        user_id = event.payload.user_id if event.type == "user.status" and event.payload is not None else None
        if user_id is not None and user_id != self._ids[peer]:
            self.heard += 1
            self.latencies.append(time.perf_counter() - self._due[user_id])

    def know(self, peer: Peer, user_id: str) -> None:
        """Record the user's id of a peer."""
        self._ids[peer] = user_id

    def act(self, intended_at: float) -> None:
        """Change the status of the next user."""
        turn, index = divmod(self.sent, len(self.peers))
        peer = self.peers[index]
        self.sent += 1
        self._due[self._ids[peer]] = intended_at
        peer.send(b'{"type":"presence.set","payload":{"status":"%s"}}' % STATUSES[turn % 2].encode())


async def run(bench: Bench, absent: int = 0, circle_count: int = CIRCLES) -> Outcome:
    """Create circles of friends, connect all, and change the status of one user after another.

    `absent`: the number of additional friends of each user who are not connected.
    """
    name = bench.target.name
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    chance = random.Random(SEED)  # noqa: S311 - the same arrivals in each run
    async with rest_of(bench.target) as rest:
        circles = [await _gather(bench, rest, number, absent) for number in range(circle_count)]
    everybody = [peer for circle in circles for peer in circle.peers]
    turn = 0

    def act(intended_at: float) -> None:
        nonlocal turn
        circles[turn % circle_count].act(intended_at)
        turn += 1

    async with bench.stages.timed(f"{name}, friends: measuring", seconds + DRAIN_SECONDS):
        await pace(iter([DRAIN_SECONDS]), lambda _: None)
        window = Window(bench.target)
        await pace(arrivals(CHANGES_A_SECOND, seconds, chance), act)
        await pace(iter([DRAIN_SECONDS]), lambda _: None)
        window.close()
    for peer in everybody:
        peer.cut()
    count = sum(circle.sent for circle in circles)
    heard = sum(circle.heard for circle in circles)
    return Outcome(
        scenario=f"friends, {absent} absent" if absent else "friends",
        target=name,
        unit="change",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        receive_ms=summarize([latency for circle in circles for latency in circle.latencies]),
        extra={"received_percent": round(100 * heard / (count * FRIENDS), 2), **window.disturbance()},
    )


async def _gather(bench: Bench, rest: Rest, number: int, absent: int) -> Circle:
    """Create and connect a circle of new users."""
    names = [f"{bench.prefix('friends')}-{number}-{n}" for n in range(FRIENDS + 1)]
    users = await together(partial(rest.call, name, "GET", "/chat/users/me") for name in names)
    ids = [str(user["id"]) for user in users]
    strangers = [str(uuid.uuid4()) for _ in range(absent)]
    mutual = [(one, other) for one in ids for other in strangers]
    await befriend(bench.target, [*permutations(ids, 2), *mutual, *((other, one) for one, other in mutual)])
    circle = Circle([Peer(name) for name in names])
    for peer, user_id in zip(circle.peers, ids, strict=True):
        circle.know(peer, user_id)
    await connect_all(bench.target, circle.peers)
    for peer in circle.peers:
        peer.on_event = circle.on_event
    return circle


async def befriend(target: Target, follows: list[tuple[str, str]]) -> None:
    """Store follows, (follower, followee), directly in the database, because 2,100 calls would take long."""
    connection = await asyncpg.connect(target.database_url)
    try:
        await connection.copy_records_to_table(
            "follows", schema_name=target.follows_schema, records=follows, columns=["follower", "followee"]
        )
    finally:
        await connection.close()
