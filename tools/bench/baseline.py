"""The hand-written app that the system is compared with: one FastAPI process, one INSERT for each message, routing in memory.

A developer can write it in an afternoon: sign-in, messages, history, the list of conversations, typing and the presence of
friends, with pydantic models and one statement for each query. It gives none of the protocol's guarantees: a retried message is
stored again, nothing is replayed, and a second process would not know the users of the first. `python -m tools.bench.baseline`
runs it with CHAT_DATABASE_URL, CHAT_JWT_SECRET and CHAT_HTTP_PORT.
"""

import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnected

SCHEMA: Final = """
    CREATE SCHEMA IF NOT EXISTS baseline;
    CREATE TABLE IF NOT EXISTS baseline.users (
        id uuid PRIMARY KEY, username text UNIQUE NOT NULL, last_seen timestamptz
    );
    CREATE TABLE IF NOT EXISTS baseline.follows (
        follower uuid NOT NULL, followee uuid NOT NULL, PRIMARY KEY (follower, followee)
    );
    CREATE INDEX IF NOT EXISTS followees ON baseline.follows (followee, follower);
    CREATE TABLE IF NOT EXISTS baseline.conversations (
        id uuid PRIMARY KEY, a uuid NOT NULL, b uuid NOT NULL, last_seq bigint NOT NULL DEFAULT 0, UNIQUE (a, b)
    );
    CREATE INDEX IF NOT EXISTS of_b ON baseline.conversations (b);
    CREATE TABLE IF NOT EXISTS baseline.messages (
        id uuid PRIMARY KEY, conversation_id uuid NOT NULL, seq bigint NOT NULL, sender_id uuid NOT NULL,
        type text NOT NULL, content text NOT NULL, created_at timestamptz NOT NULL, UNIQUE (conversation_id, seq)
    );
"""
INSERT: Final = """
    INSERT INTO baseline.messages (id, conversation_id, seq, sender_id, type, content, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
HISTORY: Final = """
    SELECT m.id::text, m.conversation_id::text AS "conversationId", m.seq, m.sender_id::text AS "senderId", m.type, m.content,
           m.created_at AS "createdAt", u.username
    FROM baseline.messages m JOIN baseline.users u ON u.id = m.sender_id
    WHERE m.conversation_id = $1 AND m.seq > $2 ORDER BY m.seq LIMIT $3
"""
LIST: Final = """
    SELECT c.id::text, u.id::text AS "userId", u.username, m.seq AS "lastSeq", m.content AS "lastMessage",
           m.created_at AS "updatedAt"
    FROM (SELECT id, b AS other FROM baseline.conversations WHERE a = $1
          UNION ALL SELECT id, a FROM baseline.conversations WHERE b = $1) c
    JOIN baseline.users u ON u.id = c.other
    LEFT JOIN LATERAL (SELECT * FROM baseline.messages WHERE conversation_id = c.id ORDER BY seq DESC LIMIT 1) m ON true
    ORDER BY m.created_at DESC NULLS LAST LIMIT $2
"""
FRIENDS: Final = """
    SELECT u.id::text, u.last_seen FROM baseline.follows f
    JOIN baseline.follows back ON back.follower = f.followee AND back.followee = f.follower
    JOIN baseline.users u ON u.id = f.followee
    WHERE f.follower = $1
"""
SIGN_IN: Final = """
    INSERT INTO baseline.users (id, username) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET username = EXCLUDED.username
"""


class MessageOut(BaseModel):
    """A message of history."""

    id: str
    conversationId: str  # noqa: N815 - the contract's name
    seq: int
    senderId: str  # noqa: N815 - the contract's name
    username: str
    type: str
    content: str
    createdAt: datetime  # noqa: N815 - the contract's name


class ConversationOut(BaseModel):
    """A conversation of the list."""

    id: str
    userId: str  # noqa: N815 - the contract's name
    username: str
    lastSeq: int | None  # noqa: N815 - the contract's name
    lastMessage: str | None  # noqa: N815 - the contract's name
    updatedAt: datetime | None  # noqa: N815 - the contract's name


class Messages(BaseModel):
    """A page of history."""

    items: list[MessageOut]


class Conversations(BaseModel):
    """The list."""

    items: list[ConversationOut]


class Chat:
    """The state of the app: the pool, the connected users, and all conversations, in memory."""

    def __init__(self) -> None:
        self.pool: asyncpg.Pool[asyncpg.Record]
        self.sockets: defaultdict[str, set[WebSocket]] = defaultdict(set)
        self.statuses: dict[str, str] = {}
        self.conversations: dict[str, list[str]] = {}
        self.last_seq: defaultdict[str, int] = defaultdict(int)

    async def send(self, user: str, payload: dict[str, Any]) -> None:
        """Store a message, and send it to both participants."""
        conversation_id = payload["conversationId"]
        participants = self.conversations.get(conversation_id, [])
        if user not in participants:
            return
        self.last_seq[conversation_id] += 1
        message = {
            "id": str(uuid.uuid4()),
            "conversationId": conversation_id,
            "seq": self.last_seq[conversation_id],
            "senderId": user,
            "type": payload["type"],
            "content": payload["content"],
            "createdAt": datetime.now(UTC).isoformat(),
        }
        arguments = [message[name] for name in ("id", "conversationId", "seq", "senderId", "type", "content")]
        await self.pool.execute(INSERT, *arguments, datetime.now(UTC))
        for participant in participants:
            mine = participant == user
            event = {
                "type": "message.sent" if mine else "message.new",
                "payload": {"message": message, **({"tempId": payload.get("tempId")} if mine else {})},
            }
            await self.tell([participant], event)

    async def typing(self, user: str, frame: dict[str, Any]) -> None:
        """Pass a typing event on."""
        conversation_id = frame["payload"]["conversationId"]
        others = [other for other in self.conversations.get(conversation_id, []) if other != user]
        await self.tell(others, {"type": frame["type"], "payload": {"conversationId": conversation_id, "userId": user}})

    async def friends(self, user: str) -> list[dict[str, Any]]:
        """Return the user's friends with their statuses."""
        rows = await self.pool.fetch(FRIENDS, user)
        return [{**self.status(row["id"]), "lastSeen": _instant(row["last_seen"])} for row in rows]

    def status(self, user: str) -> dict[str, Any]:
        """Return the status of a user as friends see it."""
        online = bool(self.sockets.get(user))
        shown = self.statuses.get(user, "online") if online else "offline"
        return {"userId": user, "isOnline": online, "status": shown, "lastSeen": _instant(datetime.now(UTC))}

    async def tell_friends(self, user: str, kind: str) -> None:
        """Send the user's status to all friends, as an event of type `kind`."""
        friends = [row["id"] for row in await self.pool.fetch(FRIENDS, user)]
        await self.tell(friends, {"type": kind, "payload": self.status(user)})

    async def tell(self, users: Iterable[str], event: dict[str, Any]) -> None:
        """Send an event to all connections of these users. A connection that has just closed is no error of the sender."""
        for user in users:
            for socket in list(self.sockets.get(user, ())):
                with suppress(RuntimeError, WebSocketDisconnect):
                    await socket.send_json(event)


