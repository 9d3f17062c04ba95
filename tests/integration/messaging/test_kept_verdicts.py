"""services.messaging.kept_verdicts: a stored verdict can be read only with its message."""

import uuid

import pytest

from services.messaging.kept_verdicts import ALLOW, Decision, KeptVerdicts
from shared.protocol.relay import EditMessage, SendMessage
from shared.redis import Partitions

DECISIONS = (ALLOW, Decision("reject", "Be kind to Bob"), Decision("replace", "Too rude", "**** Bob"))


def send(content: str, temp_id: str) -> SendMessage:
    return SendMessage(str(uuid.uuid4()), "", str(uuid.uuid4()), "text", content, None, temp_id)


@pytest.mark.parametrize("decision", DECISIONS)
async def test_a_verdict_is_that_of_the_same_message_with_the_same_key(
    partitions: Partitions, decision: Decision
) -> None:
    kept, message = KeptVerdicts(partitions), send("hello", "t")
    await kept.keep([(message, "t")], [decision])
    other = SendMessage(message.user_id, "", message.conversation_id, "text", "hello!", None, "t")
    found = await kept.find([(message, "t"), (message, "another"), (other, "t")])
    assert found == [decision, None, None]


async def test_many_at_once_stay_in_order(partitions: Partitions) -> None:
    kept = KeptVerdicts(partitions)
    asked = [(send(f"m{number}", "t"), "t") for number in range(30)]
    decisions = [DECISIONS[number % 3] for number in range(30)]
    await kept.keep(asked, decisions)
    assert await kept.find(asked) == decisions


async def test_an_edit_has_a_key_of_its_own(partitions: Partitions) -> None:
    kept, message = KeptVerdicts(partitions), send("hello", "t")
    edit = EditMessage(message.user_id, "", message.conversation_id, 1, "hello", "t")
    await kept.keep([(message, "t")], [Decision("reject", "no")])
    assert await kept.find([(edit, "t")]) == [None]


async def test_nothing_of_a_message_can_be_read_in_redis(partitions: Partitions) -> None:
    kept, message = KeptVerdicts(partitions), send("a rude word for Bob", "t")
    await kept.keep([(message, "t")], [DECISIONS[2]])
    partition = partitions.of(message.conversation_id)
    found = [await partition.client.get(key) async for key in partition.client.scan_iter(match=f"*{message.user_id}*")]
    assert len(found) == 1
    assert not any(word in repr(found) for word in ("rude", "Bob", "****"))
