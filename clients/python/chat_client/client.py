"""The client: one user's connection to the chat, with reconnects, retries and recovery.

In short:

    async with ChatClient("https://chat.example", fetch_token) as client:
        conversation = await client.rest.open_conversation(username="bob")
        await client.send(conversation["id"], "text", content="Hello there!")
        async for event in client.events():
            print(event)
"""

import asyncio
import random as chance
import uuid
from collections.abc import AsyncIterator, Coroutine
from types import TracebackType
from typing import Any, Final

from anyio import fail_after
from typing_extensions import Self, Unpack

from chat_client.advice import Advice, CloseCode, Random
from chat_client.commands import Commands
from chat_client.errors import CLOSED, ChatError, ClientClosed, ConnectionLost, FrameTooBig, error_of
from chat_client.events import Event
from chat_client.feed import Feed, Predicate
from chat_client.link import Link
from chat_client.outbox import Outbox
from chat_client.receipts import Receipts
from chat_client.recovery import Recovery
from chat_client.resources import MessageType, MoreContent
from chat_client.rest import Rest
from chat_client.text import is_blank
from chat_client.timeline import Gap, Timeline
from chat_client.tokens import TokenProvider, Tokens
from chat_client.typing_expiry import TypingExpiry
from chat_client.wire import Message

BACKLOG_EVENTS: Final = 10_000
MAX_TEMP_ID_CHARACTERS: Final = 64

Frame = dict[str, Any]


