"""Samples the memory of each process, at a negligible cost."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from tools.bench.cpu import family

SAMPLE_SECONDS: Final = 0.5
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
PROC: Final = Path("/proc")


class Memory:
    """Bytes of kinds of processes: resident ones that are shared with nobody (proc(5), `statm`)."""

    def __init__(self, processes: Mapping[str, list[int]]) -> None:
        # Looking for children takes so long that it would change measured latencies. Children change rarely.
        self._pids = {kind: [pid for root in roots for pid in family(root)] for kind, roots in processes.items()}
        self.highest: dict[str, int] = {}

    def now(self) -> dict[str, int]:
        """Bytes by kind: of replicas of one service together."""
        return {kind: sum(map(_own_bytes, pids)) for kind, pids in self._pids.items()}

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Keep the highest values while the block runs."""
        self.highest = self.now()

        async def watch() -> None:
            while True:
                await asyncio.sleep(SAMPLE_SECONDS)
                for kind, size in self.now().items():
                    self.highest[kind] = max(self.highest[kind], size)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()


def _own_bytes(pid: int) -> int:
    try:
        _, resident, shared, *_ = (PROC / str(pid) / "statm").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(resident) - int(shared)) * PAGE_BYTES
