"""A process that stands for other machines: it must not take the CPU that the system under test would have."""

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
    """`python -m module`, in a session of its own, until the block ends. Its `main` has to call `is_other_machine`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


def is_other_machine() -> None:
    """Stand back for all others, since everything here runs on the same cores; and end when the measurement is killed."""
    end_with_parent()
    stand_back(NICENESS)
