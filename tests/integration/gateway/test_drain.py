"""SIGTERM: in order, within its time, and nothing lost."""

import asyncio
import signal

import pytest

from services.gateway import drain
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import MESSAGING_COMMANDS, PRESENCE_COMMANDS
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, identity, until
from tests.support.gateway_process import gateway_process
from tests.support.sockets import RawSocket, refused
from tools.devtoken import mint


async def test_sigterm_drains_closes_with_1001_and_exits_with_0(
    database_url: str, amqp_url: str, redis_url: str, behind: Backend, alice: str, bob: str, conversation: str
) -> None:
    async with gateway_process(database_url, amqp_url, redis_url) as (process, url):
        busy, idle = await RawSocket.connect(url, mint(alice)), await RawSocket.connect(url, mint(bob))
        for client in (busy, idle):
            await client.expect("connection.success")
        await busy.send("message.send", conversationId=conversation, type="text", content="x", tempId="t")
        batch = await behind.take(MESSAGING_COMMANDS, relay.command_batch_decoder)
        process.send_signal(signal.SIGTERM)
        assert await idle.closed() == 1001
        assert busy.close_code == 1006
        assert (await refused(url, mint(bob))).status == 503
        answer = await behind.append(identity(alice), text='{"type":"message.sent","payload":{"tempId":"t"}}')
        body = relay.Downlink(durable_events=[answer], completed=[batch.batch_id])
        await behind.redis.publish(keys.key(keys.GATEWAY, batch.gateway_id), msgpack_encoder.encode(body))
        await busy.expect("message.sent")
        assert await busy.closed() == 1001
        _, errors = await asyncio.wait_for(process.communicate(), 15)
        assert process.returncode == 0, errors.decode()
        assert b'"level": "error"' not in errors
        ended: dict[str, tuple[bool, int]] = {}
        while len(ended) < 2:
            for command in (await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)).commands:
                if isinstance(command, relay.Disconnected):
                    ended[command.connection_id] = (command.clean, command.reconnect_ms)
        spread_ms = limits.RECONNECT_SPREAD_SECONDS * 1000
        assert ended == {connection_id(busy): (False, spread_ms), connection_id(idle): (False, spread_ms)}
        assert await behind.routes(identity(alice)) == {}


async def test_an_answer_that_never_comes_holds_nobody_for_ever(
    start_gateway: StartGateway, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "ANSWER_SECONDS", 0.5)
    gateway = await start_gateway(drain_seconds=0.1)
    client = await gateway.connect(alice)
    await client.send("message.send", conversationId=conversation, type="text", content="x", tempId="t")
    await until(lambda: not gateway.process.dispatcher.uplink.idle)
    await gateway.drain()
    assert await client.closed() == 1001


async def test_many_connections_go_little_by_little(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(drain_seconds=2)
    clients = [await gateway.connect(f"{alice}-{number}") for number in range(40)]
    draining = asyncio.create_task(gateway.drain())
    left: list[int] = []
    while len(gateway.process.hub):
        if not left or left[-1] != len(gateway.process.hub):
            left.append(len(gateway.process.hub))
        await asyncio.sleep(0.01)
    await draining
    assert len(left) >= 5
    assert {await client.closed() for client in clients} == {1001}


async def test_an_outage_of_the_broker_does_not_keep_a_gateway_from_ending(
    start_gateway: StartGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "FINISH_SECONDS", 0.5)
    gateway: RunningGateway = await start_gateway(amqp="amqp://guest:guest@127.0.0.1:1/", wait=False)
    await until(lambda: gateway.process.downlinks[0].up)
    client = await gateway.connect(alice)
    await gateway.drain()
    assert await client.closed() == 1001
