"""Futures that stand for an answer of the server."""

import asyncio
from typing import Any


def forget(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for `answer` any more: an exception that it may hold is not an oversight."""
    if answer.done() and not answer.cancelled():
        answer.exception()
    answer.cancel()
