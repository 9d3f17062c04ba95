"""Steps of a probe: each is timed and bounded, and the first that fails is the last."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
from chat_client import ChatError

from tools.failure import Failure

EXPECTED: Final = (ChatError, httpx.HTTPError, OSError, TimeoutError, Failure)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken. `error`: what went wrong, None when nothing did."""

    name: str
    seconds: float
    error: str | None = None


class StepFailedError(Exception):
    """The step that was taken last failed; `Steps.taken` has it."""


class Steps:
    """The steps so far."""

    def __init__(self) -> None:
        self.taken: list[Step] = []

    @asynccontextmanager
    async def step(self, name: str, most_seconds: float) -> AsyncIterator[None]:
        """Take a step. Raises StepFailedError when it fails, or takes longer than `most_seconds`."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(most_seconds):
                yield
        except EXPECTED as error:
            told = str(error) or f"no answer within {most_seconds:g} s"
            self.taken.append(Step(name, time.monotonic() - began, f"{type(error).__name__}: {told}"))
            raise StepFailedError(name) from error
        self.taken.append(Step(name, time.monotonic() - began))

    @property
    def succeeded(self) -> bool:
        """True when steps were taken, and none failed."""
        return bool(self.taken) and self.taken[-1].error is None
