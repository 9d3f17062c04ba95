"""The server API: who may call it, users before their first token, revocation, the audit log."""

import re
import uuid
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from shared.protocol.closing import CloseCode
from shared.protocol.errors import ErrorCode
from tests.support.people import People
from tests.support.plain_http import plain_http
from tests.support.platform import Platform
from tests.support.stack import Stack
from tools.devtoken import mint

OPERATIONS: Final = Path(__file__).parents[2] / "docs/operations.md"
FORBIDDEN: Final = ("DELETE FROM admin.audit", "UPDATE admin.audit SET status = 500")


async def test_a_user_exists_before_its_first_token(platform: Platform, people: People) -> None:
    carol = people.make("carol")
    body = {"username": carol.username, "displayName": "Carol C", "avatar": "https://cdn.example/c.png"}
    made = await platform.expect(200, "PUT", f"/users/{carol.id}", json=body)
    assert made == {"id": carol.id, **body}
    dave = people.make("dave")
    answer = await dave.call("POST", "/chat/conversations", json={"username": carol.username})
    assert answer.status_code == 201, answer.text
    assert made in [{name: participant[name] for name in made} for participant in answer.json()["participants"]]


async def test_a_change_by_the_platform_stands_over_the_users_own(platform: Platform, people: People) -> None:
    carol = people.make("carol")
    body = {"username": carol.username, "displayName": "Carol C", "avatar": None}
    await platform.expect(200, "PUT", f"/users/{carol.id}", json=body)
    answer = await carol.call("PATCH", "/chat/users/me", json={"displayName": "Another"})
    assert answer.status_code == 200, answer.text
    await platform.expect(200, "PUT", f"/users/{carol.id}", json=body)
    assert (await platform.expect(200, "PUT", f"/users/{carol.id}", json=body))["displayName"] == "Carol C"


async def test_user_tokens_are_forbidden_and_bad_ones_unauthorized(stack: Stack) -> None:
    path, body = f"/users/{uuid.uuid4()}/revoke", None
    forbidden = await Platform(stack.admin_url, mint("alice")).expect(403, "POST", path, json=body)
    assert forbidden["error"]["code"] == ErrorCode.FORBIDDEN
    for token in ("x.y.z", mint("platform", scope="chat.admin", lifetime_seconds=-10)):
        refused = await Platform(stack.admin_url, token).expect(401, "POST", path, json=body)
        assert refused["error"]["code"] == ErrorCode.UNAUTHORIZED
    for scope in ("chat.administrator", "xchat.admin", ["other"], 5):
        await Platform(stack.admin_url, mint("platform", scope=scope)).expect(403, "POST", path, json=body)


async def test_one_scope_of_several_suffices(stack: Stack) -> None:
    token = mint("platform", scope="openid chat.admin profile", sub="backend-of-the-platform")
    assert (await Platform(stack.admin_url, token).make_user())["username"]


async def test_the_server_api_is_not_routed_from_outside(stack: Stack, platform: Platform) -> None:
    headers = {"Authorization": f"Bearer {platform.token}"}
    async with plain_http(stack.url) as client:
        answer = await client.post(f"/chat/admin/users/{uuid.uuid4()}/revoke", headers=headers)
    assert answer.status_code in {404, 405}  # the development server has no such path, and takes no POST


async def test_bad_bodies_are_explained(platform: Platform) -> None:
    for body in (
        {},
        {"username": ""},
        {"username": "x\u200by"},
        {"username": "x", "displayName": "a\u202eb"},
        {"username": "x", "avatar": "http://cdn.example/x.png"},
    ):
        refused = await platform.expect(422, "PUT", f"/users/{uuid.uuid4()}", json=body)
        assert refused["error"]["code"] == ErrorCode.VALIDATION_ERROR
    await platform.expect(422, "PUT", "/users/nobody", json={"username": "x"})


async def test_revoking_closes_connections(platform: Platform, people: People) -> None:
    alice = people.make("alice")
    socket = await alice.connect()
    await platform.expect(204, "POST", f"/users/{alice.id}/revoke")
    assert await socket.closed() == CloseCode.TOKEN_EXPIRED
    assert (await alice.call("GET", "/chat/users/me")).status_code == 401


async def test_every_call_is_in_the_audit_log_which_is_only_added_to(stack: Stack, platform: Platform) -> None:
    user = uuid.uuid4()
    await platform.expect(204, "POST", f"/users/{user}/revoke")
    await Platform(stack.admin_url, mint("alice")).expect(403, "POST", f"/users/{user}/revoke")
    broken: dict[str, Any] = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    await platform.expect(422, "PUT", f"/users/{user}", **broken)
    await Platform(stack.admin_url, "x.y.z").expect(401, "PUT", f"/users/{user}", **broken)
    connection = await asyncpg.connect(stack.database_url)
    try:
        rows = await connection.fetch(
            "SELECT subject, status FROM admin.audit WHERE action = $1 ORDER BY id",
            f"POST /chat/admin/users/{user}/revoke",
        )
        assert [row["status"] for row in rows] == [None, 204, None, 403]
        unread = f"PUT /chat/admin/users/{user}"
        rows_of_broken = await connection.fetch("SELECT status FROM admin.audit WHERE action = $1 ORDER BY id", unread)
        assert [row["status"] for row in rows_of_broken] == [None, 422]
        assert len({row["subject"] for row in rows}) == 2
        for statement in FORBIDDEN:
            with pytest.raises(asyncpg.RaiseError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_an_operator_can_delete_the_oldest_calls_of_the_audit_log(stack: Stack) -> None:
    (commands,) = re.findall(
        r"```sql\n(BEGIN;\nALTER TABLE admin.audit .*?)```", OPERATIONS.read_text("utf-8"), re.DOTALL
    )
    connection = await asyncpg.connect(stack.database_url)
    try:
        for age in (2, 0):
            await connection.execute(
                "INSERT INTO admin.audit (call_id, at, subject, action, users, user_count) "
                "VALUES (gen_random_uuid(), now() - $1 * interval '1 year', 'nobody', 'old', '{}', 0)",
                age,
            )
        await connection.execute(commands)
        assert await connection.fetchval("SELECT count(*) FROM admin.audit WHERE action = 'old'") == 1
        with pytest.raises(asyncpg.RaiseError):
            await connection.execute(FORBIDDEN[0])
    finally:
        await connection.close()
