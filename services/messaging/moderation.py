"""Asks the operator's hook about messages and edits before they are stored; a retry gets the verdict that was given first."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import uuid4

import aiohttp
import msgspec
import structlog
from yarl import URL

from services.messaging import metrics
from services.messaging.batched_commands import key_of
from services.messaging.kept_verdicts import ALLOW, Decision, KeptVerdicts, Moderated
from services.messaging.settings import Settings
from shared.outbound.sessions import is_explicit, open_session
from shared.protocol import limits
from shared.protocol.relay import CommandBatch, EditMessage, SendMessage
from shared.protocol.stored_event import size_fault
from shared.protocol.text import is_blank
from shared.redis import Partitions
from shared.retry import retry_until_available
from shared.webhooks.signatures import Signer

log = structlog.get_logger(__name__)

SECONDS: Final = 0.3
"""Longest time that a batch waits for the hook, including the wait for its turn."""
MOST_AT_ONCE: Final = 8
MOST_ANSWER_BYTES: Final = 4 * 1024 * 1024
MOST_REASON_CHARACTERS: Final = 500
FAILED_REASON: Final = "This message can't be checked at the moment"
REJECTED_REASON: Final = "This message is not allowed"


class Verdict(msgspec.Struct, frozen=True):
    """The hook's verdict on one message."""

    id: str
    action: Literal["allow", "reject", "replace"]
    reason: str | None = None
    content: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    verdicts: list[Verdict]


class Moderator:
    """Asks the hook at `url`. `rejects_failures`: whether a time-out, an error or a missing verdict rejects the message."""

    def __init__(self, url: str, signer: Signer, partitions: Partitions, *, rejects_failures: bool) -> None:
        self._url = URL(url)
        self._signer = signer
        self._kept = KeptVerdicts(partitions)
        self._on_failure = Decision("reject", FAILED_REASON) if rejects_failures else ALLOW
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    @staticmethod
    def concerns(batch: CommandBatch) -> bool:
        """Return True when the batch has something that the hook must judge."""
        return any(isinstance(command, SendMessage | EditMessage) for command in batch.commands)

    async def judge(self, batch: CommandBatch) -> None:
        """Ask about the batch's messages and edits. Marks rejected ones, and puts replacements into others."""
        asked = [
            (command, key_of(batch, place, command))
            for place, command in enumerate(batch.commands)
            if isinstance(command, SendMessage | EditMessage)
        ]
        kept = await retry_until_available("verdicts", lambda: self._kept.find(asked))
        unknown = [one for one, verdict in zip(asked, kept, strict=True) if verdict is None]
        if unknown:
            judged = await self._ask([command for command, _ in unknown])
            await retry_until_available("verdicts", lambda: self._kept.keep(unknown, judged))
            fresh = iter(judged)
            kept = [next(fresh) if verdict is None else verdict for verdict in kept]
        for (command, _), verdict in zip(asked, kept, strict=True):
            if verdict is not None:
                _apply(command, verdict)

    def fail(self, batch: CommandBatch) -> None:
        """Treat a whole batch as if the hook had failed."""
        for command in batch.commands:
            if isinstance(command, SendMessage | EditMessage):
                _apply(command, self._on_failure)

    async def aclose(self) -> None:
        """Close the connections to the hook."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, commands: Sequence[Moderated]) -> list[Decision]:
        """Return the hook's decision on each; a missing one counts as a failure."""
        names = [str(uuid4()) for _ in commands]
        try:
            async with asyncio.timeout(SECONDS), self._places:
                found = await self._post(dict(zip(names, commands, strict=True)))
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("moderation.not_answered", messages=len(commands), error=repr(error))
            found = {}
        return [self._decision(command, found.get(name)) for name, command in zip(names, commands, strict=True)]

    def _decision(self, command: Moderated, verdict: Verdict | None) -> Decision:
        if verdict is None or (verdict.action == "replace" and not _fits(command, verdict.content)):
            metrics.MODERATED.labels("failed").inc()
            return self._on_failure
        metrics.MODERATED.labels(verdict.action).inc()
        if verdict.action == "allow":
            return ALLOW
        reason = (verdict.reason or REJECTED_REASON)[:MOST_REASON_CHARACTERS]
        return Decision(verdict.action, reason, verdict.content)

    async def _post(self, commands: dict[str, Moderated]) -> dict[str, Verdict]:
        if self._session is None:
            self._session = open_session(public_only=not is_explicit(self._url), connections=MOST_AT_ONCE)
        text = self._signer.body(
            "moderation.request", {"messages": [_shown(name, command) for name, command in commands.items()]}
        )
        # Sessions don't decompress: a small answer could become a large one.
        headers = {**self._signer.headers_now(text), "Accept-Encoding": "identity"}
        async with self._session.post(
            self._url, data=text.encode(), headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise aiohttp.ClientError(f"status {response.status}")
            body = await _whole(response.content)
        return {verdict.id: verdict for verdict in msgspec.json.decode(body, type=_Answer).verdicts}


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Return a whole body, where `read(n)` would return its first packet. Raises ClientError when it is too large."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > MOST_ANSWER_BYTES:
            raise aiohttp.ClientError("the answer is too large")
    return bytes(body)


def _apply(command: Moderated, verdict: Decision) -> None:
    if verdict.action == "reject":
        command.rejected = verdict.reason
    elif verdict.action == "replace" and verdict.content is not None:
        command.content = verdict.content


def _fits(command: Moderated, content: str | None) -> bool:
    """Return whether a replacement is a valid content. If not, it counts as a failure."""
    if content is None or len(content) > limits.MAX_CONTENT_CHARACTERS or "\0" in content:
        return False
    if isinstance(command, EditMessage):
        return not is_blank(content)
    media, metadata = _bytes(command.media), _bytes(command.metadata)
    return size_fault(content, media, metadata) is None and (not is_blank(content) or media is not None)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _shown(name: str, command: Moderated) -> dict[str, Any]:
    """Return a message as it is sent to the hook."""
    shown: dict[str, Any] = {
        "id": name,
        "conversationId": command.conversation_id,
        "senderId": command.user_id,
        "type": command.type if isinstance(command, SendMessage) else "text",
        "content": command.content,
        "media": [],
    }
    if command.temp_id is not None:
        shown["tempId"] = command.temp_id
    if isinstance(command, EditMessage):
        return {**shown, "seq": command.seq}
    if command.media is not None:
        shown["media"] = msgspec.Raw(command.media.encode())
    if command.metadata is not None:
        shown["metadata"] = msgspec.Raw(command.metadata.encode())
    return shown


def moderator_of(url: str, settings: Settings, partitions: Partitions) -> Moderator:
    """Return the moderator that asks the hook at `url`, in the way that `settings` say."""
    signer = Signer(settings.signing_secrets)
    return Moderator(url, signer, partitions, rejects_failures=settings.moderation_failure == "reject")
