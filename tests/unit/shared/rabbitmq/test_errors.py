"""What a closing connection and a cancelled task look like to those who wait on a broker."""

import asyncio

import pytest

from shared.rabbitmq.errors import translate_errors


async def test_a_closing_connection_is_an_error_that_can_be_caught() -> None:
    for raised in (Exception(), asyncio.CancelledError(), RuntimeError("the handler is closed")):
        with pytest.raises(ConnectionError), translate_errors():
            raise raised


async def test_other_errors_pass() -> None:
    with pytest.raises(TimeoutError), translate_errors():
        raise TimeoutError


async def test_a_cancelled_task_stays_cancelled_whatever_it_gets() -> None:
    async def waits() -> None:
        with translate_errors():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise Exception from None  # noqa: TRY002 - this is what aiormq does

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_out_stays_one() -> None:
    async def waits() -> None:
        async with asyncio.timeout(0.01):
            with translate_errors():
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await waits()
