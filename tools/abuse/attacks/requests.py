"""REST: many at once, ever new keys, large answers, large bodies, foreign hosts."""

import asyncio
import itertools
import secrets
import uuid
from typing import Any, Final

from tools.abuse.attack import Attack
from tools.abuse.attacks.events import write_some
from tools.abuse.attacks.replays import fill_inbox
from tools.abuse.attacks.social import TOO_MANY, parallel
from tools.abuse.hostile import Hostile, Http

READERS: Final = 200
KEY: Final = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"
AUTH: Final = "tBHItJI5svbpez7KI4CCXg"
"""Of a browser that nobody has (RFC 8291, section 5 has their forms)."""
EXPANDING: Final = "%EF%B7%BA" * 255
"""U+FDFA: one character that NFKC makes 18 of."""
NESTED: Final = b'{"displayName":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
UPLOAD_BYTES: Final = 256 * 1024
RESERVE_SECONDS: Final = 0.5
PNG: Final = b"\x89PNG\r\n\x1a\n" + b"\0" * (UPLOAD_BYTES - 8)


async def history_readers(hostile: Hostile) -> None:
    """200 readers of history at once, each page as large as it may be, without pause."""

    async def again(http: Http) -> None:
        while True:
            await http.call("GET", f"/chat/conversations/{hostile.conversation_id}/messages?afterSeq=0&limit=100")

    await parallel(hostile, again, READERS)


async def clears(hostile: Hostile) -> None:
    """«Delete for me» of the same conversation, 20 at once, with an inbox of 4 MiB."""

    async def again(http: Http) -> None:
        while True:
            await http.call("DELETE", f"/chat/conversations/{hostile.conversation_id}")

    await parallel(hostile, again)


async def lists(hostile: Hostile) -> None:
    """All lists of all services, 50 requests at once, without pause."""
    paths = (
        "/chat/conversations?limit=100",
        "/chat/unread",
        "/chat/blocks",
        "/chat/friends",
        "/chat/users/me",
        "/chat/users/me/settings",
        "/chat/push/key",
        f"/chat/conversations/{hostile.conversation_id}",
    )

    async def again(http: Http) -> None:
        for path in itertools.cycle(paths):
            await http.call("GET", path)

    await parallel(hostile, again, 50)


async def searches(hostile: Hostile) -> None:
    """Searches for users by names that grow 18-fold when they are compared, 20 at once."""

    async def again(http: Http) -> None:
        while True:
            await http.call("GET", f"/chat/users?prefix=hos{secrets.token_hex(2)}")
            await http.call("GET", f"/chat/users?username={EXPANDING}")

    await parallel(hostile, again)


async def presence_ids(hostile: Hostile) -> None:
    """`GET /chat/presence` with ids of 28,000 characters and a hundred ids, ever new, 20 at once."""

    async def again(http: Http) -> None:
        while True:
            await http.call("GET", f"/chat/presence?userId={secrets.token_hex(14_000)}")
            await http.call("GET", "/chat/presence?" + "&".join(f"userId={uuid.uuid4()}" for _ in range(100)))

    await parallel(hostile, again)


async def unknown_paths(hostile: Hostile) -> None:
    """Paths that don't exist, ids that nobody has, and names with dots and line breaks, 20 at once."""
    odd = ("..", ".", "%2e%2e%2f", "%0d%0aX:1", "%00", "%ff", "a" * 5_000)

    async def again(http: Http) -> None:
        for name in itertools.cycle(odd):
            await http.call("PUT", f"/chat/follows/{name}")
            await http.call("GET", f"/chat/conversations/{uuid.uuid4()}/messages?page={secrets.token_hex(200)}")
            await http.call("GET", f"/chat/{secrets.token_hex(16)}")

    await parallel(hostile, again)


async def new_conversations(hostile: Hostile) -> None:
    """A conversation with each honest user, 20 requests at once, again and again."""

    async def again(http: Http) -> None:
        while True:
            for name in hostile.honest:
                await http.call("POST", "/chat/conversations", {"username": name})

    await parallel(hostile, again)


