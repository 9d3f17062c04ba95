"""Resident memory of processes, summed by kind."""

from collections.abc import Iterable, Mapping

import psutil

from tools.bench.cpu import family


def resident(roots: Mapping[str, Iterable[int]]) -> dict[str, int]:
    """Return bytes by kind. It counts a process's own pages (USS), so shared pages are not counted twice."""
    return {kind: sum(_own_bytes(pid) for root in pids for pid in family(root)) for kind, pids in roots.items()}


def _own_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.NoSuchProcess:
        return 0
