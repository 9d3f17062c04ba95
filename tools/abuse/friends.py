"""Many friends for the account, by the import of the server API."""

import json
import uuid
from collections.abc import Iterator
from typing import Final

import httpx

from tools.abuse.hostile import Hostile
from tools.devtoken import mint, user_id

IMPORT_SECONDS: Final = 60
SCOPE: Final = "chat.admin"


async def befriend(hostile: Hostile, count: int) -> None:
    """Make the honest users and so many others friends of the account. Raises httpx.HTTPError."""
    admin_url = hostile.target.admin_url
    if admin_url is None:
        raise ValueError("the import of friends needs the address of the server API")
    headers = {
        "Authorization": f"Bearer {mint('platform', scope=SCOPE)}",
        "Content-Type": "application/x-ndjson",
    }
    body = "\n".join(json.dumps(line) for line in _lines(hostile, count))
    async with httpx.AsyncClient(base_url=admin_url, timeout=IMPORT_SECONDS, trust_env=False) as http:
        answer = (await http.post("/chat/admin/import", headers=headers, content=body)).raise_for_status().json()
    if answer["failures"]:
        raise ValueError(f"{answer['failures']} friends were not imported: {answer['failed'][:3]}")


def _lines(hostile: Hostile, count: int) -> Iterator[dict[str, str]]:
    mine = str(user_id(hostile.name))
    friends = [str(user_id(name)) for name in hostile.honest]
    for number in range(count - len(friends)):
        friends.append(str(uuid.uuid4()))
        yield {"kind": "user", "id": friends[-1], "username": f"{hostile.name}-friend-{number}"}
    for friend in friends:
        yield {"kind": "follow", "follower": mine, "followee": friend}
        yield {"kind": "follow", "follower": friend, "followee": mine}
