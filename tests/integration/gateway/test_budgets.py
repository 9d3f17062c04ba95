"""Budgets of a user, over all connections and gateways."""

import uuid
from typing import Any

import pytest

from services.gateway import user_budgets
from services.gateway.user_budgets import BucketKey, Budget, Grant, UserBudgets, Wanted
from shared.protocol import keys, relay
from shared.protocol.topology import MESSAGING_COMMANDS, PRESENCE_COMMANDS
from shared.redis import Partitions
from tests.support.gateway import Backend, RunningGateway, StartGateway, eventually, identity
from tests.support.sockets import RawSocket, refused
from tools.devtoken import mint


@pytest.mark.parametrize(
    ("setting", "event_type", "payload"),
    [
        ("messages_per_minute", "message.send", {"type": "text", "content": "hi"}),
        ("blocks_per_minute", "block.add", {"username": "eve"}),
        ("blocks_per_minute", "block.remove", {"username": "eve"}),
        ("statuses_per_minute", "presence.set", {"status": "away"}),
        ("changes_per_minute", "message.edit", {"seq": 1, "content": "hi"}),
        ("changes_per_minute", "message.delete", {"seq": 1}),
        ("changes_per_minute", "reaction.add", {"seq": 1, "emoji": "😀"}),
        ("changes_per_minute", "reaction.remove", {"seq": 1, "emoji": "😀"}),
    ],
)
async def test_a_budget_counts_over_all_connections_and_gateways(
    start_gateway: StartGateway,
    behind: Backend,
    alice: str,
    conversation: str,
    setting: str,
    event_type: str,
    payload: Any,
) -> None:
    gateways = [await start_gateway(**{setting: 3}) for _ in range(2)]
    if event_type.startswith(("message.", "reaction.")):
        payload = {**payload, "conversationId": conversation}
    for number in range(3):
        # Nobody answers here, and a connection has one batch under way: each says one thing.
        socket = await gateways[number % 2].connect(alice)
        await socket.send(event_type, **payload)
        await socket.refute("error", within=0.3)
    for gateway in gateways:
        socket = await gateway.connect(alice)
        await socket.send(event_type, **payload)
        error = await socket.expect_error("rate_limit_exceeded", type=event_type)
        assert error["error"]["retryable"] is True
        assert 0 < error["error"]["retryAfter"] <= 20


@pytest.mark.parametrize("per_minute", [9, 11, 30])
async def test_a_budget_holds_what_the_operator_says(partitions: Partitions, per_minute: int) -> None:
    """Also where a minute isn't divided into whole milliseconds."""
    key = (str(uuid.uuid4()), Budget.CHANGES)
    budgets = UserBudgets(partitions, {Budget.CHANGES: per_minute})
    grants = [(await budgets.take({key: 1}))[key] for _ in range(per_minute + 1)]
    assert [grant and grant.allowed for grant in grants] == [1] * per_minute + [0]


async def test_a_large_budget_is_not_counted_by_whole_milliseconds(partitions: Partitions) -> None:
    key = (str(uuid.uuid4()), Budget.CHANGES)
    budgets = UserBudgets(partitions, {Budget.CHANGES: 100_000})
    for _ in range(100):
        grant = (await budgets.take({key: 1}))[key]
    assert grant is not None
    assert grant.full_after <= 0.061


async def say(behind: Backend, gateway: RunningGateway, socket: RawSocket, conversation: str) -> None:
    """A message that passes, and whose batch ends."""
    await socket.send("message.send", type="text", content="hi", conversationId=conversation)
    batch = await behind.take(MESSAGING_COMMANDS, relay.command_batch_decoder)
    await behind.publish(gateway, completed=[batch.batch_id])


async def full_at_ms(behind: Backend, username: str) -> int:
    """When the user's bucket of messages is full again, as Redis has it."""
    return int(float(await behind.redis.get(keys.key(keys.RATE, identity(username))) or 0))


async def refuses(socket: RawSocket, conversation: str) -> None:
    await socket.send("message.send", type="text", content="hi", conversationId=conversation)
    await socket.expect_error("rate_limit_exceeded", type="message.send")


async def test_messages_that_pass_without_asking_redis_are_counted_later(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_budgets, "SETTLE_SECONDS", 3600)
    gateway = await start_gateway(messages_per_minute=12)
    sockets = [await gateway.connect(alice) for _ in range(2)]
    counted = []
    for number in range(4):
        await say(behind, gateway, sockets[number % 2], conversation)
        counted.append(await full_at_ms(behind, alice))
    assert [ms - counted[0] for ms in counted] == [0, 0, 0, 15_000]
    for number in range(8):
        await say(behind, gateway, sockets[number % 2], conversation)
    await refuses(sockets[0], conversation)
    await refuses(sockets[1], conversation)


