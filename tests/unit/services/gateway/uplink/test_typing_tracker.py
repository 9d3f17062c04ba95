"""services.gateway.uplink.typing_tracker: when a typing indicator ends by itself."""

import asyncio
from typing import Any

import msgspec

from services.gateway.session.typing_state import TypingState
from services.gateway.uplink.typing_tracker import TypingTracker
from shared.protocol import relay

CONVERSATION = "44444444-4444-4444-8444-444444444444"


class Broker:
    """Takes signals, in place of a publisher."""

    def __init__(self) -> None:
        self.signals: list[relay.Typing] = []

    async def publish(self, _queue: object, body: bytes, **_: object) -> None:
        self.signals += relay.signal_batch_decoder.decode(body).signals


class Queue:
    """Leaves all signals to messaging, in place of a script."""

    async def carry_out(self, signals: list[relay.Typing]) -> list[relay.Typing]:
        return signals


class Device:
    """A connection, as far as it matters here."""

    def __init__(self) -> None:
        self.user_id = "alice"
        self.typing: TypingState | None = None


def wall_ms() -> int:
    return 1_704_067_200_000


def tracker(broker: Broker) -> TypingTracker:
    return TypingTracker(broker, "gateway", wall_ms, Queue())  # type: ignore[arg-type]


def typist() -> Any:
    return Device()


async def told(typing_tracker: TypingTracker, broker: Broker, count: int) -> list[bool]:
    """Wait for so many signals; whether each began something."""
    running = asyncio.create_task(typing_tracker.run())
    async with asyncio.timeout(60):
        while len(broker.signals) < count:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(0)
    running.cancel()
    return [signal.active for signal in broker.signals]


async def test_typing_ends_three_seconds_after_the_last_start() -> None:
    broker = Broker()
    typing_tracker, connection = tracker(broker), typist()
    for now in (100.0, 100.9):
        typing_tracker.on_signal(connection, relay.Typing("alice", CONVERSATION, True), now)
    typing_tracker.sweep(103.8)
    assert await told(typing_tracker, broker, 1) == [True]
    typing_tracker.sweep(103.9)
    assert await told(typing_tracker, broker, 2) == [True, False]


async def test_an_end_is_stamped_with_what_it_ends() -> None:
    """An end by silence or a lost connection names its start, so that it doesn't end another device's."""
    broker = Broker()
    typing_tracker, silent, talking = tracker(broker), typist(), typist()
    for connection, now in ((silent, 100.0), (talking, 102.0)):
        typing_tracker.on_signal(connection, relay.Typing("alice", CONVERSATION, True), now)
    typing_tracker.sweep(103.0)
    typing_tracker.stop(talking, CONVERSATION, 103.0)
    await told(typing_tracker, broker, 4)
    first, second, undelivered, end = (signal.at_ms for signal in broker.signals)
    assert undelivered == first < second < end


async def test_it_ends_with_the_connection() -> None:
    broker = Broker()
    typing_tracker, connection = tracker(broker), typist()
    typing_tracker.on_signal(connection, relay.Typing("alice", CONVERSATION, True), 100.0)
    typing_tracker.stop_all(connection)
    assert await told(typing_tracker, broker, 2) == [True, False]


def stop(conversation_id: str = CONVERSATION) -> relay.Typing:
    return relay.Typing("alice", conversation_id, False, 0, "phone")


async def test_an_end_where_nothing_began_ends_nothing_and_may_be_answered() -> None:
    broker = Broker()
    typing_tracker, connection = tracker(broker), typist()
    other = CONVERSATION.replace("4", "5")
    for conversation_id, now in ((CONVERSATION, 100.0), (CONVERSATION, 100.9), (other, 100.9), (other, 101.9)):
        typing_tracker.on_signal(connection, stop(conversation_id), now)
    await told(typing_tracker, broker, 3)
    assert [signal.conversation_id for signal in broker.signals] == [CONVERSATION, other, other]
    assert {(signal.at_ms, signal.connection_id) for signal in broker.signals} == {(relay.ENDS_NOTHING, "phone")}


async def test_only_a_signal_of_a_client_names_its_connection() -> None:
    """An end that a client tells right after its message repeats that message's."""
    broker = Broker()
    typing_tracker, connection = tracker(broker), typist()
    start = relay.Typing("alice", CONVERSATION, True, 0, "phone")
    typing_tracker.on_signal(connection, msgspec.structs.replace(start), 100.0)
    typing_tracker.on_signal(connection, stop(), 100.5)
    typing_tracker.on_signal(connection, msgspec.structs.replace(start), 102.0)
    typing_tracker.stop(connection, CONVERSATION, 102.5)
    typing_tracker.on_signal(connection, stop(), 102.6)
    typing_tracker.on_signal(connection, msgspec.structs.replace(start), 104.0)
    typing_tracker.sweep(107.0)
    await told(typing_tracker, broker, 6)
    signals = [(signal.active, signal.connection_id) for signal in broker.signals]
    assert signals == [(True, "phone"), (False, "phone"), (True, "phone"), (False, ""), (True, "phone"), (False, "")]
