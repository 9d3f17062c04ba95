"""The back end of a platform that has the chat: signs people up, syncs follows, takes webhooks, and moderates messages."""

import os
import re
import time
from collections import deque
from typing import Annotated, Any
from uuid import uuid4

import httpx
import jwt
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from standardwebhooks import Webhook, WebhookVerificationError

ADMIN_URL, SECRET = os.environ["CHAT_ADMIN_URL"], os.environ["CHAT_JWT_SECRET"]
signatures = Webhook(os.environ["CHAT_WEBHOOK_SECRET"])
FORBIDDEN = {"casino"}
users: dict[str, str] = {}  # username → id; a real platform has a table with a unique index
events: deque[dict[str, Any]] = deque(maxlen=100)
app = FastAPI()


def token(subject: str, seconds: int, **claims: str) -> str:
    """A JWT that the chat accepts."""
    return jwt.encode({"sub": subject, "iat": time.time(), "exp": time.time() + seconds, **claims}, SECRET, "HS256")


async def tell_chat(path: str, body: object) -> None:
    """`PUT` to the server API, with a service token. Raises HTTPException (502)."""
    headers = {"Authorization": f"Bearer {token('platform', 60, scope='chat.admin')}"}
    try:
        async with httpx.AsyncClient(base_url=ADMIN_URL, headers=headers, timeout=35) as client:
            (await client.put(f"/chat/admin{path}", json=body)).raise_for_status()
    except httpx.HTTPError as error:
        raise HTTPException(502, "The chat did not take the change; try again later.") from error


def signed_in(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """The caller's id. A real platform has sessions of its own; here the chat token serves. Raises HTTPException (401)."""
    try:
        return str(jwt.decode(bearer.credentials, SECRET, ["HS256"], options={"require": ["sub", "exp"]})["sub"])
    except jwt.PyJWTError as error:
        raise HTTPException(401, "The token is wrong or expired; sign in again.") from error


async def signed(request: Request) -> dict[str, Any]:
    """The body of a post by the chat: `{type, timestamp, data}`. Raises HTTPException (401)."""
    try:
        verified: dict[str, Any] = signatures.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError) as error:  # ValueError: no base64, no UTF-8
        raise HTTPException(401, "The signature is wrong; check CHAT_WEBHOOK_SECRET.") from error
    return verified


@app.post("/users", status_code=201)
async def sign_up(username: Annotated[str, Body(embed=True, pattern=r"^[a-z0-9_.-]{1,30}$")]) -> dict[str, str]:
    """Make a user here and in the chat: `{id, token}`."""
    if username in users:
        raise HTTPException(409, "This username is taken; choose another.")
    users[username] = user_id = str(uuid4())
    try:
        await tell_chat(f"/users/{user_id}", {"username": username, "displayName": username, "avatar": None})
    except HTTPException:
        del users[username]
        raise
    return {"id": user_id, "token": token(user_id, 3600)}


@app.post("/token")
async def renew(me: Annotated[str, Depends(signed_in)]) -> dict[str, str]:
    """A new chat token, for the client's `getToken`."""
    return {"token": token(me, 3600)}


@app.api_route("/follows/{username}", methods=["PUT", "DELETE"], status_code=204)
async def follow(request: Request, username: str, me: Annotated[str, Depends(signed_in)]) -> None:
    """Follow somebody, or no longer."""
    if users.get(username, me) == me:
        raise HTTPException(404, "Nobody else has this username.")
    change = {"follower": me, "followee": users[username], "follows": request.method == "PUT"}
    await tell_chat("/follows", [change])


@app.post("/webhooks", status_code=204)
async def take(request: Request, event: Annotated[dict[str, Any], Depends(signed)]) -> None:
    """Keep an event. Each comes at least once: a repetition has the same `webhook-id`."""
    event_id = request.headers["webhook-id"]
    if all(kept["id"] != event_id for kept in events):
        events.append({"id": event_id, **event})


@app.get("/events")
async def sent_by(me: Annotated[str, Depends(signed_in)]) -> list[dict[str, Any]]:
    """What the chat has told of the caller's own messages, oldest first."""
    return [event for event in events if event["data"].get("senderId") == me]


@app.post("/moderation")
async def moderate(request: Annotated[dict[str, Any], Depends(signed)]) -> dict[str, list[dict[str, str]]]:
    """Reject messages with a forbidden word. The chat waits 300 ms at most."""
    verdicts = []
    for message in request["data"]["messages"]:
        found = FORBIDDEN.intersection(re.findall(r"\w+", (message["content"] or "").casefold()))
        action = {"action": "reject", "reason": f"Not here: {min(found)}"} if found else {"action": "allow"}
        verdicts.append({"id": message["id"], **action})
    return {"verdicts": verdicts}