async def test_a_refusal_is_known_to_all_connections_of_the_user(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_budgets, "SETTLE_SECONDS", 3600)
    gateway = await start_gateway(messages_per_minute=3)
    sockets = [await gateway.connect(alice) for _ in range(2)]
    for number in range(3):
        await say(behind, gateway, sockets[number % 2], conversation)
    asked: list[Wanted] = []
    take = UserBudgets.take

    async def noted(budgets: UserBudgets, wanted: Wanted) -> dict[BucketKey, Grant | None]:
        asked.append(wanted)
        return await take(budgets, wanted)

    monkeypatch.setattr(UserBudgets, "take", noted)
    for socket in (*sockets, *sockets):
        await refuses(socket, conversation)
    assert len(asked) == 1


async def test_redis_soon_counts_what_passed_without_asking(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(messages_per_minute=12)
    socket = await gateway.connect(alice)
    await say(behind, gateway, socket, conversation)
    first = await full_at_ms(behind, alice)
    await say(behind, gateway, socket, conversation)

    async def counted() -> bool:
        return await full_at_ms(behind, alice) == first + 5_000

    await eventually(counted)


async def test_redis_is_asked_for_each_message_of_who_is_at_two_gateways(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_budgets, "SETTLE_SECONDS", 3600)
    here, there = [await start_gateway(messages_per_minute=12) for _ in range(2)]
    socket, _ = await here.connect(alice), await there.connect(alice)
    counted = []
    for _ in range(3):
        await say(behind, here, socket, conversation)
        counted.append(await full_at_ms(behind, alice))
    assert [ms - counted[0] for ms in counted] == [0, 5_000, 10_000]


async def test_messages_by_another_gateway_end_what_this_one_knows(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    here, there = [await start_gateway(messages_per_minute=12) for _ in range(2)]
    socket = await here.connect(alice)
    await say(behind, here, socket, conversation)
    other = await there.connect(alice)
    for _ in range(11):
        await say(behind, there, other, conversation)
        await behind.deliver([here, there], identity(alice), text='{"type":"message.sent","payload":{}}')
        await socket.expect("message.sent")
    await refuses(socket, conversation)


async def test_statuses_within_the_budget_reach_presence(
    start_gateway: StartGateway, behind: Backend, alice: str
) -> None:
    gateway = await start_gateway(statuses_per_minute=3)
    socket = await gateway.connect(alice)
    assert isinstance((await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)).commands[0], relay.Connected)
    await socket.send("presence.set", status="away")
    (command,) = (await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)).commands
    assert isinstance(command, relay.SetStatus)
    assert command.status == "away"


async def test_as_many_statuses_pass_at_once_as_a_connection_may_send_in_a_second(
    start_gateway: StartGateway, alice: str
) -> None:
    gateway = await start_gateway(statuses_per_minute=60)
    socket = await gateway.connect(alice)
    for number in range(25):
        await socket.send("presence.set", status=("busy", "online")[number % 2])

    async def refused_some() -> bool:
        return len(socket.of_type("error")) >= 3

    await eventually(refused_some)
    # All were counted when the answers to the last ones came; of the 25, one or two may have been refilled.
    await socket.send("ping")
    await socket.expect("pong")
    assert len(socket.of_type("error")) <= 5


async def test_handshakes_of_a_user_are_counted_plain_requests_too(start_gateway: StartGateway, alice: str) -> None:
    gateways = [await start_gateway(handshakes_per_minute=3) for _ in range(2)]
    token = mint(alice)
    for gateway in gateways:
        await gateway.connect(alice)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await gateways[0].get("/chat/ws", headers=headers)).status_code == 426
    for gateway in gateways:
        refusal = await refused(gateway.url, token)
        assert refusal.status == 429
        assert refusal.body["error"]["code"] == "rate_limit_exceeded"
        assert 1 <= int(refusal.headers["retry-after"]) <= 20
        answer = await gateway.get("/chat/ws", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_a_bad_token_counts_against_nobody(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(handshakes_per_minute=1)
    for _ in range(3):
        assert (await refused(gateway.url, mint(alice, lifetime_seconds=-60))).status == 401
    await gateway.connect(alice)


async def test_without_limits_nothing_is_counted(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    for _ in range(5):
        await gateway.connect(alice)
    assert await behind.redis.keys("rate:*") == []
