"""services.gateway.uplink.batches: which commands go together, and in which order."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.session.command_queue import CommandQueue
from services.gateway.uplink.batches import ANSWER_SECONDS, COMMAND_BYTES, MAX_BYTES, MAX_WAITING, SHARE_BYTES, Batches
from shared.protocol import limits, relay
from shared.protocol.codec import msgpack_encoder


@dataclass
class Sender:
    """What batches need of a connection."""

    name: str
    commands: CommandQueue | None = None
    reading: Any = None


class Held:
    """Remembers, in place of a socket's reading, whether it is held."""

    def __init__(self) -> None:
        self.held = False

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False


def is_held(sender: Sender) -> bool:
    return bool(sender.reading.held)


def command(sender: Any, number: int) -> relay.Command:
    return relay.MarkRead(sender.name, sender.name, "c", number)


@pytest.fixture
def batches() -> Batches:
    return Batches()


@pytest.fixture
def alice() -> Any:
    return Sender("alice")


@pytest.fixture
def bob() -> Any:
    return Sender("bob")


def test_a_connection_has_one_batch_under_way(batches: Batches, alice: Any) -> None:
    batches.add(alice, command(alice, 1), 0.0)
    first = batches.take(0.0)
    batches.add(alice, command(alice, 2), 0.0)
    batches.add(alice, command(alice, 3), 0.0)
    assert first is not None
    assert first.commands == [command(alice, 1)]
    assert not batches.waiting
    assert batches.take(0.0) is None
    batches.complete([first.id], 1.0)
    second = batches.take(1.0)
    assert second is not None
    assert second.commands == [command(alice, 2), command(alice, 3)]


def test_connections_do_not_wait_for_each_other(batches: Batches, alice: Any, bob: Any) -> None:
    batches.add(alice, command(alice, 1), 0.0)
    batches.take(0.0)
    batches.add(alice, command(alice, 2), 0.0)
    batches.add(bob, command(bob, 1), 0.0)
    batch = batches.take(0.0)
    assert batch is not None
    assert batch.commands == [command(bob, 1)]


def test_too_many_waiting_are_refused(batches: Batches, alice: Any) -> None:
    assert all(batches.add(alice, command(alice, number), 0.0) for number in range(MAX_WAITING))
    assert not batches.add(alice, command(alice, 99), 0.0)


def test_a_batch_is_bounded_and_whole_connections_go(batches: Batches) -> None:
    senders: list[Any] = [Sender(str(number)) for number in range(10)]
    for sender in senders:
        for number in range(60):
            batches.add(sender, command(sender, number), 0.0)
    sizes = []
    while batch := batches.take(0.0):
        sizes.append(len(batch.commands))
    assert sizes == [240, 240, 120]
    assert max(sizes) <= limits.MAX_COMMANDS_PER_BATCH


def test_unknown_and_repeated_completions_are_nothing(batches: Batches, alice: Any) -> None:
    batches.add(alice, command(alice, 1), 0.0)
    batch = batches.take(0.0)
    assert batch is not None
    batches.complete([batch.id, batch.id, 77], 0.0)
    assert batches.idle


def test_what_is_not_answered_in_time_is_given_up(batches: Batches, alice: Any, bob: Any) -> None:
    batches.add(alice, command(alice, 1), 0.0)
    batches.take(0.0)
    batches.add(alice, command(alice, 2), 1.0)
    batches.add(bob, command(bob, 1), 5.0)
    batches.take(5.0)
    assert batches.expire(ANSWER_SECONDS - 0.1) == []
    assert batches.expire(ANSWER_SECONDS) == [command(alice, 1)]
    after = batches.take(ANSWER_SECONDS)
    assert after is not None
    assert after.commands == [command(alice, 2)]


def test_what_can_not_be_sent_in_time_is_given_up(batches: Batches, alice: Any) -> None:
    batches.add(alice, command(alice, 1), 0.0)
    assert batches.expire(ANSWER_SECONDS) == [command(alice, 1)]
    assert batches.idle
    assert batches.add(alice, command(alice, 2), 20.0)
    assert batches.take(20.0) is not None


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "complete"]), st.integers(0, 4)), max_size=200))
def test_each_connections_order_is_kept_whatever_happens(steps: list[tuple[str, int]]) -> None:
    batches = Batches()
    senders: list[Any] = [Sender(str(number)) for number in range(5)]
    under_way: list[int] = []
    given_out = dict.fromkeys(range(5), 0)
    seen: dict[str, list[int]] = {sender.name: [] for sender in senders}
    for step, who in steps:
        if step == "add":
            if batches.add(senders[who], command(senders[who], given_out[who]), 0.0):
                given_out[who] += 1
        elif step == "take" and (batch := batches.take(0.0)) is not None:
            under_way.append(batch.id)
            for taken in batch.commands:
                assert isinstance(taken, relay.MarkRead)
                assert taken.seq is not None
                seen[taken.user_id].append(taken.seq)
            assert len({member.batch_id for member in batch.members}) == 1
        elif step == "complete" and under_way:
            batches.complete([under_way.pop(who % len(under_way))], 0.0)
    for numbers in seen.values():
        assert numbers == sorted(set(numbers))


def send(sender: Any, content: str) -> relay.Command:
    return relay.SendMessage(sender.name, sender.name, "c", "text", content, None, None)


