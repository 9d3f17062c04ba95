"""The hand-written app to compare with: one FastAPI process, one INSERT for each message, routing in memory.

It is what one would write in an afternoon: the protocol's main path, and none of its guarantees. No retry finds an earlier
message, nothing is replayed, a second process would not know of the first one's users. Run by `python -m tools.bench.baseline`
with CHAT_DATABASE_URL, CHAT_JWT_SECRET and CHAT_HTTP_PORT.
"""

import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect

SCHEMA: Final = """
    CREATE SCHEMA IF NOT EXISTS baseline;
    CREATE TABLE IF NOT EXISTS baseline.users (id uuid PRIMARY KEY, username text UNIQUE NOT NULL);
    CREATE TABLE IF NOT EXISTS baseline.conversations (
        id uuid PRIMARY KEY, a uuid NOT NULL, b uuid NOT NULL, last_seq bigint NOT NULL DEFAULT 0, UNIQUE (a, b)
    );
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
    SELECT seq, content FROM baseline.messages WHERE conversation_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""


class Chat:
    """The state of the app: a pool, who is connected, and the conversations in memory."""

    def __init__(self) -> None:
        self.pool: asyncpg.Pool[asyncpg.Record]
        self.sockets: defaultdict[str, set[WebSocket]] = defaultdict(set)
        self.conversations: dict[str, list[str]] = {}
        self.last_seq: defaultdict[str, int] = defaultdict(int)

    async def send(self, user: str, payload: dict[str, Any]) -> None:
        """Store a message, and tell both sides."""
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
            for socket in self.sockets[participant]:
                await socket.send_json(event)


chat = Chat()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the pool, make the tables."""
    chat.pool = await asyncpg.create_pool(os.environ["CHAT_DATABASE_URL"], min_size=50, max_size=50)
    await chat.pool.execute(SCHEMA)
    yield
    await chat.pool.close()


app = FastAPI(lifespan=lifespan)


def claims_of(token: str) -> dict[str, Any]:
    """The verified claims of a token."""
    return jwt.decode(token, os.environ["CHAT_JWT_SECRET"], algorithms=["HS256"])


async def user_of(authorization: str = Header()) -> str:
    """The user that a request is from."""
    claims = claims_of(authorization.removeprefix("Bearer "))
    name = claims.get("preferred_username", claims["sub"])
    query = "INSERT INTO baseline.users VALUES ($1, $2) ON CONFLICT DO NOTHING"
    await chat.pool.execute(query, claims["sub"], name)
    return str(claims["sub"])


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


@app.get("/chat/conversations/{conversation_id}/messages")
async def history(conversation_id: str, afterSeq: int = 0, limit: int = 50) -> dict[str, Any]:  # noqa: N803 - the contract's name
    """Messages by seq."""
    rows = await chat.pool.fetch(HISTORY, conversation_id, afterSeq, limit)
    return {"items": [dict(row) for row in rows], "nextPage": None}


@app.websocket("/chat/ws")
async def websocket(socket: WebSocket) -> None:
    """One connection: messages are stored one after the other, as they come."""
    protocols = socket.headers.get("sec-websocket-protocol", "").split(", ")
    user = claims_of(protocols[-1].removeprefix("bearer."))["sub"]
    await socket.accept(subprotocol="chat.v1")
    chat.sockets[user].add(socket)
    try:
        await socket.send_json({"type": "connection.success", "payload": {"userId": user}})
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "message.send":
                await chat.send(user, frame["payload"])
    except WebSocketDisconnect:
        pass
    finally:
        chat.sockets[user].discard(socket)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["CHAT_HTTP_PORT"]), log_level="warning")
