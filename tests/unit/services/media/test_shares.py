"""One user's uploads and one conversation's downloads leave places for others, however slow they are."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from services.media.completion import MAX_WAITING_OF_USER, Completion
from services.media.transfers import SHARE, Transfers
from shared.protocol.errors import ErrorCode, ProtocolError


async def test_slow_transfers_of_one_leave_places_for_others() -> None:
    transfers = Transfers(2 * SHARE)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(transfers.one("in", "alice"))
        third = asyncio.create_task(stack.enter_async_context(transfers.one("in", "alice")))
        await stack.enter_async_context(transfers.one("out", "bob and carol"))
        assert not third.done()
        third.cancel()


async def test_a_transfer_that_waited_goes_on_in_a_place_that_became_free() -> None:
    transfers = Transfers(SHARE)
    async with transfers.one("in", "alice"):
        second = asyncio.create_task(enter(transfers))
        await asyncio.sleep(0)
        assert not second.done()
    await second


async def enter(transfers: Transfers) -> None:
    async with transfers.one("in", "alice"):
        pass


async def test_uploads_that_take_long_to_inspect_delay_no_other_user_s() -> None:
    nothing = cast("Any", None)
    completion = Completion(nothing, nothing, nothing, nothing, nothing, slots=4)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(completion._slot("alice"))
        waiting = [
            asyncio.create_task(stack.enter_async_context(completion._slot("alice")))
            for _ in range(MAX_WAITING_OF_USER - 1)
        ]
        await asyncio.sleep(0)
        await stack.enter_async_context(completion._slot("bob"))
        assert not any(task.done() for task in waiting)
        with pytest.raises(ProtocolError) as refusal:
            await stack.enter_async_context(completion._slot("alice"))
        assert refusal.value.code is ErrorCode.UNAVAILABLE
        for task in waiting:
            task.cancel()
