"""Bytes pass through media at a pace that its operator sets, in both directions together (docs/uploads.md)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

from services.media.storage import CHUNK_BYTES
from services.media.transfers import BURST_SECONDS, Transfers
from tests.integration.media.conftest import Conversation, Start
from tests.support.uploads import File

BYTES = os.urandom(8 * CHUNK_BYTES)
FILE = File(BYTES, "a.bin", "application/octet-stream")
BYTES_PER_SECOND = len(BYTES)
LEAST_SECONDS = len(BYTES) / BYTES_PER_SECOND - BURST_SECONDS - CHUNK_BYTES / BYTES_PER_SECOND
"""Of one transfer: it may begin with a burst, and what it passed last is paid for by the next."""


async def pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(BYTES), CHUNK_BYTES):
        yield BYTES[start : start + CHUNK_BYTES]


async def test_bytes_come_and_go_at_the_pace_that_is_set(start: Start, talk: Conversation) -> None:
    async with start(upload_bytes_per_second=BYTES_PER_SECOND) as running:
        to = await running.reserve(talk, FILE)
        began = time.monotonic()
        answer = await running.call(to["method"], to["url"], headers=to["headers"], content=pieces())
        assert time.monotonic() - began >= LEAST_SECONDS
        assert answer.status_code == 204, answer.text
        url = (await running.complete(talk, to)).json()["media"]["url"]
        began = time.monotonic()
        answer = await running.call("GET", url)
        assert time.monotonic() - began >= LEAST_SECONDS
        assert answer.content == BYTES


async def test_transfers_share_the_pace() -> None:
    transfers, order = Transfers(2, bytes_per_second=1_000_000), []

    async def carry(name: str) -> None:
        for _ in range(10):
            await transfers.pass_on(20_000)
            order.append(name)

    await transfers.pass_on(round(1_000_000 * BURST_SECONDS))
    began = time.monotonic()
    await asyncio.gather(carry("a"), carry("b"))
    assert time.monotonic() - began >= 0.37
    assert abs(order[:10].count("a") - order[:10].count("b")) <= 2
