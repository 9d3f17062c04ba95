"""Futures for answers of the server."""

import asyncio
from typing import Any


def forget(answer: asyncio.Future[Any]) -> None:
    """Mark `answer` as no longer awaited, so that asyncio doesn't warn of its exception."""
    if answer.done() and not answer.cancelled():
        answer.exception()
    answer.cancel()
