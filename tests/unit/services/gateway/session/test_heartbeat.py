"""services.gateway.session.heartbeat: deadlines of many connections, kept by one sweep."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.gateway.session import heartbeat as module
from services.gateway.session.deadlines import Deadlines
from services.gateway.session.heartbeat import TICK_SECONDS, Heartbeat
from shared.protocol.closing import CloseCode

START = 1000.0
WALL = 1_704_067_200.0


class Clock:
    """Monotonic and wall time, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return WALL + self.now - START


@dataclass(eq=False)
class Peer:
    """What the heartbeat needs of a connection."""

    deadlines: Deadlines = field(default_factory=lambda: Deadlines(START, WALL + 86_400))
    has_bulk: bool = True
    paused_at: float | None = None
    is_open: bool = True
    pings: list[float] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    code: CloseCode | None = None
    clock: Any = None
    takes: Callable[[float], bool] | None = None

    def ping(self) -> bool:
        if self.paused_at is None:
            self.pings.append(self.clock.now)
        return self.paused_at is None

    def took_any(self) -> bool | None:
        return self.takes(self.clock.now) if self.takes else None

    def send(self, text: bytes) -> None:
        self.sent.append(text)

    def close(self, code: CloseCode) -> None:
        self.code = code
        self.is_open = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def heartbeat(clock: Clock) -> Heartbeat:
    heartbeat = Heartbeat(54, 60, clock.wall)
    heartbeat.sweep(clock.now)
    return heartbeat


def run(heartbeat: Heartbeat, clock: Clock, until: float) -> None:
    while clock.now < until:
        clock.now += TICK_SECONDS
        heartbeat.sweep(clock.now)


def test_a_ping_every_54_seconds_while_pongs_come(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock)
    heartbeat.plan(peer)
    for minute in range(1, 6):
        run(heartbeat, clock, START + 54 * minute + 0.3)
        peer.deadlines.pong_at = clock.now
    assert [round(at - START) for at in peer.pings] == [54, 108, 162, 216, 270]
    assert peer.code is None


def test_no_pong_for_60_seconds_closes(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 59.5)
    assert peer.code is None
    run(heartbeat, clock, START + 60 + TICK_SECONDS)
    assert peer.code is CloseCode.PONG_TIMEOUT


def test_each_pong_renews_the_deadline(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 55)
    peer.deadlines.pong_at = clock.now
    run(heartbeat, clock, START + 114)
    assert peer.code is None
    run(heartbeat, clock, START + 115.5)
    assert peer.code is CloseCode.PONG_TIMEOUT


def test_the_token_is_announced_60_seconds_before_its_end_and_then_closes(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock, deadlines=Deadlines(START, WALL + 90))
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 29.5)
    assert peer.sent == []
    run(heartbeat, clock, START + 30.5)
    peer.deadlines.pong_at = clock.now
    assert [json.loads(text)["type"] for text in peer.sent] == ["auth.expiring"]
    run(heartbeat, clock, START + 80)
    peer.deadlines.pong_at = clock.now
    assert len(peer.sent) == 1
    run(heartbeat, clock, START + 90 + TICK_SECONDS)
    assert peer.code is CloseCode.TOKEN_EXPIRED


def test_the_end_of_a_token_that_is_nearly_over_is_announced_at_once(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock, deadlines=Deadlines(START, WALL + 0.4))
    heartbeat.plan(peer)
    run(heartbeat, clock, START + TICK_SECONDS)
    assert [json.loads(text)["type"] for text in peer.sent] == ["auth.expiring"]
    run(heartbeat, clock, START + 0.4 + TICK_SECONDS)
    assert (len(peer.sent), peer.code) == (1, CloseCode.TOKEN_EXPIRED)


def test_the_end_of_a_token_is_announced_after_the_statuses(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock, deadlines=Deadlines(START, WALL + 30), has_bulk=False)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 1)
    assert peer.sent == []
    peer.has_bulk = True
    run(heartbeat, clock, START + 1 + TICK_SECONDS)
    assert [json.loads(text)["type"] for text in peer.sent] == ["auth.expiring"]


def test_a_new_token_moves_the_end(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock, deadlines=Deadlines(START, WALL + 5))
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 2)
    peer.deadlines.expires_at = WALL + 200
    peer.deadlines.expiry_announced = False
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 50)
    assert peer.code is None
    assert len(peer.sent) == 1


def test_a_write_that_hangs_for_10_seconds_closes(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 5)
    peer.paused_at = clock.now
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 14.5)
    assert peer.code is None
    run(heartbeat, clock, START + 15.5)
    assert peer.code is CloseCode.SLOW_CONSUMER


def test_closed_connections_are_left_alone(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock, is_open=False)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 100)
    assert peer.pings == []
    assert peer.code is None


def test_a_late_sweep_misses_nobody(heartbeat: Heartbeat, clock: Clock) -> None:
    peers: list[Any] = [
        Peer(clock=clock, deadlines=Deadlines(START + number / 10, WALL + 86_400)) for number in range(100)
    ]
    for peer in peers:
        heartbeat.plan(peer)
    clock.now = START + 300
    heartbeat.sweep(clock.now)
    assert {peer.code for peer in peers} == {CloseCode.PONG_TIMEOUT}


def test_a_peer_that_takes_bytes_lives_however_slowly(heartbeat: Heartbeat, clock: Clock) -> None:
    """Its pongs wait behind what it reads."""
    peer: Any = Peer(clock=clock, paused_at=START, takes=lambda now: int(now) % 9 == 0)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 300)
    assert peer.code is None
    assert not peer.pings
    peer.paused_at, peer.takes = None, None
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 301)
    assert len(peer.pings) == 1
    run(heartbeat, clock, START + 365)
    assert peer.code is CloseCode.PONG_TIMEOUT


def test_a_peer_that_takes_nothing_for_ten_seconds_is_too_slow(heartbeat: Heartbeat, clock: Clock) -> None:
    peer: Any = Peer(clock=clock, paused_at=START, takes=lambda now: now <= START + 30)
    heartbeat.plan(peer)
    run(heartbeat, clock, START + 39)
    assert peer.code is None
    run(heartbeat, clock, START + 42)
    assert peer.code is CloseCode.SLOW_CONSUMER
