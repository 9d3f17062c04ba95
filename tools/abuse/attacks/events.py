"""What comes over open sockets: large, many, changing, malformed."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

from tools.abuse.attack import Attack
from tools.abuse.hostile import Hostile, ticks
from tools.abuse.listener import Listener

SOCKETS: Final = 10
"""As many as one account may have."""
LARGE_CHARACTERS: Final = 3_000
MEDIA_URL: Final = "https://media.example/" + "x" * 2_000
NOT_STORED_URL: Final = "https://media.example/" + "🙂" * 2_000
"""Ten of them make a frame of 80 KB."""
AT_ONCE: Final = 300
"""More than what a connection has waiting (256)."""
BURST_SECONDS: Final = 2.0
WRITTEN: Final = 115
"""More than one report may name."""
ANSWER_SECONDS: Final = 60
BLANKS: Final = "\u200b\u2060\u3164\u2800" * 1_000
MARKS: Final = "a" + "\u0301" * 3_999
ISOLATES: Final = "\u202e\u2066" * 2_000
FAMILY: Final = "👨\u200d👩\u200d👧\u200d👦" * 8
"""Far more than one emoji."""
UNKNOWN: Final = (
    b"",
    b"[" * 20_000,
    b'{"type":"no.such.event","payload":{}}',
    b'{"type":"' + b"x" * 100_000 + b'"}',
)
MALFORMED: Final = (
    b'{"type":"message.send","payload":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    b'{"type":"message.send","payload":{"content":"\\ud800"}}',
    b'{"type":"message.read","payload":{"conversationId":"x","seq":1e400}}',
)


async def _connected(hostile: Hostile, per_second: float) -> AsyncIterator[tuple[int, Listener]]:
    """Ten sockets in turn, at this rate; those that are closed are opened again."""
    sockets = await hostile.sockets(SOCKETS)
    async for number in ticks(per_second):
        index = number % SOCKETS
        if index >= len(sockets) or sockets[index].transport is None:
            again = await hostile.socket()
            if again is None:
                continue
            sockets[index : index + 1] = [again]
            index = sockets.index(again)
        yield number, sockets[index]


def _message(hostile: Hostile, **fields: Any) -> dict[str, Any]:
    temp_id = secrets.token_hex(8)
    return {"conversationId": hostile.conversation_id, "type": "text", "tempId": temp_id, **fields}


def large_message(hostile: Hostile, url: str = MEDIA_URL) -> dict[str, Any]:
    """The payload of a `message.send` nearly as large as an event may be."""
    media = [{"url": url, "type": "image"} for _ in range(10)]
    return _message(hostile, type="image", content="x" * LARGE_CHARACTERS, media=media)


async def write_some(hostile: Hostile) -> None:
    """Write a hundred messages."""
    sender = await hostile.greeted()
    for _ in range(WRITTEN):
        await hostile.send(sender, "message.send", **_message(hostile, content="x"))
    await answered(hostile, sender, WRITTEN)
    hostile.told.clear()
    sender.cut()


async def answered(hostile: Hostile, sender: Listener, count: int) -> None:
    """Wait until so many messages of a connection are stored or refused. Raises TimeoutError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while len(sender.seqs) + hostile.told["rate_limit_exceeded"] < count:
            await sender.heard()


async def large_events(hostile: Hostile) -> None:
    """Messages of 24 KB over ten sockets, 24 a second."""
    await hostile.socket(name=hostile.partner)
    async for _, socket in _connected(hostile, 24):
        await hostile.send(socket, "message.send", **large_message(hostile))


async def too_large_events(hostile: Hostile) -> None:
    """Messages of 80 KB, which are refused, 50 a second."""
    async for _, socket in _connected(hostile, 50):
        await hostile.send(socket, "message.send", **large_message(hostile, NOT_STORED_URL))


async def many_waiting(hostile: Hostile) -> None:
    """300 messages of 24 KB at once on each of ten sockets, again and again."""

    async def again(number: int, socket: Listener) -> None:
        # The sockets begin one after the other, and a full one holds up no other.
        await asyncio.sleep(number / SOCKETS * BURST_SECONDS)
        while True:
            for _ in range(AT_ONCE):
                await hostile.send(socket, "message.send", **large_message(hostile))
            await asyncio.sleep(BURST_SECONDS)
            if socket.transport is None:
                socket = await hostile.socket() or socket

    await asyncio.gather(*(again(*each) for each in enumerate(await hostile.sockets(SOCKETS))))


async def oversized_frames(hostile: Hostile) -> None:
    """Frames of 600 KB, over the limit of 512 KiB."""
    frame = b'{"type":"ping","payload":{"timestamp":"' + b"x" * 600_000 + b'"}}'
    async for _, socket in _connected(hostile, 5):
        await hostile.send_text(socket, frame)


async def unknown_frames(hostile: Hostile) -> None:
    """Frames that are no JSON object, or of unknown type, 500 a second."""
    async for number, socket in _connected(hostile, 500):
        await hostile.send_text(socket, UNKNOWN[number % len(UNKNOWN)])


