"""CPU time of processes and all their threads, in nanoseconds, summed by kind.

`/proc/<pid>/task/<thread>/schedstat` counts in nanoseconds (Linux, Documentation/scheduler/sched-stats.rst), while `stat` counts
ticks of 10 ms. The time of a thread is lost when it ends, but the measured servers keep their threads.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

PROC = Path("/proc")

Sample = dict[int, tuple[str, int]]
"""pid → (kind, nanoseconds)."""


def sample(roots: Mapping[str, Iterable[int]]) -> Sample:
    """The CPU time so far of the processes of each kind, and of all their descendants."""
    times: Sample = {}
    for kind, pids in roots.items():
        for root in pids:
            for pid in family(root):
                times[pid] = (kind, nanoseconds(pid))
    return times


def difference(before: Sample, after: Sample) -> dict[str, int]:
    """Return the nanoseconds by kind between two samples.

    All the time of a process that started in between counts, and none of a process that ended.
    """
    spent: dict[str, int] = {}
    for pid, (kind, now) in after.items():
        spent[kind] = spent.get(kind, 0) + now - before.get(pid, (kind, 0))[1]
    return spent


def family(root: int) -> list[int]:
    """A process and all its descendants; empty when it is gone."""
    try:
        process = psutil.Process(root)
        return [root, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def nanoseconds(pid: int) -> int:
    """CPU time of all threads of a process; 0 when it is gone."""
    total = 0
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError:
        return total
    return total
