"""Every answer of the server API is one that its OpenAPI document describes."""

from typing import Any

import httpx

from tests.support.declared import CHECKS, operations
from tests.support.platform import Platform
from tools.devtoken import mint
from tools.docs import admin_openapi

OPERATIONS = operations(admin_openapi.document())


def check(response: httpx.Response, status: int, call: str, **path_names: str) -> Any:
    """Check a response, and return its JSON."""
    assert response.status_code == status, f"{call}: {response.status_code} {response.text}"
    OPERATIONS[call].Case(path_parameters=path_names).validate_response(response, checks=CHECKS)
    return response.json()


async def test_answers_are_as_described_also_when_nothing_is_new(platform: Platform) -> None:
    one, other = await platform.make_user("one"), await platform.make_user("other")
    users = {"userIds": [one["id"], other["id"]]}
    for status in (201, 200):
        opened = await platform.call("POST", "/conversations", json=users)
        conversation = check(opened, status, "POST /chat/admin/conversations")
    path = f"/conversations/{conversation['id']}/messages"
    message = {"senderId": one["id"], "type": "text", "content": "hello", "tempId": "once"}
    for status in (201, 200):
        sent = await platform.call("POST", path, json=message)
        call = "POST /chat/admin/conversations/{conversation_id}/messages"
        check(sent, status, call, conversation_id=conversation["id"])
    listed = await platform.call("GET", path)
    check(listed, 200, "GET /chat/admin/conversations/{conversation_id}/messages", conversation_id=conversation["id"])
    for _ in range(2):
        erased = await platform.call("DELETE", f"/users/{other['id']}")
        job = check(erased, 202, "DELETE /chat/admin/users/{user_id}", user_id=other["id"])
    found = await platform.call("GET", f"/jobs/{job['id']}")
    check(found, 200, "GET /chat/admin/jobs/{job_id}", job_id=job["id"])
    check(await platform.call("GET", "/reports"), 200, "GET /chat/admin/reports")


async def test_refusals_are_as_described(platform: Platform) -> None:
    for token, status in (("none", 401), (mint("alice"), 403)):
        refused = await Platform(platform.url, token).call("GET", "/reports")
        check(refused, status, "GET /chat/admin/reports")
