"""Which handshakes are accepted, and how the others are refused (docs/protocol.md, «Connecting»)."""

import asyncio
import contextlib
import email
import json
import logging

import pytest
from websockets.frames import Frame, Opcode

from shared.auth import Principal
from shared.directory import Directory
from shared.postgres import open_pool
from shared.rest import http_protocol
from tests.support.gateway import SECONDS, RunningGateway, StartGateway, eventually, identity, until
from tests.support.sockets import RawSocket, refused
from tests.support.tcp import Tcp, raw, upgrade_request
from tools.devtoken import mint

UNAUTHORIZED = {
    "type": "error",
    "error": {"code": "unauthorized", "message": "Authentication required", "retryable": False},
}


async def test_a_refused_handshake_is_an_http_answer(gateway: RunningGateway) -> None:
    refusal = await refused(gateway.url, None)
    assert (refusal.status, refusal.body) == (401, UNAUTHORIZED)
    assert refusal.headers["www-authenticate"] == "Bearer"


async def test_a_refused_token_is_told_why(gateway: RunningGateway, alice: str) -> None:
    refusal = await refused(gateway.url, mint(alice, lifetime_seconds=-60))
    challenge = refusal.headers["www-authenticate"]
    assert challenge == 'Bearer error="invalid_token", error_description="expired"'
    refusal = await refused(gateway.url, mint(alice)[:-4] + "AAAA")
    assert 'error="invalid_token"' in refusal.headers["www-authenticate"]


