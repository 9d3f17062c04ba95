"""Which events of connections a gateway reports to presence, and which typing signals to messaging."""

import asyncio
import time

import pytest

from services.gateway.uplink import lease_renewals, presence
from shared.protocol import keys, limits, relay
from shared.protocol.topology import MESSAGING_SIGNALS, PRESENCE_COMMANDS, PRESENCE_RENEWALS
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, identity, until
from tests.support.tcp import Tcp


async def told(behind: Backend, count: int) -> list[relay.PresenceCommand]:
    """The next commands for presence."""
    commands: list[relay.PresenceCommand] = []
    while len(commands) < count:
        commands += (await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)).commands
    return commands


async def signals(behind: Backend, count: int) -> list[tuple[str, bool]]:
    """The next typing signals: conversation and whether it began."""
    found: list[relay.Typing] = []
    while len(found) < count:
        found += (await behind.take(MESSAGING_SIGNALS, relay.signal_batch_decoder)).signals
    return [(signal.conversation_id, signal.active) for signal in found]


async def test_a_connection_comes_and_goes_cleanly(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    (connected,) = await told(behind, 1)
    assert isinstance(connected, relay.Connected)
    assert (connected.user_id, connected.connection_id) == (identity(alice), connection_id(socket))
    assert connected.gateway_id == gateway.id
    assert abs(connected.at_ms / 1000 - time.time()) < 60
    await socket.close()
    (ended,) = await told(behind, 1)
    assert isinstance(ended, relay.Disconnected)
    assert (ended.connection_id, ended.clean) == (connection_id(socket), True)
    assert ended.at_ms >= connected.at_ms


async def test_a_script_of_which_another_release_says_something_else_is_not_run(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    """It ended the gateway, and each one that started afterwards."""
    await behind.redis.set(keys.DIRECT_PRESENCE, b"\x91\x07")
    gateway.process.dispatcher.presence._direct._script._look_at = 0
    socket = await gateway.connect(alice)
    (connected,) = await told(behind, 1)
    assert isinstance(connected, relay.Connected)
    assert connected.connection_id == connection_id(socket)
    await behind.redis.delete(keys.DIRECT_PRESENCE)


async def test_a_lost_connection_is_not_clean(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    await told(behind, 1)
    await socket.cut()
    (ended,) = await told(behind, 1)
    assert isinstance(ended, relay.Disconnected)
    assert not ended.clean


async def test_broken_frames_are_not_clean_but_a_thrown_out_client_is_gone(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    client = await Tcp.connect(gateway, alice)
    client.writer.write(b"\x81\x02hi")
    await client.close_code()
    socket = await gateway.connect(alice)
    for _ in range(20):
        await socket.send_text("{")
    await socket.closed()
    ended = [command for command in await told(behind, 4) if isinstance(command, relay.Disconnected)]
    assert [command.clean for command in ended] == [False, True]
    client.abort()


async def test_a_status_is_passed_on(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    await socket.send("presence.set", status="busy")
    _, status = await told(behind, 2)
    assert isinstance(status, relay.SetStatus)
    assert (status.connection_id, status.status) == (connection_id(socket), "busy")
    assert abs(status.at_ms / 1000 - time.time()) < 60


async def test_after_a_gap_everybody_is_announced_again(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Presence events of that time are lost: presence answers with a new `status.bulk`."""
    monkeypatch.setattr(presence, "RESTORE_SECONDS", 1.0)
    sockets = [await gateway.connect(f"{alice}-{number}") for number in range(3)]
    ids = {connection_id(socket) for socket in sockets}
    await told(behind, 3)
    await behind.redis.client_kill_filter(_type="pubsub")
    again = await told(behind, 3)
    assert {command.connection_id for command in again if isinstance(command, relay.Connected)} == ids
    while not await behind.empty(PRESENCE_RENEWALS):
        await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)
    await behind.redis.delete(keys.key(keys.GATEWAY, gateway.id))
    await sockets[0].close()
    # Leases may be lost as well: they are renewed before friends are asked for.
    renewal = await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder, 20)
    assert ids - {connection_id(sockets[0])} <= {connection for _, connection in renewal.connections}
    again = await told(behind, 3)
    assert {command.connection_id for command in again if isinstance(command, relay.Connected)} == ids - {
        connection_id(sockets[0])
    }


async def test_connections_are_announced_again_a_few_at_a_time(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "REPEATS", 2)
    for number in range(5):
        await gateway.connect(f"{alice}-{number}")
    await told(behind, 5)
    gateway.process.dispatcher.presence.repeat(gateway.process.hub)
    gateway.process.dispatcher.presence.repeat(gateway.process.hub)
    batches = [await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder) for _ in range(3)]
    assert [len(batch.commands) for batch in batches] == [2, 2, 1]


async def test_a_connection_unknown_to_presence_is_announced_later(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker was away for so long that commands were given up."""
    monkeypatch.setattr(presence, "MAX_WAITING", 1)
    socket = await gateway.connect(alice)
    await told(behind, 1)
    publisher = gateway.process.dispatcher.presence
    publisher.connected(identity(alice), connection_id(socket))
    publisher.disconnected("somebody", "else", clean=True)
    commands = await told(behind, 2)
    assert [type(command) for command in commands] == [relay.Disconnected, relay.Connected]


async def test_leases_are_renewed_in_batches(
    start_gateway: StartGateway, behind: Backend, alice: str, bob: str
) -> None:
    gateway = await start_gateway(lease_seconds=1.5)
    sockets = [await gateway.connect(alice), await gateway.connect(bob)]
    everyone = {(identity(alice), connection_id(sockets[0])), (identity(bob), connection_id(sockets[1]))}
    async with asyncio.timeout(60):
        while True:
            renewal = await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)
            assert renewal.gateway_id == gateway.id
            if {tuple(entry) for entry in renewal.connections} == everyone:
                break


async def a_period_begins(gateway: RunningGateway, behind: Backend, username: str) -> None:
    """Return right after signs of life were told: those of the next second are told together."""
    socket = await gateway.connect(username)
    await socket.send("ping")
    await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)


async def test_a_connection_that_may_still_be_refused_is_not_renewed(
    start_gateway: StartGateway, behind: Backend, alice: str, bob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user was shown online for a minute, whatever became of the handshake."""
    gateway, let_in = await start_gateway(lease_seconds=0.6), asyncio.Event()
    await gateway.connect(bob)

    async def register(*_claims: object) -> None:
        await let_in.wait()

    monkeypatch.setattr(gateway.process.user_registration, "register", register)
    opening = asyncio.create_task(gateway.connect(alice))
    await until(lambda: bool(gateway.process.hub.of_user(identity(alice))))
    for _ in range(4):
        renewal = await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)
        assert {user for user, _ in renewal.connections} == {identity(bob)}
    let_in.set()
    await opening


async def test_who_pings_or_pongs_is_renewed_within_a_second_or_so(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    """However often, it is one message; who shows nothing waits for the next batch of all."""
    pinging, ponging, _silent = [await gateway.connect(f"{alice}-{number}") for number in range(3)]
    await a_period_begins(gateway, behind, alice)
    for _ in range(5):
        await pinging.send("ping")
        await ponging.connection.pong()
    renewal = await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)
    assert {connection for _, connection in renewal.connections} == {connection_id(pinging), connection_id(ponging)}
    assert len(renewal.connections) == 2
    assert abs(renewal.at_ms / 1000 - time.time()) < 60
    await pinging.send("ping")
    renewal = await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)
    assert renewal.connections == [(identity(f"{alice}-0"), connection_id(pinging))]
    assert await behind.empty(PRESENCE_RENEWALS)


async def test_leases_are_renewed_together_in_messages_of_bounded_size(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_renewals, "RENEWALS", 1)
    monkeypatch.setattr(lease_renewals, "ALIVE_SECONDS", 4.0)
    sockets = [await gateway.connect(f"{alice}-{number}") for number in range(3)]
    for socket in sockets:
        await socket.send("ping")
    renewals = [await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder) for _ in sockets]
    assert {each.connections[0][1] for each in renewals} == {connection_id(socket) for socket in sockets}
    assert renewals[-1].at_ms - renewals[0].at_ms < 1000 * lease_renewals.ALIVE_SECONDS


async def test_who_has_gone_is_not_renewed(gateway: RunningGateway, behind: Backend, alice: str, bob: str) -> None:
    gone, here = await gateway.connect(alice), await gateway.connect(bob)
    await a_period_begins(gateway, behind, alice)
    for socket in (gone, here):
        await socket.send("ping")
    await gone.close()
    renewal = await behind.take(PRESENCE_RENEWALS, relay.lease_renewal_decoder)
    assert renewal.connections == [(identity(bob), connection_id(here))]


async def test_repeated_typing_is_told_once_a_second_and_ends_by_itself(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    socket = await gateway.connect(alice)
    for _ in range(5):
        await socket.send("typing.start", conversationId=conversation)
    started = time.monotonic()
    assert await signals(behind, 1) == [(conversation, True)]
    assert await signals(behind, 1) == [(conversation, False)]
    assert time.monotonic() - started > 2.5
    assert await behind.empty(MESSAGING_SIGNALS)


async def test_typing_ends_when_told_and_when_the_typist_goes(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TYPING_SECONDS", 3600)  # It doesn't end by itself.
    socket = await gateway.connect(alice)
    await socket.send("typing.start", conversationId=conversation)
    await socket.send("typing.stop", conversationId=conversation)
    await socket.send("typing.stop", conversationId=conversation)
    assert await signals(behind, 2) == [(conversation, True), (conversation, False)]
    await socket.send("typing.start", conversationId=conversation)
    assert await signals(behind, 1) == [(conversation, True)]
    await socket.cut()
    assert await signals(behind, 1) == [(conversation, False)]


async def test_typing_ends_when_the_message_is_sent(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    socket = await gateway.connect(alice)
    await socket.send("typing.start", conversationId=conversation)
    await socket.send("message.send", conversationId=conversation, type="text", content="x")
    assert await signals(behind, 2) == [(conversation, True), (conversation, False)]


async def test_a_client_may_not_type_everywhere_at_once(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    for number in range(30):
        await socket.send("typing.start", conversationId=f"33333333-3333-4333-8333-{number:012d}")
    await socket.send("ping")
    await socket.expect("pong")
    held = gateway.process.hub.by_id[connection_id(socket)]
    assert held.typing is not None
    assert len(held.typing.indicators) == 16
