"""How batches are cut: segments at blocks, rounds at repeated keys, marks merged."""

from hypothesis import given
from hypothesis import strategies as st

from services.messaging.batched_commands import key_of
from services.messaging.command_order import groups, segments
from services.messaging.handlers import merge
from services.messaging.stores.messages import Draft, distinct_rounds
from services.messaging.stores.receipts import EVERYTHING, Mark
from shared.protocol.relay import (
    Command,
    CommandBatch,
    DeleteMessage,
    EditMessage,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
    SetReaction,
)

CONVERSATIONS = st.sampled_from(["c1", "c2"])
USERS = st.sampled_from(["u1", "u2"])
SENDS = st.builds(
    SendMessage,
    USERS,
    st.just("connection"),
    CONVERSATIONS,
    st.just("text"),
    st.just("x"),
    st.none(),
    st.sampled_from(["t1", "t2", "t3"]),
)
BLOCKS = st.builds(SetBlock, USERS, st.just("connection"), st.just("name"), st.booleans())
READS = st.builds(MarkRead, USERS, st.just("connection"), CONVERSATIONS, st.none() | st.integers(1, 9))
BATCHES = st.lists(st.lists(SENDS | BLOCKS | READS, max_size=6), max_size=5)


@given(BATCHES)
def test_segments_keep_the_order_and_isolate_blocks(commands: list[list[Command]]) -> None:
    batches = [CommandBatch("gateway", number, batch) for number, batch in enumerate(commands)]
    found = list(segments(batches))
    assert [request for segment in found for request in segment] == [
        (batch, place, command) for batch in batches for place, command in enumerate(batch.commands)
    ]
    for segment in found:
        kinds = {isinstance(command, SetBlock) for _, _, command in segment}
        assert len(kinds) == 1


@given(st.lists(SENDS, min_size=1, max_size=20))
def test_rounds_hold_each_key_once_and_keep_its_order(sends: list[SendMessage]) -> None:
    drafts = [Draft(send, send.temp_id or "") for send in sends]
    rounds = distinct_rounds(drafts)
    assert sorted(place for places in rounds for place in places) == list(range(len(drafts)))
    names = [(send.conversation_id, send.user_id, key) for send, key in drafts]
    for places in rounds:
        assert places == sorted(places)
        assert len({names[place] for place in places}) == len(places)
    for name in set(names):
        order = [place for places in rounds for place in places if names[place] == name]
        assert order == sorted(order)


@given(st.lists(READS | st.builds(MarkDelivered, USERS, st.just("c"), CONVERSATIONS, st.integers(1, 9)), max_size=8))
def test_marks_merge_into_the_furthest(commands: list[MarkRead | MarkDelivered]) -> None:
    mark = Mark("c1", "u1", None, None)
    for command in commands:
        mark = merge(mark, command)
    reads = [EVERYTHING if c.seq is None else c.seq for c in commands if isinstance(c, MarkRead)]
    delivered = [c.seq for c in commands if isinstance(c, MarkDelivered)]
    assert mark.read_to == max(reads, default=None)
    assert mark.delivered_to == max(delivered, default=None)


def test_a_message_without_temp_id_is_known_by_its_place() -> None:
    send = SendMessage("u", "c", "conversation", "text", "x", None, None)
    batch = CommandBatch("gateway-1-a0b1", 7, [send, send])
    assert [key_of(batch, place, send) for place in (0, 1)] == ["gateway-1-a0b1/7/0", "gateway-1-a0b1/7/1"]


CHANGES = (
    st.builds(EditMessage, USERS, st.just("c"), CONVERSATIONS, st.integers(1, 3), st.just("x"), st.none())
    | st.builds(DeleteMessage, USERS, st.just("c"), CONVERSATIONS, st.integers(1, 3), st.none())
    | st.builds(
        SetReaction, USERS, st.just("c"), CONVERSATIONS, st.integers(1, 3), st.just("e"), st.booleans(), st.none()
    )
)


@given(st.lists(SENDS | CHANGES | READS, min_size=1, max_size=20))
def test_groups_keep_the_order_of_each_conversation(commands: list[Command]) -> None:
    batch = CommandBatch("gateway", 1, commands)
    (segment,) = segments([batch])
    found = list(groups(segment))
    assert sorted(place for group in found for _, place, _ in group) == list(range(len(commands)))
    for group in found:
        marks = {isinstance(command, MarkRead) for _, _, command in group}
        assert len(marks) == 1
        assert marks == {True} or len({type(command) for _, _, command in group}) == 1
    others = [(place, command) for group in found for _, place, command in group if not isinstance(command, MarkRead)]
    for conversation in ("c1", "c2"):
        places = [place for place, command in others if getattr(command, "conversation_id", "") == conversation]
        assert places == sorted(places)


def test_a_mixed_batch_takes_one_group_for_each_kind() -> None:
    commands: list[Command] = []
    for number in range(20):
        place = ("u1", "c", f"conversation-{number}", 1)
        commands += (EditMessage(*place, "x", None), SetReaction(*place, "e", True, None), DeleteMessage(*place, None))
    (segment,) = segments([CommandBatch("gateway", 1, commands)])
    kinds = [type(group[0][2]) for group in groups(segment)]
    assert kinds == [EditMessage, SetReaction, DeleteMessage]