class ChatClient(Commands):
    """One connection of one user. `url` is the service's origin, such as `https://chat.example`.

    `backlog`: how many events are kept for readers of `events()` and `wait_for`. `auto_delivered`: whether «delivered» is
    reported for each message that the application got. `random`: the random numbers for back-off.
    """

    def __init__(
        self,
        url: str,
        token_provider: TokenProvider,
        *,
        backlog: int = BACKLOG_EVENTS,
        auto_delivered: bool = False,
        random: Random = chance.random,
    ) -> None:
        url = url.rstrip("/")
        tokens = self._tokens = Tokens(token_provider)
        self.rest = Rest(url, tokens)
        self.connection_id: str | None = None
        self._first_connected_at: str | None = None
        self._feed = Feed(backlog)
        self._timeline = Timeline()
        super().__init__(Link(url, tokens, random, self._on_frame, self._on_lost))
        self._outbox = Outbox(self._link, random)
        self._receipts = Receipts(self._link)
        handlers = (self._on_read, self._on_missing, self._on_unknown)
        self._recovery = Recovery(self.rest, self._timeline, random, *handlers)
        self._typing = TypingExpiry(lambda payload: self._feed.put({"type": "typing.stop", "payload": payload}))
        self._auto_delivered = auto_delivered
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and return when the connection is open. It retries while that can help.

        Raises ClientClosed when the server refuses this user (401 with new tokens, 403), and what the token provider raises. Use
        `asyncio.wait_for` to limit the wait.
        """
        await self._tokens.get()
        self._start(self._run(), "chat-client")
        self._start(self._mark(), "chat-client-receipts")
        try:
            await self._link.wait_open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection with a close handshake. Calls that still wait raise ClientClosed."""
        self._recovery.close()
        self._typing.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._finish(ClientClosed(CLOSED))
        await self.rest.aclose()

    @property
    def is_connected(self) -> bool:
        """Return True while the connection is open."""
        return self._link.is_open

    def events(self) -> AsyncIterator[Event]:
        """Yield every event since the client was opened, in order, messages without repeats or gaps.

        There may be several readers.

        It ends when the client is closed. Raises ClientClosed when the server ended it, EventsLost when this reader is slower
        than the backlog allows.
        """
        return self._feed.follow()

    async def wait_for(self, event_type: str, predicate: Predicate | None = None, timeout: float | None = 10.0) -> Any:
        """Return the first matching event of a type, among earlier and future events; each is returned once.

        Raises TimeoutError after `timeout` seconds, ClientClosed when none can come.
        """
        with fail_after(timeout):
            return await self._feed.wait_for(event_type, predicate)

    async def send(
        self,
        conversation_id: str,
        kind: MessageType = "text",
        content: str | None = None,
        *,
        temp_id: str | None = None,
        **more: Unpack[MoreContent],
    ) -> Message:
        """Send a message, and return it as stored. It is retried until the server has stored it, or refuses it permanently.

        Messages of one conversation are stored in the order of the calls. Raises ServerError (`blocked`,
        `validation_error` …), FrameTooBig, ClientClosed. Cancelling stops the retries; then the outcome is unknown. Raises
        ValueError for invalid ids, and for a message without visible content.
        """
        if kind != "custom" and not more.get("media") and is_blank(content or ""):
            raise ValueError("content with a visible character, or media, is required")
        temp_id = uuid.uuid4().hex if temp_id is None else temp_id
        # The server returns ids in their canonical form.
        conversation_id = str(uuid.UUID(conversation_id))
        if not 1 <= len(temp_id) <= MAX_TEMP_ID_CHARACTERS:
            raise ValueError(f"temp_id has 1 to {MAX_TEMP_ID_CHARACTERS} characters")
        payload: Frame = {"conversationId": conversation_id, "type": kind, "tempId": temp_id}
        if content is not None:
            payload["content"] = content
        names = {"media": "media", "reply_to": "replyTo", "metadata": "metadata"}
        payload |= {names[name]: value for name, value in more.items() if value is not None}
        if "media" in payload:
            payload["media"] = [_on_wire(item) for item in payload["media"]]
        return await self._outbox.send(conversation_id, temp_id, payload)

    def track(self, conversation_id: str, seq: int) -> None:
        """Tell that the application has the conversation's messages up to `seq`, from history.

        Later messages are checked for gaps.
        """
        self._timeline.track(conversation_id.lower(), seq)

    def mark_delivered(self, conversation_id: str, seq: int) -> None:
        """Report that this device has everything up to `seq`. It is sent soon, and again after a reconnect."""
        self._receipts.add("message.delivered", conversation_id.lower(), seq)

    def mark_read(self, conversation_id: str, seq: int | None = None) -> None:
        """Report that the user has read everything up to `seq` (None: all).

        It is sent soon, and repeated until `message.read_ack` comes.
        """
        self._receipts.add("message.read", conversation_id.lower(), seq)

    async def _run(self) -> None:
        try:
            reason = await self._link.run()
        except Exception as error:
            reason = ClientClosed("failed")
            reason.__cause__ = error
        self._finish(reason)

    async def _mark(self) -> None:
        try:
            await self._receipts.run()
        except ClientClosed:
            return

    def _finish(self, reason: ClientClosed) -> None:
        self._link.finish(reason)
        self._suspend(reason)
        self._feed.end(reason)

    def _suspend(self, reason: ChatError) -> None:
        self._receipts.suspend()
        self._outbox.suspend(reason)
        self._requests.suspend(reason)

    def _on_lost(self, code: int | None, advice: Advice) -> None:
        if code == CloseCode.FRAME_TOO_BIG:
            self._outbox.fail_largest(FrameTooBig("The server closed the connection over the size of a message"))
        self._suspend(ConnectionLost(advice.reason))
        payload = {"code": code, "reason": advice.reason, "retryInSeconds": advice.delay_seconds}
        self._feed.put({"type": "connection.lost", "payload": payload})

    def _on_frame(self, frame: Frame) -> None:
        kind, payload = frame["type"], frame.get("payload", {})
        if kind in {"message.sent", "message.new"}:
            if kind == "message.sent":
                self._outbox.settle(payload.get("tempId"), payload["message"])
            self._accept(frame)
            return
        if kind == "connection.success":
            self._on_open(payload)
        elif kind == "error":
            self._on_error(frame)
        elif kind == "message.read_ack":
            self._receipts.acknowledge("message.read", payload["conversationId"], payload["seq"])
        elif kind == "typing.start":
            self._typing.started(payload)
        elif kind == "typing.stop":
            self._typing.stopped(payload)
        self._requests.answer(kind, payload)
        self._feed.put(frame)

    def _on_open(self, payload: Frame) -> None:
        self.user_id = payload["userId"]
        self.connection_id = payload["connectionId"]
        if self._first_connected_at is None:
            self._first_connected_at = payload["connectedAt"]
        elif payload["recovered"] is not True or self._recovery.is_behind:
            self._recovery.resync(self._first_connected_at)
        self._receipts.resume()
        self._start(self._restore(), "chat-client-status")

    def _on_error(self, frame: Frame) -> None:
        error = error_of(frame)
        kind = error.ref.get("type")
        if kind == "message.send":
            self._outbox.refuse(error)
        elif kind in {"message.read", "message.delivered"} and error.retryable:
            self._receipts.refused(kind, error.ref.get("conversationId", ""))
        else:
            self._requests.refuse(error)

    def _accept(self, frame: Frame) -> None:
        message = frame["payload"]["message"]
        conversation_id = message["conversationId"]
        self._give(self._timeline.accept(conversation_id, message["seq"], frame))
        if self._timeline.gap(conversation_id) is not None:
            self._recovery.fill(conversation_id)

    def _on_read(self, message: Message) -> None:
        payload: Frame = {"message": message}
        if message["senderId"] == self.user_id:
            self._accept({"type": "message.sent", "payload": {**payload, "tempId": None}})
        else:
            self._accept({"type": "message.new", "payload": payload})

    def _on_missing(self, gap: Gap) -> None:
        payload = {"conversationId": gap.conversation_id, "afterSeq": gap.after_seq, "beforeSeq": gap.before_seq}
        self._feed.put({"type": "messages.missing", "payload": payload})
        self._give(self._timeline.skip(gap))

    def _on_unknown(self, conversation_id: str) -> None:
        self._give(self._timeline.settle(conversation_id))

    def _give(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._feed.put(frame)
            message = frame["payload"]["message"]
            if self._auto_delivered and message["senderId"] != self.user_id:
                self.mark_delivered(message["conversationId"], message["seq"])

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` in the background until the client is closed."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _on_wire(item: dict[str, Any]) -> dict[str, Any]:
    """Return an attachment for the server: only the id for an upload, because the server knows the rest."""
    return {"uploadId": item["uploadId"]} if item.get("uploadId") else item