async def malformed_frames(hostile: Hostile) -> None:
    """Events nested 10,000 deep, with lone surrogates, or with numbers beyond all bounds, 500 a second."""
    async for number, socket in _connected(hostile, 500):
        await hostile.send_text(socket, MALFORMED[number % len(MALFORMED)])


async def unicode_texts(hostile: Hostile) -> None:
    """Blank texts, 4,000 combining marks, bidirectional overrides, and reactions that are no emoji."""
    texts = itertools.cycle((BLANKS, MARKS, ISOLATES))
    async for number, socket in _connected(hostile, 30):
        if number % 3:
            await hostile.send(socket, "message.send", **_message(hostile, content=next(texts)))
        else:
            await hostile.send(
                socket, "reaction.add", conversationId=hostile.conversation_id, seq=1, emoji=FAMILY[: number % 60]
            )


async def control_frames(hostile: Hostile) -> None:
    """WebSocket pings of 125 bytes, 2,000 a second."""
    async for _, socket in _connected(hostile, 2_000):
        await hostile.ping(socket, b"x" * 125)


async def pings(hostile: Hostile) -> None:
    """`ping` on ten sockets, three times as many as are allowed."""
    async for number, socket in _connected(hostile, 600):
        await hostile.send(socket, "ping", timestamp=number)


async def typing(hostile: Hostile) -> None:
    """`typing.start` and `typing.stop` in turn on ten sockets, twice as many as are allowed."""
    await hostile.socket(name=hostile.partner)
    async for number, socket in _connected(hostile, 400):
        kind = ("typing.start", "typing.stop")[number // SOCKETS % 2]
        await hostile.send(socket, kind, conversationId=hostile.conversation_id)


async def receipts(hostile: Hostile) -> None:
    """`message.read` and `message.delivered` on ten sockets, twice as many as are allowed."""
    async for number, socket in _connected(hostile, 400):
        kind = ("message.read", "message.delivered")[number // SOCKETS % 2]
        await hostile.send(socket, kind, conversationId=hostile.conversation_id, seq=number % 50 + 1)


async def changes(hostile: Hostile) -> None:
    """Edits, deletions and reactions on ten sockets, ten times as many as are allowed."""
    sender = await hostile.greeted()
    for number in range(20):
        await hostile.send(sender, "message.send", **_message(hostile, content=f"to be changed {number}"))
    async for number, socket in _connected(hostile, 10):
        target = {"conversationId": hostile.conversation_id, "seq": number % 20 + 1}
        await hostile.send(socket, "message.edit", **target, content=f"{number:06d}" + "x" * 3_994)
        await hostile.send(socket, "reaction.add", **target, emoji="😀")
        await hostile.send(socket, "reaction.remove", **target, emoji="😀")
        if number % 5 == 0:
            await hostile.send(socket, "message.delete", **target)


async def repeated_sends(hostile: Hostile) -> None:
    """The same `tempId` again and again, with the same body and with another, over ten sockets."""
    async for number, socket in _connected(hostile, 24):
        message = _message(hostile, content="again" if number % 2 else f"other {number}") | {"tempId": "same"}
        await hostile.send(socket, "message.send", **message)


async def blocks(hostile: Hostile) -> None:
    """`block.add` and `block.remove` in turn from ten sockets, 100 a second."""
    async for number, socket in _connected(hostile, 100):
        kind = ("block.add", "block.remove")[number // SOCKETS % 2]
        await hostile.send(socket, kind, username=hostile.partner)


async def repeated_blocks(hostile: Hostile) -> None:
    """The same `block.add` from ten sockets, 100 a second."""
    async for _, socket in _connected(hostile, 100):
        await hostile.send(socket, "block.add", username=hostile.partner)


async def no_friends(hostile: Hostile) -> None:
    """Blocks of users that don't exist, with ever new names."""
    async for _, socket in _connected(hostile, 100):
        await hostile.send(socket, "block.add", username=secrets.token_hex(120))


RATE: Final = frozenset({"rate_limit_exceeded"})
INVALID: Final = frozenset({"validation_error"})

ATTACKS: Final = (
    Attack("large-events", large_events, RATE),
    Attack("too-large-events", too_large_events, INVALID),
    Attack("many-waiting", many_waiting, RATE),
    Attack("oversized-frames", oversized_frames, frozenset({"close 1009"})),
    Attack("unknown-frames", unknown_frames, frozenset({"close 1008"})),
    Attack("malformed-frames", malformed_frames, INVALID),
    Attack("unicode", unicode_texts, INVALID),
    Attack("control-frames", control_frames),
    Attack("pings", pings, RATE),
    Attack("typing", typing, RATE),
    Attack("receipts", receipts, RATE),
    Attack("changes", changes),
    Attack("repeated-sends", repeated_sends, frozenset({"duplicate_temp_id"})),
    Attack("blocks", blocks, RATE),
    Attack("repeated-blocks", repeated_blocks, RATE),
    Attack("unknown-names", no_friends, frozenset({"user_not_found", "rate_limit_exceeded"})),
)