chat = Chat()


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the pool and create the tables."""
    chat.pool = await asyncpg.create_pool(os.environ["CHAT_DATABASE_URL"], min_size=50, max_size=50)
    await chat.pool.execute(SCHEMA)
    yield
    await chat.pool.close()


app = FastAPI(lifespan=lifespan)


async def sign_in(token: str) -> str:
    """Verify a token, store its user, and return the user's id."""
    claims = jwt.decode(token, os.environ["CHAT_JWT_SECRET"], algorithms=["HS256"])
    # When a new user's first requests come at the same time, only one of them stores the user.
    with suppress(asyncpg.UniqueViolationError):
        await chat.pool.execute(SIGN_IN, claims["sub"], claims.get("preferred_username", claims["sub"]))
    return str(claims["sub"])


async def user_of(authorization: str = Header()) -> str:
    """The user that a request is from."""
    return await sign_in(authorization.removeprefix("Bearer "))


@app.get("/chat/users/me")
async def me(user: str = Depends(user_of)) -> dict[str, str]:
    """The user."""
    return {"id": user}


@app.post("/chat/conversations")
async def open_conversation(body: dict[str, str], user: str = Depends(user_of)) -> dict[str, str]:
    """A conversation with another user."""
    query = "SELECT id::text FROM baseline.users WHERE username = $1"
    other = await chat.pool.fetchval(query, body["username"])
    if other is None:
        raise HTTPException(404)
    conversation_id = str(uuid.uuid4())
    chat.conversations[conversation_id] = [user, other]
    query = "INSERT INTO baseline.conversations VALUES ($1, $2, $3)"
    await chat.pool.execute(query, conversation_id, user, other)
    return {"id": conversation_id}


@app.get("/chat/conversations")
async def conversations(limit: int = 50, user: str = Depends(user_of)) -> Conversations:
    """The user's conversations, newest first."""
    rows = await chat.pool.fetch(LIST, user, limit)
    return Conversations(items=[ConversationOut(**row) for row in rows])


@app.get("/chat/conversations/{conversation_id}/messages")
async def history(
    conversation_id: str,
    afterSeq: int = 0,  # noqa: N803 - the contract's name
    limit: int = 50,
    user: str = Depends(user_of),
) -> Messages:
    """Messages by seq."""
    if user not in chat.conversations.get(conversation_id, []):
        raise HTTPException(404)
    rows = await chat.pool.fetch(HISTORY, conversation_id, afterSeq, limit)
    return Messages(items=[MessageOut(**row) for row in rows])


@app.websocket("/chat/ws")
async def websocket(socket: WebSocket) -> None:
    """Serve one connection. Its frames are handled one after another."""
    protocols = socket.headers.get("sec-websocket-protocol", "").split(", ")
    user = await sign_in(protocols[-1].removeprefix("bearer."))
    await socket.accept(subprotocol="chat.v1")
    first = not chat.sockets[user]
    chat.sockets[user].add(socket)
    try:
        await socket.send_json({"type": "connection.success", "payload": {"userId": user}})
        await socket.send_json({"type": "status.bulk", "payload": {"users": await chat.friends(user)}})
        if first:
            await chat.tell_friends(user, "user.online")
        while True:
            await on_frame(user, await socket.receive_json())
    except (WebSocketDisconnect, WebSocketDisconnected):
        # WebSocketDisconnected is raised when another task has found the socket closed first, while it sent a message.
        pass
    finally:
        chat.sockets[user].discard(socket)
        if not chat.sockets[user]:
            await chat.pool.execute("UPDATE baseline.users SET last_seen = now() WHERE id = $1", user)
            await chat.tell_friends(user, "user.offline")


async def on_frame(user: str, frame: dict[str, Any]) -> None:
    """Handle one frame of a client."""
    if frame["type"] == "message.send":
        await chat.send(user, frame["payload"])
    elif frame["type"] in {"typing.start", "typing.stop"}:
        await chat.typing(user, frame)
    elif frame["type"] == "presence.set":
        chat.statuses[user] = frame["payload"]["status"]
        await chat.tell_friends(user, "user.status")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["CHAT_HTTP_PORT"]), log_level="warning")