async def test_a_foreign_origin_is_forbidden(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(allowed_origins="https://chat.example")
    refusal = await refused(gateway.url, mint(alice), additional_headers={"Origin": "https://evil.example"})
    assert refusal.status == 403
    assert refusal.body["error"]["code"] == "forbidden"
    await gateway.connect(alice, additional_headers={"Origin": "https://chat.example"})
    await gateway.connect(alice)


async def test_a_page_of_a_foreign_origin_can_read_its_verdict(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(allowed_origins="https://chat.example")
    origin = {"Origin": "https://evil.example"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    granted = await gateway.request("OPTIONS", "/chat/ws", headers=origin | asked)
    assert granted.is_success
    assert granted.headers["access-control-allow-origin"] == "https://evil.example"
    assert granted.headers["access-control-allow-headers"].lower() == "authorization"
    verdict = await gateway.get("/chat/ws", headers={"Authorization": f"Bearer {mint(alice)}", **origin})
    assert (verdict.status_code, verdict.json()["error"]["code"]) == (403, "forbidden")
    assert verdict.headers["access-control-allow-origin"] == "https://evil.example"
    elsewhere = await gateway.request("OPTIONS", "/chat", headers=origin | asked)
    assert elsewhere.status_code == 403
    assert "access-control-allow-origin" not in elsewhere.headers


async def test_the_query_token_can_be_switched_off(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(query_token=False)
    assert (await refused(gateway.url, None, query={"token": mint(alice)})).status == 401


async def test_two_tokens_that_differ(gateway: RunningGateway, alice: str, bob: str) -> None:
    refusal = await refused(gateway.url, mint(alice), query={"token": mint(bob)})
    assert refusal.status == 400
    assert refusal.body["error"]["code"] == "validation_error"


async def test_a_query_that_takes_long_to_read_is_refused_unread(gateway: RunningGateway, alice: str) -> None:
    """Also before the user is known, because the token may be in the query. Too long a query is refused as any head is."""
    refusal = await refused(gateway.url, mint(alice), query={f"x{number}": "" for number in range(200)})
    assert refusal.status == 400
    assert "query" in refusal.body["error"]["message"]


async def test_a_full_gateway_says_when_to_come_back(start_gateway: StartGateway, alice: str, bob: str) -> None:
    gateway = await start_gateway(max_connections=1)
    first = await gateway.connect(alice)
    refusal = await refused(gateway.url, mint(bob))
    assert refusal.status == 503
    assert int(refusal.headers["retry-after"]) >= 1
    assert refusal.body["error"]["code"] == "unavailable"
    await first.close()
    await until(lambda: not len(gateway.process.hub))
    await gateway.connect(bob)


async def test_returning_clients_come_before_cold_ones(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(handshakes_per_second=1)
    await gateway.connect(alice)
    assert (await refused(gateway.url, mint(alice))).status == 503
    await gateway.connect(alice, cursor="1-1")
    assert (await refused(gateway.url, mint(alice), cursor="1-1")).status == 503


async def test_who_has_no_token_keeps_nobody_out(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(handshakes_per_second=1)
    assert [(await refused(gateway.url, "nonsense")).status for _ in range(5)] == [401] * 5
    await gateway.connect(alice)


async def test_a_draining_gateway_is_unready_and_refuses(gateway: RunningGateway, alice: str) -> None:
    gateway.process.admission.draining = True
    assert (await refused(gateway.url, mint(alice))).status == 503
    assert not await gateway.ready()
    plain = await gateway.get("/chat/ws", headers={"Authorization": f"Bearer {mint(alice)}"})
    assert (plain.status_code, plain.headers["retry-after"]) == (503, "1")


async def test_a_plain_get_gives_the_verdict(gateway: RunningGateway, alice: str) -> None:
    allowed = await gateway.get("/chat/ws", headers={"Authorization": f"Bearer {mint(alice)}"})
    assert (allowed.status_code, allowed.headers["upgrade"]) == (426, "websocket")
    assert (allowed.json()["type"], allowed.json()["error"]["code"]) == ("error", "validation_error")
    assert "sec-websocket-accept" not in allowed.headers
    denied = await gateway.get("/chat/ws")
    assert (denied.status_code, denied.json()) == (401, UNAUTHORIZED)


async def test_without_redis_nobody_comes_in(start_gateway: StartGateway, alice: str) -> None:
    gateway = await start_gateway(redis="redis://127.0.0.1:1", wait=False)
    refusal = await refused(gateway.url, mint(alice))
    assert refusal.status == 503
    assert int(refusal.headers["retry-after"]) >= 1
    plain = await gateway.get("/chat/ws", headers={"Authorization": f"Bearer {mint(alice)}"})
    assert plain.status_code == 503


async def test_without_postgresql_people_connect_all_the_same(start_gateway: StartGateway, alice: str) -> None:
    """Nor is one waited for that takes connections and says nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        gateway = await start_gateway(database=f"postgresql://chat@127.0.0.1:{port}/none?connect_timeout=600")
        await gateway.connect(alice)
        await gateway.connect(alice)


async def test_a_user_is_known_by_name_when_the_connection_succeeds(gateway: RunningGateway, alice: str) -> None:
    await gateway.connect(alice)
    pool = await open_pool(gateway.process.settings.database_url, size=1, application_name="look")
    profile = await Directory(pool).find_by_username(alice)
    await pool.close()
    assert profile is not None
    assert profile.user_id == identity(alice)


async def test_a_refreshed_token_makes_its_claims_known(gateway: RunningGateway, alice: str) -> None:
    socket = await gateway.connect(alice)
    await socket.send("auth.refresh", token=mint(alice, name="Alice Liddell"))
    await socket.expect("auth.refreshed")
    pool = await open_pool(gateway.process.settings.database_url, size=1, application_name="look")
    directory = Directory(pool)

    async def renamed() -> bool:
        profile = await directory.find_by_username(alice)
        return profile is not None and profile.display_name == "Alice Liddell"

    await eventually(renamed)
    await pool.close()


async def test_many_users_at_once_are_registered_in_few_statements(gateway: RunningGateway, alice: str) -> None:
    sockets = await asyncio.gather(*(gateway.connect(f"{alice}-{number}") for number in range(40)))
    assert len(sockets) == 40
    pool = await open_pool(gateway.process.settings.database_url, size=1, application_name="look")
    known = await Directory(pool).profiles(identity(f"{alice}-{number}") for number in range(40))
    await pool.close()
    assert {profile.username for profile in known.values()} == {f"{alice}-{number}" for number in range(40)}


async def test_names_change_hands_within_one_batch(gateway: RunningGateway, alice: str) -> None:
    pool = await open_pool(gateway.process.settings.database_url, size=1, application_name="look")
    directory = Directory(pool)
    ids = [identity(f"{alice}-{number}") for number in range(3)]
    await directory.ensure_all([Principal(ids[0], 0, username=alice, name="One")])
    await directory.ensure_all(
        [Principal(ids[1], 0, username=alice), Principal(ids[0], 0, username="x" + alice), Principal(ids[2], 0)]
    )
    known = await directory.profiles(ids)
    await pool.close()
    assert {user: profile.username for user, profile in known.items()} == {
        ids[0]: "x" + alice,
        ids[1]: alice,
        ids[2]: ids[2],
    }


async def test_tokens_never_reach_a_log(
    gateway: RunningGateway, alice: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    token = mint(alice)
    with caplog.at_level(logging.WARNING):
        async with await RawSocket.connect(gateway.url, None, query={"token": token}) as socket:
            await socket.expect("connection.success")
        await refused(gateway.url, None, query={"token": token + "x"})
        await refused(gateway.url, token + "x")
    written = caplog.text + "".join(capsys.readouterr())
    assert token.rpartition(".")[2] not in written
    assert token.partition(".")[0] not in written


async def test_a_denial_logs_no_error(gateway: RunningGateway, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await refused(gateway.url, "nonsense")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("Sec-WebSocket-Version: 13", "X-Nothing: 13", 426),
        ("X-Nothing: 0", "Sec-WebSocket-Protocol: chat.v1, bearer.not a token", 400),
        ("X-Nothing: 0", "Sec-WebSocket-Protocol: chat.v1, bearer.n\u00f6 token", 400),
        ("Sec-WebSocket-Key", "X-Key", 400),
        ("GET", "POST", 405),
    ],
)
async def test_an_upgrade_that_is_no_websocket_is_explained(
    gateway: RunningGateway, alice: str, old: str, new: str, status: int
) -> None:
    reader, writer = await raw(gateway)
    request = upgrade_request("/chat/ws", f"Authorization: Bearer {mint(alice)}", "X-Nothing: 0").decode()
    writer.write(request.replace(old, new, 1).encode("latin-1"))
    head, _, body = (await asyncio.wait_for(reader.read(), SECONDS)).partition(b"\r\n\r\n")
    writer.close()
    headers = email.message_from_bytes(head.partition(b"\r\n")[2])
    assert int(head.split(b" ")[1]) == status
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Sec-WebSocket-Accept"] is None
    if status == 426:
        assert (headers["Upgrade"], headers["Sec-WebSocket-Version"]) == ("websocket", "13")
    error = json.loads(body)
    assert (error["type"], error["error"]["code"]) == ("error", "validation_error")
    assert b"token" not in body


@pytest.mark.parametrize(
    "request_bytes",
    [
        upgrade_request("/chat/ws", f"X-Long: {'a' * 9000}"),
        upgrade_request(f"/chat/ws?token={'a' * 9000}"),
        upgrade_request("/chat/ws", *(f"X-{number}: y" for number in range(200))),
        upgrade_request("/chat/ws", f"X-Huge: {'a' * 40_000}"),
    ],
    ids=["9 KB header", "9 KB query", "200 headers", "40 KB header"],
)
async def test_a_request_that_is_too_large_is_answered_and_ended(gateway: RunningGateway, request_bytes: bytes) -> None:
    reader, writer = await raw(gateway)
    writer.write(request_bytes)
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    assert answer.split(b" ")[1] in {b"414", b"431"}
    writer.close()
    await until(lambda: not gateway.server.server_state.connections)


@pytest.mark.parametrize("part", [b"", b"GET /chat/ws HT", upgrade_request("/chat/ws")[:-4]])
async def test_half_a_request_is_cut_off(
    start_gateway: StartGateway, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.3)
    gateway = await start_gateway()
    reader, writer = await raw(gateway)
    writer.write(part)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
    writer.close()
    await until(lambda: not gateway.server.server_state.connections)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/chat/other", 403), ("POST", "/chat/ws", 405), ("GET", "/", 403)],
)
async def test_other_upgrades_are_refused(gateway: RunningGateway, method: str, path: str, status: int) -> None:
    reader, writer = await raw(gateway)
    writer.write(upgrade_request(path).replace(b"GET", method.encode(), 1))
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    assert int(answer.split(b" ")[1]) == status
    writer.close()


async def test_garbage_is_refused(gateway: RunningGateway) -> None:
    reader, writer = await raw(gateway)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    assert answer.startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_frame_in_the_packet_of_the_handshake_is_answered(gateway: RunningGateway, alice: str) -> None:
    reader, writer = await raw(gateway)
    ping = Frame(Opcode.TEXT, b'{"type":"ping","payload":{"timestamp":7}}').serialize(mask=True)
    more = Frame(Opcode.TEXT, b'{"type":"ping","payload":{"timestamp":8}}').serialize(mask=True)
    # The second frame is cut: its end comes later.
    writer.write(upgrade_request("/chat/ws", f"Authorization: Bearer {mint(alice)}") + ping + more[:9])
    client = Tcp(reader, writer)
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    assert b"connection.success" in (await client.frame())[1]
    assert b'"echo":7' in (await client.frame())[1]
    writer.write(more[9:])
    assert b'"echo":8' in (await client.frame())[1]


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/3.0"])
async def test_an_upgrade_needs_http_1_1(gateway: RunningGateway, alice: str, version: bytes) -> None:
    reader, writer = await raw(gateway)
    request = upgrade_request("/chat/ws", f"Authorization: Bearer {mint(alice)}")
    writer.write(request.replace(b"HTTP/1.1", version, 1))
    assert (await reader.readuntil(b"\r\n")).split()[1] in {b"400", b"505"}
    await reader.read()


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    reader, writer = await raw(gateway)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            await reader.read()
    await until(lambda: not gateway.server.server_state.connections)
