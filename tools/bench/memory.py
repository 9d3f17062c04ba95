"""Resident memory of processes, summed by kind."""

from collections.abc import Iterable, Mapping

import psutil

from tools.bench.cpu import family


def resident(roots: Mapping[str, Iterable[int]]) -> dict[str, int]:
    """Bytes by kind: what the kernel says is the process' own (USS), so that shared pages are not counted twice."""
    return {kind: sum(_own_bytes(pid) for root in pids for pid in family(root)) for kind, pids in roots.items()}


def _own_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.NoSuchProcess:
        return 0