async def push_hosts(hostile: Hostile) -> None:
    """Subscriptions at invented hosts below a wildcard of the allow-list, and messages that are pushed there."""
    sender = await hostile.socket(name=hostile.partner)
    assert sender is not None

    async def again(http: Http) -> None:
        while True:
            host = f"{secrets.token_hex(8)}.notify.windows.com"
            keys = {"p256dh": KEY, "auth": AUTH}
            endpoint = {"endpoint": f"https://{host}/{secrets.token_hex(8)}", "keys": keys}
            await http.call("PUT", "/chat/push/subscriptions", endpoint)
            message = {"conversationId": hostile.conversation_id, "type": "text", "content": host}
            await hostile.send(sender, "message.send", **message, tempId=host)

    await parallel(hostile, again, 5)


async def hostile_bodies(hostile: Hostile) -> None:
    """Bodies nested 30,000 deep, of a million bytes, or with U+0000 and lone surrogates, 20 at once."""
    bodies: tuple[tuple[str, str, Any], ...] = (
        ("PATCH", "/chat/users/me", NESTED),
        ("PATCH", "/chat/users/me", b'{"displayName":"' + b"x" * 1_000_000 + b'"}'),
        ("DELETE", "/chat/push/subscriptions", {"endpoint": "\0"}),
        ("POST", "/chat/conversations", b'{"username":"\\ud800"}'),
        ("PUT", "/chat/push/subscriptions", {"endpoint": "https://.push.apple.com/", "keys": {}}),
        ("PATCH", "/chat/users/me/settings", b'{"push":{"mutedUntil":1e999}}'),
    )

    async def again(http: Http) -> None:
        for method, path, body in itertools.cycle(bodies):
            await http.call(method, path, body)

    await parallel(hostile, again)


async def uploads(hostile: Hostile) -> None:
    """Uploads of 256 KB that claim to be pictures and are none, 8 at once."""
    body = {
        "conversationId": hostile.conversation_id,
        "name": "x.png",
        "mimeType": "image/png",
        "size": UPLOAD_BYTES,
    }

    async def again() -> None:
        while True:
            try:
                # Not `wait_for`: before Python 3.12 it hides a cancellation when the answer has just come.
                async with asyncio.timeout(RESERVE_SECONDS):
                    reserved = await hostile.ask("POST", "/chat/uploads", body)
            except TimeoutError:
                # The quota is used up: requests go on.
                hostile.told["429"] += 1
                continue
            async with hostile.http() as http:
                path = "/" + reserved["url"].split("/", 3)[3]
                await http.call(reserved["method"], path, PNG)
                await http.call("POST", f"/chat/uploads/{reserved['uploadId']}/complete")

    await asyncio.gather(*(again() for _ in range(8)))


async def reports(hostile: Hostile) -> None:
    """Reports of a hundred messages, 20 at once."""
    body = {"conversationId": hostile.conversation_id, "seqs": list(range(1, 101)), "reason": "spam"}

    async def again(http: Http) -> None:
        while True:
            await http.call("POST", "/chat/reports", body)

    await parallel(hostile, again)


ATTACKS: Final = (
    Attack("history-readers", history_readers, TOO_MANY, fill_inbox),
    Attack("clears", clears, TOO_MANY, fill_inbox),
    Attack("lists", lists, TOO_MANY),
    Attack("searches", searches, TOO_MANY),
    Attack("presence-ids", presence_ids, TOO_MANY),
    Attack("unknown-paths", unknown_paths, TOO_MANY),
    Attack("new-conversations", new_conversations, TOO_MANY),
    Attack("push-hosts", push_hosts),
    Attack("hostile-bodies", hostile_bodies, TOO_MANY),
    Attack("uploads", uploads),
    Attack("reports", reports, TOO_MANY, write_some),
)
