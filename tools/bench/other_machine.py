"""Runs a process that stands for other machines, at low priority: it must not take CPU from the system under test."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from shared.priority import stand_back
from tools.stack.parent import end_with_parent

NICENESS: Final = 19


@asynccontextmanager
async def on_other_machine(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m module`, in a session of its own, until the block ends. Its `main` must call `is_other_machine`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


def is_other_machine() -> None:
    """Run this process at low priority, because everything runs on the same cores, and end it when the measurement is killed."""
    end_with_parent()
    stand_back(NICENESS)