def test_what_waits_is_bounded_in_bytes(batches: Batches, alice: Any) -> None:
    taken = 0
    while batches.add(alice, send(alice, "ก" * 4_000), 0.0):
        taken += 1
    assert taken == MAX_BYTES // (4 * 4_000 + COMMAND_BYTES)
    assert batches.take(0.0) is not None
    assert batches.add(alice, send(alice, "ก" * 4_000), 0.0)


def test_many_bytes_of_a_connection_leave_in_parts_and_in_order(batches: Batches, alice: Any, bob: Any) -> None:
    texts = [str(number) * 15_000 for number in range(9)]
    for text in texts:
        assert batches.add(alice, send(alice, text), 0.0)
    assert batches.add(bob, send(bob, "b"), 0.0)
    taken: list[list[str | None]] = []
    while (batch := batches.take(0.0)) is not None:
        taken.append([command.content for command in batch.commands if isinstance(command, relay.SendMessage)])
        batches.complete([batch.id], 0.0)
    assert taken == [[*texts[:4], "b"], texts[4:8], texts[8:]]
    assert batches.idle


def test_a_command_larger_than_a_share_leaves_alone(batches: Batches, alice: Any) -> None:
    large = "ก" * (SHARE_BYTES // 4)
    for text in (large, large, "x"):
        assert batches.add(alice, send(alice, text), 0.0)
    sizes = []
    while (batch := batches.take(0.0)) is not None:
        sizes.append(len(batch.commands))
        batches.complete([batch.id], 0.0)
    assert sizes == [1, 1, 1]


def test_many_bytes_of_many_connections_leave_in_parts(batches: Batches, bob: Any) -> None:
    senders: list[Any] = [Sender(str(number)) for number in range(6)]
    for sender in senders:
        assert batches.add(sender, send(sender, sender.name * 20_000), 0.0)
    assert batches.add(bob, send(bob, "small"), 0.0)
    taken: list[list[str]] = []
    while (batch := batches.take(0.0)) is not None:
        taken.append([command.user_id for command in batch.commands])
    assert taken == [["0", "1", "2", "bob"], ["3", "4", "5"]]


def test_a_connection_is_not_read_while_many_bytes_wait(batches: Batches) -> None:
    sender: Any = Sender("alice", reading=Held())
    for number in range(4):
        assert batches.add(sender, send(sender, str(number) * 15_000), 0.0)
    assert not is_held(sender)
    assert batches.add(sender, send(sender, "4" * 15_000), 0.0)
    assert is_held(sender)
    assert batches.take(0.0) is not None
    assert not is_held(sender)


def test_a_connection_whose_commands_are_given_up_is_read_again(batches: Batches) -> None:
    sender: Any = Sender("alice", reading=Held())
    assert all(batches.add(sender, send(sender, "x" * 40_000), 0.0) for _ in range(4))
    assert batches.take(0.0) is not None
    assert is_held(sender)
    batches.expire(ANSWER_SECONDS)
    assert not is_held(sender)


def test_small_commands_are_refused_and_not_held(batches: Batches) -> None:
    sender: Any = Sender("alice", reading=Held())
    while batches.add(sender, command(sender, 1), 0.0):
        assert not is_held(sender)


def test_what_is_left_of_a_connection_is_given_up_in_time_too(batches: Batches, alice: Any) -> None:
    commands = [send(alice, str(number) * 40_000) for number in range(3)]
    assert all(batches.add(alice, command, 0.0) for command in commands)
    assert batches.take(0.0) is not None
    assert batches.expire(ANSWER_SECONDS) == commands
    assert batches.idle


def test_large_commands_of_many_connections_take_several_batches(batches: Batches) -> None:
    senders: list[Any] = [Sender(str(number)) for number in range(40)]
    for sender in senders:
        assert batches.add(sender, send(sender, "ก" * 4_000), 0.0)
    sizes = []
    while (batch := batches.take(0.0)) is not None:
        sizes.append(len(batch.commands))
        assert len(msgpack_encoder.encode(relay.CommandBatch("gateway", 2**40, batch.commands))) <= MAX_BYTES
    assert sum(sizes) == len(senders)
    assert len(sizes) > 1


@given(st.lists(st.tuples(st.integers(0, 30), st.text(max_size=3_000)), max_size=60))
def test_a_batch_is_bounded_in_bytes(sends: list[tuple[int, str]]) -> None:
    batches = Batches()
    senders: list[Any] = [Sender(str(number)) for number in range(31)]
    count = sum(batches.add(senders[number], send(senders[number], content), 0.0) for number, content in sends)
    while (batch := batches.take(0.0)) is not None:
        count -= len(batch.commands)
        assert len(msgpack_encoder.encode(relay.CommandBatch("gateway", 2**40, batch.commands))) <= MAX_BYTES + 100
        batches.complete([batch.id], 0.0)
    assert count == 0


def test_a_connection_that_always_has_commands_waiting_is_not_given_up(batches: Batches, alice: Any) -> None:
    """None of them waits for long: each batch takes the oldest."""
    for _ in range(8):
        assert batches.add(alice, send(alice, "x" * 15_000), 0.0)
    for second in range(1, 3 * int(ANSWER_SECONDS)):
        batch = batches.take(second)
        assert batch is not None
        batches.complete([batch.id], second)
        for _ in batch.commands:
            assert batches.add(alice, send(alice, "x" * 15_000), second)
        assert batches.expire(second) == []
